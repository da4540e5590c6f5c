// The counter's first version once more, from another build: it says so, and is longer.
#include <charconv>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

struct Asked {
    static constexpr int version = 1;
    std::uint32_t times = 0;
};

class Tally final : public Module {
public:
    void wire(Wiring& w) override { w.iq<&Tally::answer>("urn:tambo:test:counter", "query", this); }
    Bytes save() const override { return std::to_string(count_); }
    bool load(std::string_view state) override {
        return std::from_chars(state.data(), state.data() + state.size(), count_).ec == std::errc{};
    }

private:
    /// With `wait`, answers after so many seconds: long enough for a newer version to come meanwhile.
    Task<Reply> answer(Iq iq) {
        ++count_;
        const auto own = ++asked_(*iq.session()).times;
        const auto text = iq.payload().attribute("wait");
        std::int64_t seconds = 0;
        std::from_chars(text.data(), text.data() + text.size(), seconds);
        if (seconds > 0) co_await host().after(std::chrono::seconds{seconds});
        co_return Reply{}
            .element("query", "urn:tambo:test:counter")
            .attribute("version", "1 too")
            .attribute("count", count_)
            .attribute("own", own);
    }

    std::uint64_t count_ = 0;
    Slot<Asked> asked_{"test-asked"};
};

}   // namespace

TAMBO_MODULE(Tally, "counter", "1.0.1", 1)
