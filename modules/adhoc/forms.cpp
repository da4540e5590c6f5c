#include "forms.hpp"

#include <utility>
#include <vector>

namespace tambo::adhoc {

namespace {

std::string_view field_type(Argument::Kind kind) {
    switch (kind) {
        case Argument::Kind::line:
            return "text-single";
        case Argument::Kind::paragraph:
            return "text-multi";
        case Argument::Kind::secret:
            return "text-private";
        case Argument::Kind::account:
        case Argument::Kind::jid:
            return "jid-single";
        case Argument::Kind::jids:
            return "jid-multi";
        case Argument::Kind::flag:
            return "boolean";
        case Argument::Kind::choice:
            return "list-single";
    }
    return "text-single";
}

/// XEP-0068: fields that have a meaning beyond this form belong to a type. XEP-0133's is what stands before the '#'.
void write_form_type(Writer& form, std::string_view node) {
    const auto hash = node.find('#');
    if (hash == node.npos) return;
    form.element("field").attribute("var", "FORM_TYPE").attribute("type", "hidden");
    form.element("value").text(node.substr(0, hash)).end().end();
}

void write_values(Writer& form, const std::vector<std::string>& values) {
    for (const auto& value : values) form.element("value").text(value).end();
}

std::vector<std::string> preset(const Argument& argument, const CommandCall& known) {
    if (argument.kind == Argument::Kind::secret) return {};
    auto values = known.all(argument.name);
    if (values.empty() && !argument.fallback.empty()) values.push_back(argument.fallback);
    return values;
}

void write_field(Writer& form, const Argument& argument, const CommandCall& known) {
    form.element("field").attribute("var", argument.name).attribute("type", field_type(argument.kind));
    form.attribute("label", argument.label);
    if (argument.is_required) form.element("required").end();
    write_values(form, preset(argument, known));
    for (const auto& choice : argument.choices) {
        form.element("option").attribute("label", choice);
        form.element("value").text(choice).end().end();
    }
    form.end();
}

const Argument* find_argument(const Command& command, std::string_view name) {
    for (const auto& argument : command.arguments)
        if (argument.name == name) return &argument;
    return nullptr;
}

}   // namespace

std::string ask(const Command& command, const CommandCall& known) {
    Writer form;
    form.element("x", data_space).attribute("type", "form");
    form.element("title").text(command.label).end();
    write_form_type(form, command.node);
    for (const auto& argument : command.arguments) write_field(form, argument, known);
    return form.take();
}

CommandCall filled_in(const Command& command, const Element& form) {
    CommandCall call;
    for (const auto field : form.children()) {
        const auto* argument = field.is("field", data_space) ? find_argument(command, field.attribute("var")) : nullptr;
        if (argument == nullptr) continue;
        std::vector<std::string> values;
        for (const auto value : field.children())
            if (value.is("value", data_space)) values.emplace_back(value.text());
        call.given.insert_or_assign(argument->name, std::move(values));
    }
    return call;
}

std::string report(const Command& command, const CommandResult& result) {
    if (result.values.empty() && result.xml.empty()) return {};
    Writer form;
    form.element("x", data_space).attribute("type", "result");
    form.element("title").text(command.label).end();
    write_form_type(form, command.node);
    for (const auto& value : result.values) {
        form.element("field").attribute("var", value.name).attribute("label", value.label);
        if (value.values.size() > 1) form.attribute("type", "text-multi");
        write_values(form, value.values);
        form.end();
    }
    return form.raw(result.xml).take();
}

}   // namespace tambo::adhoc
