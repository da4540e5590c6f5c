// A handler that does not return until a file is there: what a loop without an end looks like from outside.
#include <filesystem>
#include <fstream>
#include <thread>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Sticky final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Sticky::answer>("urn:tambo:test:sticky", "query", this); }

private:
    Reply answer(Iq&) {
        std::ofstream{*until_ + ".stuck"};
        while (!std::filesystem::exists(*until_)) std::this_thread::yield();
        return Reply{}.element("query", "urn:tambo:test:sticky");
    }

    Option<std::string> until_{"until", "/nonexistent", "the file that ends the wait"};
};

}   // namespace

TAMBO_MODULE(Sticky, "sticky", "1.0", 1)
