// Where log lines go: spdlog behind the SDK's Log.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tambo/log.hpp>
#include <tambo/server.hpp>

#include "server/options.hpp"

namespace tambo {

class Logger;

/// The log of one module: adds its name. Thread-safe; the Logger must outlive it.
class NamedLog final : public Log {
public:
    NamedLog(Logger& logger, std::string name) : logger_(logger), name_(std::move(name)) {}
    bool enabled(Level level) const noexcept override;
    void write(Level level, std::string_view line) noexcept override;

private:
    Logger& logger_;
    const std::string name_;
};

/// The log of one server. Writes `2026-11-22T04:00:00.123Z warning roster: …` or the same as one JSON object a line.
///
/// What strangers may have put into a line cannot forge another one: control characters, invisible direction marks and
/// broken UTF-8 are written as escapes, and a line has at most `max_line_bytes`. Thread-safe. A target that fails
/// (full disk) loses lines and nothing else.
class Logger {
public:
    static constexpr std::size_t max_line_bytes = 4096;
    using Sink = std::function<void(Level, std::string_view line)>;

    /// With a `sink`, lines go there as `name: text` and settings.target and .format don't matter; the sink must be
    /// thread-safe. Throws ConfigError if the file cannot be opened.
    explicit Logger(const LogSettings& settings, Sink sink = {}, std::shared_ptr<const Clock> clock = nullptr);
    ~Logger();
    Logger(const Logger&) = delete;
    Logger& operator=(const Logger&) = delete;

    std::unique_ptr<NamedLog> named(std::string name);

    bool enabled(Level level) const noexcept { return level >= level_.load(std::memory_order_relaxed); }
    void write(Level level, std::string_view name, std::string_view line) noexcept;

    Level level() const noexcept { return level_.load(std::memory_order_relaxed); }
    void set_level(Level level) noexcept { level_.store(level, std::memory_order_relaxed); }
    /// Opens the file anew, for log rotation. Throws std::runtime_error with a sentence; the old file then stays in
    /// use.
    void reopen();
    /// Level, target and format as these say, from the next line on. Throws like the constructor; everything is then as
    /// before. With a sink only the level counts.
    void follow(const LogSettings& settings);

private:
    struct Output;

    std::atomic<Level> level_;
    const Sink sink_;
    const std::unique_ptr<Output> output_;   // null if there is a sink
};

/// "debug", "info", "warning" or "error".
std::string_view to_string(Level level) noexcept;

}   // namespace tambo
