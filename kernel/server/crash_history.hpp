// What became of a server's earlier runs, as the crash notes in its data folder tell it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tambo/time.hpp>

namespace tambo {

/// Lines of a file, each a moment (seconds since 1970) and what happened then. Plain data: reads and writes no file.
class CrashHistory {
public:
    struct Event {
        enum class Kind : std::uint8_t { started, stopped, died, forgiven };
        Time time{};
        Kind kind = Kind::started;
        std::string signal{};   ///< of a death: "SIGSEGV"
        std::string module{};   ///< what ran then, or what an operator brought back; empty: the kernel
        std::string shard{};    ///< empty: on another thread
    };

    CrashHistory() = default;
    /// A line that it does not understand is left out.
    explicit CrashHistory(std::string_view text);
    std::string text() const;

    const std::vector<Event>& events() const noexcept { return events_; }
    void add(Event event) { events_.push_back(std::move(event)); }
    /// What is older than that, or more than anybody needs, goes.
    void forget_before(Time moment);

    /// How the last run ended: Event::Kind::died, ::stopped, or ::started if it ended without a word. Null: there was
    /// none.
    const Event* last_run() const noexcept;
    /// How often that module ran when the process died: within `window` around `now`, and since it was forgiven.
    unsigned blamed(std::string_view module, Time now, std::chrono::milliseconds window) const noexcept;

private:
    std::vector<Event> events_;   // oldest first
};

/// One line, with its end.
std::string to_line(const CrashHistory::Event& event);

}   // namespace tambo
