// echo_bot JID FILE.ini: a server with a bot inside that says again what it is told. The bot is a client in this
// process: it needs no socket and no password, and the server treats it like everybody else.
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include <tambo/bytes.hpp>
#include <tambo/client.hpp>
#include <tambo/server.hpp>

namespace {

using namespace tambo;

constexpr std::size_t password_letters = 40;

class EchoBot {
public:
    EchoBot(Server& server, const Jid& jid)
        : client_(server, jid, {.on_stanza = [this](const Stanza& stanza) { hear(stanza); }}) {}

    /// From here on people can talk to it. What comes is heard on a thread of the server's.
    void come_online() {
        if (const auto full = client_.ready(); !full) throw std::runtime_error{"no login: " + full.error().text};
        client_.presence();
    }

private:
    void hear(const Stanza& stanza) {
        if (stanza.is_message() && !stanza.is_error() && !stanza.body().empty()) echo(stanza);
        if (stanza.is_presence() && stanza.type() == "subscribe") befriend(stanza.from());
    }

    void echo(const Stanza& message) {
        auto answer = Stanza::message({}, message.from(), message.type());
        answer.set_inner("<body>" + escape(message.body()) + "</body>");
        client_.send(answer);
    }

    /// Who wants to see it may, and is seen (RFC 6121 §3.1).
    void befriend(const Jid& who) {
        client_.send(Stanza::presence({}, who.bare(), "subscribed"));
        client_.send(Stanza::presence({}, who.bare(), "subscribe"));
    }

    Client client_;
};

Jid account_for_the_bot(Server& server, const char* name) {
    const auto jid = Jid::parse(name);
    if (!jid || jid->local().empty()) throw std::runtime_error{std::string{name} + " is no address for a bot"};
    const auto made = server.add_user(jid->bare_text(), random_token(password_letters));
    if (!made && made.error().condition != Condition::conflict)   // conflict: it lives here already
        throw std::runtime_error{"no account for the bot: " + made.error().text};
    return *jid;
}

void serve(const char* bot_name, const char* ini) {
    sigset_t end;
    sigemptyset(&end);
    for (const int signal : {SIGINT, SIGTERM}) sigaddset(&end, signal);
    pthread_sigmask(SIG_BLOCK, &end, nullptr);   // before there are threads: this one takes them
    std::signal(SIGPIPE, SIG_IGN);

    Server server{Config::load(ini)};
    server.start();
    {
        EchoBot bot{server, account_for_the_bot(server, bot_name)};
        bot.come_online();
        int signal = 0;
        sigwait(&end, &signal);
    }
    server.stop();
    server.wait();
}

}   // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: echo_bot JID FILE.ini\n");
        return 2;
    }
    try {
        serve(argv[1], argv[2]);
        return 0;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "echo_bot: %s\n", problem.what());
        return 1;
    }
}
