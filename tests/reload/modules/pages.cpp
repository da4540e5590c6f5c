// Pages that answer at once, much later, never, or not at all.
#include <stdexcept>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

class Pages final : public Module {
public:
    void wire(Wiring& w) override {
        w.http<&Pages::now>("/pages/", this);
        w.http<&Pages::later>("/pages/later", this);
        w.http<&Pages::never>("/pages/never", this);
        w.http<&Pages::broken>("/pages/broken", this);
    }

private:
    static HttpReply text(std::string body) {
        HttpReply reply;
        reply.body = std::move(body);
        return reply;
    }
    Task<HttpReply> now(HttpRequest request) { co_return text(request.method + " " + request.path); }
    Task<HttpReply> later(HttpRequest request) {
        auto waiting = host().after(std::chrono::seconds{10});
        co_await std::move(waiting);
        co_return text("at last, " + request.path);
    }
    Task<HttpReply> never(HttpRequest) {
        auto waiting = host().after(std::chrono::hours{1});
        co_await std::move(waiting);
        co_return text("nobody waits so long");
    }
    Task<HttpReply> broken(HttpRequest request) {
        if (request.query == "late") {
            auto waiting = host().after(std::chrono::seconds{10});
            co_await std::move(waiting);
        }
        throw std::runtime_error{"the page is torn"};
    }
};

}   // namespace

TAMBO_MODULE(Pages, "pages", "1.0", 1)
