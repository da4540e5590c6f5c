// The counter's second version: its state has another shape, in both homes, and it can read the first one's.
#include <charconv>
#include <cstring>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

struct Asked {
    static constexpr int version = 2;
    std::uint64_t times = 0;
    std::uint32_t flags = 0;

    static bool upgrade(int from, std::string_view bytes, Asked& fresh) {
        std::uint32_t times = 0;
        if (from != 1 || bytes.size() != sizeof times) return false;
        std::memcpy(&times, bytes.data(), sizeof times);
        fresh.times = times;
        return true;
    }
};

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Tally::answer>("urn:tambo:test:counter", "query", this); }
    Bytes save() const override { return "count=" + std::to_string(count_); }
    bool load(std::string_view state) override {
        constexpr std::string_view prefix = "count=";
        return state.starts_with(prefix) && read(state.substr(prefix.size()));
    }
    bool upgrade(std::uint32_t from_version, std::string_view state) override {
        return from_version == 1 && read(state);   // then it was the bare number
    }

private:
    bool read(std::string_view number) {
        return std::from_chars(number.data(), number.data() + number.size(), count_).ec == std::errc{};
    }

    Reply answer(Iq& iq) {
        return Reply{}
            .element("query", "urn:tambo:test:counter")
            .attribute("version", 2)
            .attribute("count", ++count_)
            .attribute("own", ++asked_(*iq.session()).times);
    }

    std::uint64_t count_ = 0;
    Slot<Asked> asked_{"test-asked"};
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "2.0", 2)
