// What goes to the store thread and comes back.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "store/store_service.hpp"

namespace tambo {

// These sentences may reach clients, and so does general_failure for all that a driver says: a driver names files.
inline constexpr std::string_view no_store = "no store is loaded";
inline constexpr std::string_view overloaded = "the store has too much to do; try again later";
inline constexpr std::string_view general_failure = "the store failed; try again later";

/// The way back to a shard, until that closes it. All requests of a front share one: their answers travel together.
class StoreService::Line {
public:
    explicit Line(Post post) : post_(std::move(post)) {}

    void post(std::function<void()> closure) {
        const std::lock_guard lock{mutex_};
        if (is_open_) post_(std::move(closure));
    }
    /// When this returns, the other end may go.
    void close() {
        const std::lock_guard lock{mutex_};
        is_open_ = false;
    }

private:
    std::mutex mutex_;
    bool is_open_ = true;
    const Post post_;
};

struct StoreService::Request {
    Job job;
    std::shared_ptr<Line> line;
    Answer answer;
    std::size_t bytes = 0;
    bool writes = true;
    std::string error{};
};

}   // namespace tambo
