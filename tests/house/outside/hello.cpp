// No XEP: greets whoever asks. A module that was not built with tambo.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view hello_space = "urn:example:hello";

class Hello final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Hello::greet>(hello_space, "hello", this, Scope::server);
        w.feature(hello_space);
    }

private:
    Reply greet(Iq& iq) {
        return Iq::result().element("hello", hello_space).text(*greeting_ + ", " + std::string{iq.from().local()});
    }

    Option<std::string> greeting_{"greeting", "Good day", "what is said to those who greet"};
};

}   // namespace

TAMBO_MODULE(Hello, "hello", "1.0.0", 1)
