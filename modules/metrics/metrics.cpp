// The server's figures for Prometheus: text exposition format 0.0.4.
#include <tambo/tambo.hpp>

#include "exposition.hpp"

namespace {

using namespace tambo;

class Metrics final : public Module {
public:
    void wire(Wiring& w) override { w.http<&Metrics::scrape>("/metrics", this); }

private:
    Task<HttpReply> scrape(HttpRequest request) {
        HttpReply reply;
        if (request.method != "GET") {
            reply.status = 405;
            reply.headers.emplace_back("Allow", "GET, HEAD");
            reply.body = "This can only be read.\n";
            co_return reply;
        }
        auto looking = host().offload([&server = host().server()] { return exposition(server.stats()); });
        reply.body = co_await std::move(looking);
        reply.type = "text/plain; version=0.0.4; charset=utf-8";
        co_return reply;
    }
};

}   // namespace

TAMBO_MODULE(Metrics, "metrics", "1.0", 1)
