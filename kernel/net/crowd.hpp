// What the operator hears when clients come faster than they can be let in.
#pragma once

#include <cstdint>
#include <mutex>

#include <tambo/log.hpp>
#include <tambo/option.hpp>

namespace tambo {

/// Two lines in the log for each crowd, one when it begins and one when it is over. Thread-safe; asked once for each
/// handshake.
class Crowd {
public:
    static constexpr Duration noticeable{1000};   ///< who waits longer than this makes a crowd

    explicit Crowd(Log& log) noexcept : log_(log) {}

    void joined();
    void admitted(Duration waited, Duration now);
    void refused(Duration now);   ///< there was no room to wait
    void gave_up(Duration now);   ///< the client went, or its time was over

private:
    void begin(Duration now);
    void left(Duration now);

    Log& log_;
    std::mutex mutex_;
    std::uint64_t waiting_ = 0;
    std::uint64_t admitted_ = 0, refused_ = 0, gave_up_ = 0;   // since it began
    Duration began_{};
    bool is_there_ = false;
};

}   // namespace tambo
