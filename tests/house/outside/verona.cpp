// verona FOLDER: a program with a server inside, configured by hand, and with a module of its own (from
// FOLDER/modules). Exit 0 if a client in the same process gets that module's answer.
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <tambo/bytes.hpp>
#include <tambo/client.hpp>
#include <tambo/server.hpp>

namespace {

constexpr tambo::Duration patience{60'000};

tambo::Config configuration(const std::string& folder) {
    tambo::Config config;
    config.domain("capulet.lit").listen("127.0.0.1", 0).data(folder + "/data");
    config.set("server", "module_path", folder + "/modules, " TAMBO_MODULE_DIR ", " TAMBO_PLUGIN_DIR);
    config.set("server", "plugins", "store_sqlite, auth_store");
    for (const auto* name : {"starttls", "sasl", "bind", "disco", "hello"}) config.module(name);
    config.set("module hello", "greeting", "Good morrow");
    return config;
}

void say(tambo::Pipe& pipe, std::string_view text) {
    if (!pipe.write_all(text, patience)) throw std::runtime_error{"the server does not listen"};
}

std::string hear(tambo::Pipe& pipe, std::string_view last) {
    std::string heard;
    while (heard.find(last) == std::string::npos) {
        if (!pipe.wait(patience) || pipe.at_end())
            throw std::runtime_error{"instead of " + std::string{last} + " came: " + heard};
        heard += pipe.read();
    }
    return heard;
}

std::string ask(tambo::Pipe& pipe) {
    using namespace std::string_view_literals;
    constexpr std::string_view header =
        "<stream:stream to='capulet.lit' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>";
    say(pipe, header);
    say(pipe, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
                  tambo::base64("\0juliet\0verona"sv) + "</auth>");
    hear(pipe, "<success");
    say(pipe, header);
    say(pipe, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    say(pipe, "<iq type='get' id='hello' to='capulet.lit'><hello xmlns='urn:example:hello'/></iq>");
    return hear(pipe, "</hello>");
}

}   // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    try {
        tambo::Server::Options options;
        options.log = [](tambo::Level, std::string_view line) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
        };
        tambo::Server server{configuration(argv[1]), std::move(options)};
        server.start();
        if (const auto made = server.add_user("juliet@capulet.lit", "verona"); !made)
            throw std::runtime_error{"no account: " + made.error().text};
        auto pipe = server.connect_in_process();
        const auto heard = ask(pipe);
        pipe.close();
        server.stop();
        server.wait();
        std::printf("%s\n", heard.c_str());
        return heard.find(">Good morrow, juliet</hello>") != std::string::npos ? 0 : 1;
    } catch (const std::exception& problem) {   // ConfigError among them
        std::fprintf(stderr, "verona: %s\n", problem.what());
        return 1;
    }
}
