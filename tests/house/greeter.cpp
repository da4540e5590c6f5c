// A module for the tests of tamboctl: a command with each kind of argument that an operator can type.
#include <fmt/format.h>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Greeter final : public Module {
public:
    void wire(Wiring& w) override {
        using Kind = Argument::Kind;
        w.command<&Greeter::greet>({"greeter#greet",
                                    "greet loudly",
                                    "Greet people",
                                    Audience::operator_,
                                    {{"how", "How", Kind::choice, true, {"hello", "farewell"}},
                                     {"text", "What else", Kind::paragraph},
                                     {"twice", "Twice", Kind::flag, false, {}, "false"},
                                     {"whom", "Whom", Kind::jids, false}}},
                                   this);
    }

private:
    Task<Result<CommandResult>> greet(CommandCall call) {
        if (call.get("text") == "no") co_return fail(Condition::not_allowed, "not today");
        CommandResult result;
        result.text = fmt::format("{}{}", call.get("how"), call.flag("twice") ? ", twice" : "");
        result.values.push_back({"lines", "Lines", call.all("text")});
        result.values.push_back({"whom", "Whom", call.all("whom")});
        co_return result;
    }
};

}   // namespace

TAMBO_MODULE(Greeter, "greeter", "1.0", /*state version*/ 1)
