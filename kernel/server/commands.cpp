#include "server/commands.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tambo {

namespace {

using Words = std::vector<std::string>;

std::string json_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out + '"';
}

Control::Answer status(Server& server, bool json) {
    const auto c = server.count();
    const auto modules = server.modules().size();
    if (json)
        return {0, fmt::format(
                       "{{\"version\":{},\"sessions\":{},\"connections\":{},\"accounts_in_memory\":{},\"modules\":{},"
                       "\"stanzas_in\":{},\"stanzas_out\":{},\"bytes_in\":{},\"bytes_out\":{}}}\n",
                       json_text(version()), c.sessions, c.connections, c.accounts, modules, c.stanzas_in,
                       c.stanzas_out, c.bytes_in, c.bytes_out)};
    return {
        0,
        fmt::format(
            "tambo {}\nsessions    {}\nconnections {}\naccounts    {} in memory\nmodules     {}\nstanzas     {} in, {} "
            "out\nbytes       {} in, {} out\n",
            version(), c.sessions, c.connections, c.accounts, modules, c.stanzas_in, c.stanzas_out, c.bytes_in,
            c.bytes_out)};
}

Control::Answer modules(Server& server, bool json) {
    std::string out =
        json ? "{\"modules\":["
             : fmt::format("{:<20} {:<8} {:>10} {:<10} {:>6}\n", "name", "version", "generation", "state", "faults");
    bool first = true;
    for (const auto& m : server.modules()) {
        if (json)
            out +=
                fmt::format("{}{{\"name\":{},\"version\":{},\"generation\":{},\"state\":{},\"faults\":{},\"file\":{}}}",
                            first ? "" : ",", json_text(m.name), json_text(m.version), m.generation, json_text(m.state),
                            m.faults, json_text(m.file));
        else
            out +=
                fmt::format("{:<20} {:<8} {:>10} {:<10} {:>6}\n", m.name, m.version, m.generation, m.state, m.faults);
        first = false;
    }
    return {0, json ? out + "]}\n" : out};
}

Control::Answer report(const SwapReport& r, bool json) {
    if (json)
        return {r.done ? 0 : 1,
                fmt::format("{{\"done\":{},\"module\":{},\"version\":{},\"generation\":{},\"step\":{},\"reason\":{},"
                            "\"prepare_ms\":{:.3f},"
                            "\"pause_ms\":{:.3f},\"retire_ms\":{:.3f},\"unmapped\":{}}}\n",
                            r.done, json_text(r.module), json_text(r.version), r.generation, json_text(r.step),
                            json_text(r.reason), r.prepare_ms, r.pause_ms, r.retire_ms, r.unmapped)};
    if (!r.done) return {1, fmt::format("module {}: refused at step {}: {}\n", r.module, r.step, r.reason)};
    return {0, fmt::format("module {}: version {} (generation {}); prepared in {:.1f} ms, shards stood still for "
                           "{:.3f} ms, the old image {}\n",
                           r.module, r.version, r.generation, r.prepare_ms, r.pause_ms,
                           r.unmapped ? "is gone" : "stays until its last task has ended")};
}

Control::Answer unloaded(const SwapReport& r, bool json) {
    if (json || !r.done) return report(r, json);
    return {0, fmt::format("module {}: unloaded; its image {}\n", r.module,
                           r.unmapped ? "is gone" : "stays until its last task has ended")};
}

Control::Answer user(Server& server, const Words& words) {
    Result<Nothing> done;
    if (words.size() == 4 && words[1] == "passwd")
        done = server.set_password(words[2], words[3]);
    else if (words.size() == 4 && words[1] == "add")
        done = server.add_user(words[2], words[3]);
    else if (words.size() == 3 && words[1] == "delete")
        done = server.remove_user(words[2]);
    else
        return {2, "user add|passwd JID PASSWORD, user delete JID\n"};
    if (done) return {0, {}};
    return {1, fmt::format("{}: {} {}\n", words[2], to_string(done.error().condition), done.error().text)};
}

constexpr std::string_view usage = R"(commands:
  status                  what the server does now
  modules                 what is loaded
  load NAME               load a module
  unload NAME             take a module out
  reload NAME [FILE]      swap a module for a new build, or for another file
  user add JID PASSWORD   make an account
  user passwd JID PASSWORD
  user delete JID         remove an account and everything that it had
  refresh                 look for renewed certificates, open the log anew
  stop                    stop the server
)";

}   // namespace

Control::Answer run_command(Server& server, const std::vector<std::string>& all) {
    Words words = all;
    const bool json = std::erase(words, "--json") != 0;
    if (words.empty() || words[0].empty() || words[0] == "help") return {words.empty() ? 2 : 0, std::string{usage}};
    const auto& verb = words[0];
    if (verb == "status" && words.size() == 1) return status(server, json);
    if (verb == "modules" && words.size() == 1) return modules(server, json);
    if (verb == "load" && words.size() == 2) return report(server.load(words[1]), json);
    if (verb == "unload" && words.size() == 2) return unloaded(server.unload(words[1]), json);
    if (verb == "reload" && words.size() == 2) return report(server.reload(words[1]), json);
    if (verb == "reload" && words.size() == 3) return report(server.reload(words[1], words[2]), json);
    if (verb == "user") return user(server, words);
    if (verb == "refresh" && words.size() == 1) return server.refresh(), Control::Answer{};
    if (verb == "stop" && words.size() == 1) return server.stop(), Control::Answer{};
    return {2, fmt::format("not understood: {}\n{}", verb, usage)};
}

}   // namespace tambo
