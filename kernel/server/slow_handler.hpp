// Whether a shard has been in one handler for too long.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tambo {

/// Looks at one shard, again and again, and says when it is held up and when that is over: once for each case.
class SlowHandler {
public:
    using Time = std::chrono::steady_clock::time_point;
    using Span = std::chrono::steady_clock::duration;

    explicit SlowHandler(Span limit) : limit_(limit) {}

    struct Finding {
        bool is_over;
        const char* module;   ///< that ran when it was found out
        Span lasted;          ///< at least
    };
    /// `entries`: how often the kernel has called a module; `module`: that runs, or null.
    std::optional<Finding> look(std::uint64_t entries, const char* module, Time now) {
        if (module != nullptr && module_ != nullptr && entries == entries_) return is_same(module, now);
        std::optional<Finding> over;
        if (is_told_) over = Finding{true, module_, now - since_};
        entries_ = entries;
        module_ = module;
        since_ = now;
        is_told_ = false;
        return over;
    }
    /// Nobody has looked for a while: what was seen before says nothing.
    void forget() noexcept {
        if (!is_told_) module_ = nullptr;
    }

private:
    std::optional<Finding> is_same(const char* module, Time now) {
        if (is_told_ || now - since_ < limit_) return std::nullopt;
        is_told_ = true;
        module_ = module;
        return Finding{false, module, now - since_};
    }

    Span limit_;
    std::uint64_t entries_ = 0;
    const char* module_ = nullptr;
    Time since_{};
    bool is_told_ = false;
};

}   // namespace tambo
