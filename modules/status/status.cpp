// The status page: one file without any outside resource, and the figures that it shows.
#include <openssl/sha.h>

#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

#include "status_page.hpp"

namespace {

using namespace tambo;

std::string_view inside(std::string_view page, std::string_view open, std::string_view close) {
    const auto begin = page.find(open) + open.size();
    return page.substr(begin, page.find(close, begin) - begin);
}

/// CSP level 3 §8.4: this text may run, and no other.
std::string hash_source(std::string_view text) {
    Bytes hash(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(hash.data()));
    return "'sha256-" + base64(hash) + "'";
}

class Status final : public Module {
public:
    void wire(Wiring& w) override {
        w.http<&Status::page>("/", this);
        w.http<&Status::page>("/status", this);
        w.http<&Status::figures>("/status.json", this);
    }

private:
    Task<HttpReply> page(HttpRequest request) {
        HttpReply reply;
        if (request.path != "/" && request.path != "/status") {   // "/" hears of all that nobody else wants
            reply.status = 404;
            reply.body = "There is nothing here; the status page is at /status.\n";
            co_return reply;
        }
        if (request.method != "GET") co_return only_get();
        reply.type = "text/html; charset=utf-8";
        reply.headers.emplace_back("Content-Security-Policy", policy_);
        reply.body = status_page;
        co_return reply;
    }

    Task<HttpReply> figures(HttpRequest request) {
        if (request.method != "GET") co_return only_get();
        auto looking = host().offload([&server = host().server()] { return to_json(server.stats()); });
        HttpReply reply;
        reply.body = co_await std::move(looking);
        reply.type = "application/json";
        co_return reply;
    }

    static HttpReply only_get() {
        HttpReply reply;
        reply.status = 405;
        reply.headers.emplace_back("Allow", "GET, HEAD");
        reply.body = "This can only be read.\n";
        return reply;
    }

    const std::string policy_ = "default-src 'none'; connect-src 'self'; img-src data:; style-src " +
                                hash_source(inside(status_page, "<style>", "</style>")) + "; script-src " +
                                hash_source(inside(status_page, "<script>", "</script>")) +
                                "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
};

}   // namespace

TAMBO_MODULE(Status, "status", "1.0", 1)
