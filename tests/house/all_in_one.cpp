// all_in_one FOLDER: the library and all modules in one program. Exit 0 if two people chat in it, with a database in
// FOLDER and no shared object but other people's.
#include <cstdio>
#include <fstream>
#include <future>
#include <stdexcept>
#include <string>
#include <utility>

#include <tambo/client.hpp>
#include <tambo/server.hpp>

namespace {

tambo::Config configuration(const std::string& folder, const std::vector<tambo::HostModule>& linked) {
    tambo::Config config;
    config.domain("verona.lit").listen("127.0.0.1", 0).data(folder);
    config.set("server", "plugins", "store_sqlite, auth_store").set("log", "target", folder + "/log");
    for (const auto& module : linked)
        if (module.name != "store_sqlite" && module.name != "auth_store") config.module(module.name);
    return config;
}

/// Is a module mapped from a file?
bool has_files(const tambo::Server& server) {
    for (const auto& module : server.modules())
        if (module.state != "built in") return true;
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);)
        if (line.find("libtambo") != std::string::npos) return true;
    return false;
}

std::string chat(tambo::Server& server) {
    for (const auto* user : {"juliet@verona.lit", "romeo@verona.lit"})
        if (const auto made = server.add_user(user, "secret"); !made) throw std::runtime_error{made.error().text};
    std::promise<std::string> heard;
    tambo::Client::Callbacks hers;
    hers.on_stanza = [&](const tambo::Stanza& stanza) {
        if (stanza.is_message()) heard.set_value(std::string{stanza.body()});
    };
    tambo::Client juliet{server, tambo::Jid::parse("juliet@verona.lit/balcony").value(), std::move(hers)};
    tambo::Client romeo{server, tambo::Jid::parse("romeo@verona.lit").value()};
    if (const auto ready = juliet.ready(); !ready) throw std::runtime_error{ready.error().text};
    (void)romeo.send("<message to='juliet@verona.lit/balcony' type='chat'><body>But soft</body></message>");
    return heard.get_future().get();
}

}   // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    try {
        tambo::Server::Options options;
        options.modules = tambo::linked_modules();
        auto config = configuration(argv[1], options.modules);
        tambo::Server server{std::move(config), std::move(options)};
        server.start();
        if (has_files(server)) throw std::runtime_error{"something comes from a file"};
        const auto heard = chat(server);
        std::printf("%zu modules; Juliet hears: %s\n", server.modules().size(), heard.c_str());
        return heard == "But soft" ? 0 : 1;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "all_in_one: %s\n", problem.what());
        return 1;
    }
}
