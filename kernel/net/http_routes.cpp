#include "net/http_routes.hpp"

#include <atomic>

#include "module/failure.hpp"
#include "module/instance.hpp"
#include "net/http_request.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr std::string_view failed = "What answers here failed; the log says more.";

// The handler's frame is the module's code; this one, around it, is the kernel's.
Task<void> answer_in_time(Task<HttpReply> handling, HttpAnswer answer) {
    try {
        auto reply = co_await std::move(handling);
        answer(std::move(reply));
    } catch (...) {
        answer(refusal(500, failed));
        throw;   // counted as a fault by who runs this
    }
}

void ask(Shard& shard, HttpRequest request, const HttpAnswer& answer) {
    const auto* route = shard.hooks.find_route(request.path);
    if (route == nullptr) return answer(refusal(404, "There is nothing here."));
    auto& owner = *route->owner;
    const Breadcrumb here{owner};
    const auto where = "HTTP " + route->path;
    try {
        owner.run(answer_in_time(route->call(route->self, std::move(request)), answer), {}, {where});
        return;
    } catch (const std::exception& e) {   // of a handler that is no coroutine itself
        owner.fault(where, e.what());
    } catch (...) {
        owner.fault(where, unknown_exception);
    }
    answer(refusal(500, failed));
}

}   // namespace

HttpServer::Handler route_http(Kernel& kernel) {
    auto next = std::make_shared<std::atomic<std::size_t>>(0);   // by all copies of the handler
    return [&kernel, next](HttpRequest request, HttpAnswer answer) {
        auto& shard = *kernel.shards[next->fetch_add(1, std::memory_order_relaxed) % kernel.shards.size()];
        shard.post([&shard, request = std::move(request), answer = std::move(answer)]() mutable {
            ask(shard, std::move(request), answer);
        });
    };
}

}   // namespace tambo
