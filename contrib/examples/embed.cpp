// embed: a program with an XMPP server inside. No port, no file, no password: two people of its own chat, and a module
// of its own listens. Built against an installed tambo or in its tree; man 3 tambo-embed tells the rest.
#include <cstdio>
#include <future>
#include <memory>
#include <set>
#include <string>

#include <tambo/client.hpp>
#include <tambo/server.hpp>
#include <tambo/tambo.hpp>

using namespace tambo;

namespace {

/// The program knows its people itself: an auth plugin that is no file. One instance for each shard.
class People final : public Module, public AuthProvider {
public:
    void wire(Wiring& w) override {
        w.provide(static_cast<AuthProvider*>(this));
        w.on<&People::observe>(Event::deliver, this);
    }

    Task<Result<bool>> exists(Jid bare) override { co_return names_.contains(std::string{bare.local()}); }
    Task<Result<Credentials>> look_up(Jid) override { co_return fail(Condition::item_not_found, "nobody logs in"); }
    Task<Result<Nothing>> set(Jid, Credentials, bool) override { co_return fail(Condition::not_allowed); }
    Task<Result<Nothing>> remove(Jid) override { co_return fail(Condition::not_allowed); }
    Task<Result<std::vector<std::string>>> accounts(std::string, std::size_t) override {
        co_return std::vector<std::string>{};
    }

private:
    void observe(Account& account, Stanza& stanza) {   // on the account's shard, so quickly
        if (stanza.is_message()) log().info("{} gets {} bytes", account.jid().text(), stanza.inner().size());
    }
    const std::set<std::string> names_{"juliet", "romeo"};
};

Stanza message(const Jid& to, const std::string& body) {
    auto message = Stanza::message({}, to, "chat");
    message.set_inner(Writer{}.element("body").text(body).take());
    return message;
}

}   // namespace

int main() {
    try {
        Config config;   // what tambo.ini says, made by hand: only what is said here is there
        config.domain("verona.lit").set("server", "threads", "2").set("server", "plugins", "store_memory");
        config.module("roster").module("presence").module("ping");

        Server::Options options;
        options.log = [](Level, std::string_view line) { std::fprintf(stderr, "%s\n", std::string{line}.c_str()); };
        options.modules = {{"people", "1.0", [] { return std::make_unique<People>(); }}};
        Server server{std::move(config), std::move(options)};
        server.start();

        std::promise<std::string> heard;
        Client::Callbacks hers;
        hers.on_stanza = [&](const Stanza& stanza) {   // on a shard's thread
            if (stanza.is_message()) heard.set_value(std::string{stanza.body()});
        };
        Client juliet{server, *Jid::parse("juliet@verona.lit/balcony"), std::move(hers)};
        Client romeo{server, *Jid::parse("romeo@verona.lit")};
        const auto her_jid = juliet.ready();
        if (!her_jid) throw std::runtime_error{her_jid.error().text};
        (void)romeo.send(message(*her_jid, "But soft, what light through yonder window breaks?"));
        std::printf("Juliet hears: %s\n", heard.get_future().get().c_str());

        server.stop();
        server.wait();                          // all that was accepted is kept
    } catch (const std::exception& problem) {   // ConfigError among them: a sentence
        std::fprintf(stderr, "embed: %s\n", problem.what());
        return 1;
    }
}
