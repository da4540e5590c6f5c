// A module that leaves things under way: timers of sessions, ticks, commands that take their time, rows on their way
// to the store. Each answer says which version gives it.
#pragma once

#include <charconv>
#include <string>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view space = "urn:tambo:test:clockwork";

template <int version>
class Clockwork final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Clockwork::wind>(space, "wind", this);
        w.iq<&Clockwork::keep>(space, "keep", this);
        w.iq<&Clockwork::tell>(space, "tell", this);
        w.timer<&Clockwork::ring>("clockwork-ring", this);
        w.every<&Clockwork::tick>(std::chrono::seconds{1}, this);
        w.command<&Clockwork::strike>({"clockwork-strike", "strike", "Strike the hour", Audience::user}, this);
        w.keeps("clockwork", "what tests keep");
        ticks_ = &w.counter("ticks_total", "ticks of all versions");
    }

private:
    /// Rings after so many seconds.
    Reply wind(Iq& iq) {
        iq.session()->arm("clockwork-ring", std::chrono::seconds{number(iq.payload().attribute("after"))});
        return Reply{};
    }
    void ring(Session& session) {
        auto message = Stanza::parse("<message><body>version " + std::to_string(version) + "</body></message>");
        message->set_from(session.bare_jid());
        message->set_to(session.jid());
        host().route(std::move(*message));
    }

    void tick() { ticks_->add(); }

    /// Ten seconds long.
    Task<Result<CommandResult>> strike(CommandCall) {
        auto waiting = host().after(std::chrono::seconds{10});
        co_await std::move(waiting);
        co_return CommandResult{"version " + std::to_string(version)};
    }

    Task<Reply> keep(Iq iq) {
        const std::string key{iq.payload().attribute("key")};
        auto keeping = rows_.put(iq.from().bare(), key, "value of " + key);
        const auto kept = co_await std::move(keeping);
        if (!kept) co_return kept.error();
        co_return Reply{};
    }
    Task<Reply> tell(Iq iq) {
        auto asking = rows_.get(iq.from().bare(), std::string{iq.payload().attribute("key")});
        const auto row = co_await std::move(asking);
        if (!row) co_return row.error();
        co_return Reply{}.element("value", space).text(*row ? **row : "");
    }

    static std::int64_t number(std::string_view text) {
        std::int64_t n = 0;
        std::from_chars(text.data(), text.data() + text.size(), n);
        return n;
    }

    KeyValue rows_{store("clockwork")};
    Counter* ticks_ = nullptr;
};

}   // namespace
