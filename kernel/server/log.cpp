#include "server/log.hpp"

#include <chrono>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "server/escape.hpp"
#include "server/json.hpp"

namespace tambo {

namespace {

using Append = std::back_insert_iterator<std::string>;

// "\n", "\t", "\x1b", "\u202e"; bytes that are not UTF-8 each as "\xff".
std::string text_safe(std::string_view text) {
    std::string safe;
    walk_characters(
        text, [&](std::int32_t, std::string_view character) { safe += character; },
        [&](std::int32_t c, std::string_view character) {
            if (c == '\n')
                safe += "\\n";
            else if (c == '\t')
                safe += "\\t";
            else if (c >= 0x80)
                fmt::format_to(Append{safe}, "\\u{:04x}", c);
            else
                for (const char byte : character)
                    fmt::format_to(Append{safe}, "\\x{:02x}", static_cast<unsigned char>(byte));
        });
    return safe;
}

// At most max_line_bytes, cut between characters.
std::string_view bounded(std::string_view line) {
    if (line.size() <= Logger::max_line_bytes) return line;
    std::size_t end = Logger::max_line_bytes;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
    return line.substr(0, end);
}

std::string timestamp(Time now) {
    const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds.count())),
                       (since_epoch - seconds).count());
}

std::string format_text(Time now, Level level, std::string_view name, std::string_view line) {
    return fmt::format("{} {} {}: {}", timestamp(now), to_string(level), text_safe(name), text_safe(line));
}

std::string format_json(Time now, Level level, std::string_view name, std::string_view line) {
    Json json;
    json.object().member("time", timestamp(now)).member("level", to_string(level)).member("module", name);
    return json.member("text", line).end().take();
}

using SinkPointer = std::unique_ptr<spdlog::sinks::sink>;

SinkPointer open_target(const std::string& target) {
    SinkPointer sink;
    if (target == "stderr")
        sink = std::make_unique<spdlog::sinks::stderr_sink_mt>();
    else if (target == "stdout")
        sink = std::make_unique<spdlog::sinks::stdout_sink_mt>();
    else
        sink = std::make_unique<spdlog::sinks::basic_file_sink_st>(target);
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc));
    return sink;
}

SinkPointer open_or_refuse(const std::string& target) {
    try {
        return open_target(target);
    } catch (const std::exception& problem) {
        throw ConfigError(fmt::format("[log] \"target = {}\": cannot be written: {}", target, problem.what()));
    }
}

}   // namespace

struct Logger::Output {
    std::shared_ptr<const Clock> clock;   // shared with the server whose time it is; null: the system's
    std::mutex mutex;                     // guards what follows
    LogSettings settings;
    SinkPointer sink;

    Time now() const { return clock ? clock->now() : std::chrono::time_point_cast<Time::duration>(Time::clock::now()); }

    void write(Level level, std::string_view name, std::string_view line) {
        const auto time = now();
        const std::lock_guard lock{mutex};
        const bool is_json = settings.format == LogSettings::Format::json;
        const auto whole = (is_json ? format_json : format_text)(time, level, name, line);
        sink->log(spdlog::details::log_msg{spdlog::string_view_t{}, spdlog::level::info, whole});
        sink->flush();
    }
};

Logger::Logger(const LogSettings& settings, Sink sink, std::shared_ptr<const Clock> clock)
    : level_(settings.level), sink_(std::move(sink)), output_(sink_ ? nullptr : std::make_unique<Output>()) {
    if (!output_) return;
    output_->settings = settings;
    output_->clock = std::move(clock);
    output_->sink = open_or_refuse(settings.target);
}

Logger::~Logger() = default;

std::unique_ptr<NamedLog> Logger::named(std::string name) { return std::make_unique<NamedLog>(*this, std::move(name)); }

void Logger::write(Level level, std::string_view name, std::string_view line) noexcept {
    // A log that fails must not take the server with it, and there is nowhere left to say so.
    try {
        if (sink_)
            sink_(level, fmt::format("{}: {}", text_safe(name), text_safe(bounded(line))));
        else
            output_->write(level, name, bounded(line));
    } catch (...) {   // NOLINT(bugprone-empty-catch)
    }
}

void Logger::reopen() {
    if (!output_) return;
    const std::lock_guard lock{output_->mutex};
    const auto& target = output_->settings.target;
    if (target == "stderr" || target == "stdout") return;
    try {
        output_->sink = open_target(target);
    } catch (const spdlog::spdlog_ex& problem) {
        throw std::runtime_error(
            fmt::format("{} cannot be opened again; lines still go to the old file: {}", target, problem.what()));
    }
}

void Logger::follow(const LogSettings& settings) {
    if (output_) {
        const std::lock_guard lock{output_->mutex};
        if (settings.target != output_->settings.target) output_->sink = open_or_refuse(settings.target);
        output_->settings = settings;
    }
    set_level(settings.level);
}

bool NamedLog::enabled(Level level) const noexcept { return logger_.enabled(level); }

void NamedLog::write(Level level, std::string_view line) noexcept {
    if (logger_.enabled(level)) logger_.write(level, name_, line);
}

std::string_view to_string(Level level) noexcept {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
    }
    return "error";
}

}   // namespace tambo
