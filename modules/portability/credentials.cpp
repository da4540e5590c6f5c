#include "credentials.hpp"

#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

namespace tambo::portability {

namespace {

struct Hash {
    std::string_view name, mechanism, prefix;
    std::size_t bytes;
};
// The prefix is how older ejabberds put keys into the attribute: "scram:sha256,STORED,SERVER,SALT,ITERATIONS", and
// nothing before STORED for SHA-1.
constexpr std::array hashes{Hash{"SHA-1", "SCRAM-SHA-1", "", 20}, Hash{"SHA-256", "SCRAM-SHA-256", "sha256", 32},
                            Hash{"SHA-512", "SCRAM-SHA-512", "sha512", 64}};
constexpr std::uint32_t most_iterations = 10'000'000;   // more would hold up each login for minutes
constexpr std::size_t most_salt_bytes = 1024;

struct Raw {
    std::string_view stored_key, server_key, salt, iterations;
};

// ejabberd (23.01 at least) writes base64 of the base64 that it keeps.
std::optional<Bytes> decoded_once_more(const std::optional<Bytes>& once) {
    return once ? from_base64(*once) : std::nullopt;
}

Result<ScramKeys> decoded(const Hash& hash, const Raw& raw) {
    ScramKeys keys;
    keys.hash = hash.name;
    auto stored = from_base64(raw.stored_key), server = from_base64(raw.server_key), salt = from_base64(raw.salt);
    if (const auto inner = decoded_once_more(stored); inner && inner->size() == hash.bytes) {
        stored = inner;
        server = decoded_once_more(server);
        salt = decoded_once_more(salt);
    }
    if (!stored || !server || stored->size() != hash.bytes || server->size() != hash.bytes)
        return fail(Condition::bad_request, fmt::format("the keys are none of {}", hash.mechanism));
    if (!salt || salt->empty() || salt->size() > most_salt_bytes)
        return fail(Condition::bad_request, "the salt is not base64, or of no sensible length");
    const auto digits = raw.iterations;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), keys.iterations);
    if (error != std::errc{} || end != digits.data() + digits.size() || keys.iterations == 0 ||
        keys.iterations > most_iterations)
        return fail(Condition::bad_request, fmt::format("expected 1 to {} iterations", most_iterations));
    keys.stored_key = *stored;
    keys.server_key = *server;
    keys.salt = *salt;
    return keys;
}

std::string_view trimmed(std::string_view text) {
    const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

Result<void> read_elements(const Element& user, Credentials& into) {
    for (const Element one : user.children()) {
        if (!one.is("scram-credentials", scram_space)) continue;
        for (const auto& hash : hashes) {
            if (one.attribute("mechanism") != hash.mechanism) continue;
            const auto text = [&](std::string_view name) { return trimmed(one.child(name).text()); };
            auto keys = decoded(hash, {text("stored-key"), text("server-key"), text("salt"), text("iter-count")});
            if (!keys) return std::unexpected{keys.error()};
            if (into.find(hash.name) == nullptr) into.keys.push_back(std::move(*keys));
        }
    }
    return {};
}

Result<void> read_attribute(std::string_view text, Credentials& into) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto comma = text.find(',');
        parts.push_back(text.substr(0, comma));
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    for (const auto& hash : hashes) {
        if (parts.size() != (hash.prefix.empty() ? 4U : 5U) || (!hash.prefix.empty() && parts[0] != hash.prefix))
            continue;
        const auto first = hash.prefix.empty() ? 0U : 1U;
        auto keys = decoded(hash, {parts[first], parts[first + 1], parts[first + 2], parts[first + 3]});
        if (!keys) return std::unexpected{keys.error()};
        into.keys.push_back(std::move(*keys));
        return {};
    }
    return fail(Condition::bad_request, "the attribute password begins with scram: and goes on as no server writes it");
}

}   // namespace

std::string written(const Credentials& credentials) {
    std::string all;
    for (const auto& hash : hashes) {
        const auto* keys = credentials.find(hash.name);
        if (keys == nullptr) continue;
        Writer w;
        w.element("scram-credentials", scram_space).attribute("mechanism", hash.mechanism);
        w.element("iter-count").text(fmt::to_string(keys->iterations)).end();
        w.element("salt").text(base64(keys->salt)).end();
        w.element("server-key").text(base64(keys->server_key)).end();
        w.element("stored-key").text(base64(keys->stored_key)).end();
        all += w.take();
    }
    return all;
}

Result<Brought> read_credentials(const Element& user) {
    constexpr std::string_view old_form = "scram:";
    Brought brought;
    if (const auto read = read_elements(user, brought.credentials); !read) return std::unexpected{read.error()};
    const auto password = user.attribute("password");
    if (password.starts_with(old_form)) {
        if (!brought.credentials.keys.empty()) return brought;
        if (const auto read = read_attribute(password.substr(old_form.size()), brought.credentials); !read)
            return std::unexpected{read.error()};
    } else if (!password.empty()) {
        auto prepared = prepare_password(password);
        if (!prepared) return fail(Condition::bad_request, "the password has characters that none may have");
        brought.password = std::move(*prepared);
    }
    return brought;
}

}   // namespace tambo::portability
