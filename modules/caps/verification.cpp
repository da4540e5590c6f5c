#include "verification.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

#include <openssl/evp.h>

namespace tambo::caps {

namespace {

constexpr std::string_view data_space = "jabber:x:data";

/// §5.1 joins with '<'. A '<' inside would make two different answers look the same (the warning below §5.4).
bool is_plain(std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return c == '<' || static_cast<unsigned char>(c) < 0x20; });
}

bool is_part(std::string_view text) { return is_plain(text) && text.find('/') == text.npos; }

Result<Named> read_identity(const Element& identity) {
    Named named{std::string{identity.attribute("category")}, std::string{identity.attribute("type")},
                std::string{identity.lang()}, std::string{identity.attribute("name")}};
    if (!is_part(named.category) || !is_part(named.type) || !is_part(named.lang) || !is_plain(named.name))
        return fail(Condition::bad_request, "an identity has characters that it can not have");
    return named;
}

Result<Field> read_field(const Element& element) {
    Field field{std::string{element.attribute("var")}, {}};
    for (const auto value : element.children())
        if (value.is("value", data_space)) field.values.emplace_back(value.text());
    if (!is_plain(field.name) || !std::ranges::all_of(field.values, is_plain))
        return fail(Condition::bad_request, "a form has characters that it can not have");
    return field;
}

/// nullopt: it has no hidden FORM_TYPE, so §5.4 step 3.6 ignores it.
Result<std::optional<Form>> read_form(const Element& x) {
    Form form;
    bool is_typed = false;
    for (const auto element : x.children()) {
        if (!element.is("field", data_space)) continue;
        auto field = read_field(element);
        if (!field) return std::unexpected{field.error()};
        if (field->name != "FORM_TYPE") {
            form.fields.push_back(std::move(*field));
            continue;
        }
        if (element.attribute("type") != "hidden" || field->values.empty()) return std::nullopt;
        if (std::ranges::adjacent_find(field->values, std::not_equal_to{}) != field->values.end())
            return fail(Condition::bad_request, "a form has two types");
        form.type = field->values.front();
        is_typed = true;
    }
    if (!is_typed) return std::nullopt;
    return form;
}

template <class T, class Key = std::identity>
bool has_twice(std::vector<T> all, Key key = {}) {
    std::ranges::sort(all, {}, key);
    return std::ranges::adjacent_find(all, {}, key) != all.end();
}

/// Sorted, so that an answer does not depend on the order in which modules came.
template <class T>
void sort_out(std::vector<T>& all) {
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
}

Result<void> check(const Capabilities& all) {
    if (has_twice(all.identities)) return fail(Condition::bad_request, "an identity is there twice");
    if (has_twice(all.features)) return fail(Condition::bad_request, "a feature is there twice");
    if (has_twice(all.forms, &Form::type)) return fail(Condition::bad_request, "two forms have the same type");
    return {};
}

void append(std::string& out, std::string_view factor) { out.append(factor).push_back('<'); }

void append(std::string& out, Form& form) {
    append(out, form.type);
    std::ranges::sort(form.fields, {}, &Field::name);
    for (auto& field : form.fields) {
        append(out, field.name);
        std::ranges::sort(field.values);
        for (const auto& value : field.values) append(out, value);
    }
}

std::optional<std::string> digest(std::string_view algorithm, std::string_view bytes) {
    constexpr std::array<std::pair<std::string_view, const EVP_MD* (*)()>, 3> known{
        {{"sha-1", EVP_sha1}, {"sha-256", EVP_sha256}, {"sha-512", EVP_sha512}}};
    const auto found = std::ranges::find(known, algorithm, [](const auto& entry) { return entry.first; });
    if (found == known.end()) return std::nullopt;
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, found->second(), nullptr) != 1)
        throw std::runtime_error{"OpenSSL can not hash"};
    return std::string{reinterpret_cast<const char*>(hash.data()), size};
}

}   // namespace

Result<Capabilities> read(const Element& query) {
    Capabilities all;
    for (const auto child : query.children()) {
        if (child.is("identity", query.space())) {
            auto identity = read_identity(child);
            if (!identity) return std::unexpected{identity.error()};
            all.identities.push_back(std::move(*identity));
        } else if (child.is("feature", query.space())) {
            const auto feature = child.attribute("var");
            if (!is_plain(feature))
                return fail(Condition::bad_request, "a feature has characters that it can not have");
            all.features.emplace_back(feature);
        } else if (child.is("x", data_space)) {
            auto form = read_form(child);
            if (!form) return std::unexpected{form.error()};
            if (*form) all.forms.push_back(std::move(**form));
        }
    }
    if (auto fine = check(all); !fine) return std::unexpected{fine.error()};
    return all;
}

Capabilities of(const Host& host, Scope scope) {
    Capabilities all;
    for (const auto& identity : host.identities(scope))
        all.identities.push_back({identity.category, identity.type, {}, identity.name});
    all.features = host.features(scope);
    sort_out(all.identities);
    sort_out(all.features);
    for (const auto& xml : host.forms(scope)) {
        const auto tape = parse_xml(xml);
        if (!tape) throw std::runtime_error{"a module offers a form that is not XML: " + tape.error().text};
        auto form = read_form(Element{*tape, 0});
        if (form && *form) all.forms.push_back(std::move(**form));
    }
    return all;
}

std::string joined(Capabilities all) {
    std::string out;
    std::ranges::sort(all.identities);   // by category, type and language: char_traits compares octets
    for (const auto& [category, type, lang, name] : all.identities)
        append(out, fmt::format("{}/{}/{}/{}", category, type, lang, name));
    std::ranges::sort(all.features);
    for (const auto& feature : all.features) append(out, feature);
    std::ranges::sort(all.forms, {}, &Form::type);
    for (auto& form : all.forms) append(out, form);
    return out;
}

std::optional<std::string> verification(const Capabilities& capabilities, std::string_view algorithm) {
    const auto hash = digest(algorithm, joined(capabilities));
    if (!hash) return std::nullopt;
    return base64(*hash);
}

}   // namespace tambo::caps
