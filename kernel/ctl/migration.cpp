#include "ctl/migration.hpp"

#include <cstdio>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "server/json.hpp"

namespace tambo::ctl {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view xinclude_space = "http://www.w3.org/2001/XInclude";
constexpr int deepest_include = 8;
constexpr std::size_t most_user_bytes = (std::size_t{16} << 20) - 4096;   // what the server takes at once

std::string_view local_name(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const auto colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string_view space_of(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const auto colon = name.find(':');
    const auto declaration =
        colon == std::string_view::npos ? std::string{"xmlns"} : "xmlns:" + std::string{name.substr(0, colon)};
    for (auto at = node; at; at = at.parent())
        if (const auto found = at.attribute(declaration.c_str())) return found.value();
    return {};
}

/// What the files hold, account by account.
class Reader {
public:
    using See = std::function<void(const std::string& jid, const std::string& user)>;
    explicit Reader(See see) : see_(std::move(see)) {}

    void read(const fs::path& file, const std::string& host = {}, int depth = 0) {
        if (depth > deepest_include)
            throw std::runtime_error(fmt::format("{}: files include each other without end", file.string()));
        pugi::xml_document document;
        const auto outcome = document.load_file(file.c_str(), pugi::parse_default | pugi::parse_ws_pcdata);
        if (!outcome)
            throw std::runtime_error(
                fmt::format("{}: {} (at byte {})", file.string(), outcome.description(), outcome.offset));
        const auto folder = file.parent_path();
        const auto root = document.document_element();
        const auto name = local_name(root);
        if (name == "server-data")
            read_server(root, folder, depth);
        else if (name == "host")
            read_host(root, folder, depth);
        else if (name == "user" && !host.empty())
            read_user(root, host, folder, depth);
        else
            throw std::runtime_error(
                fmt::format("{}: expected <server-data/> (XEP-0227), found <{}/>", file.string(), root.name()));
    }

private:
    void read_server(const pugi::xml_node& server, const fs::path& folder, int depth) {
        for (const auto child : server.children()) {
            if (is_include(child))
                read(included(child, folder), {}, depth + 1);
            else if (local_name(child) == "host")
                read_host(child, folder, depth);
        }
    }

    void read_host(const pugi::xml_node& host, const fs::path& folder, int depth) {
        const std::string name = host.attribute("jid").value();
        if (name.empty()) throw std::runtime_error("a <host/> has no jid");
        for (const auto child : host.children()) {
            if (is_include(child))
                read(included(child, folder), name, depth + 1);
            else if (local_name(child) == "user")
                read_user(child, name, folder, depth);
        }
    }

    // The section on security: what is deeper than the children of <user/> is the user's own and left alone.
    void read_user(pugi::xml_node user, const std::string& host, const fs::path& folder, int depth) {
        for (auto child = user.first_child(); child;) {
            const auto next = child.next_sibling();
            if (is_include(child)) {
                if (depth >= deepest_include) throw std::runtime_error("files include each other without end");
                put_in_place(user, child, included(child, folder));
            }
            child = next;
        }
        see_(fmt::format("{}@{}", user.attribute("name").value(), host), standing_alone(user));
    }

    static void put_in_place(pugi::xml_node user, const pugi::xml_node& include, const fs::path& file) {
        pugi::xml_document part;
        if (const auto outcome = part.load_file(file.c_str(), pugi::parse_default | pugi::parse_ws_pcdata); !outcome)
            throw std::runtime_error(fmt::format("{}: {}", file.string(), outcome.description()));
        user.insert_copy_after(part.document_element(), include);
        user.remove_child(include);
    }

    static bool is_include(const pugi::xml_node& node) {
        return local_name(node) == "include" && space_of(node) == xinclude_space;
    }

    // Who wrote the file may not be who reads it: an include stays in the folder.
    static fs::path included(const pugi::xml_node& include, const fs::path& folder) {
        const fs::path name = include.attribute("href").value();
        const auto inside = name.lexically_normal();
        if (name.empty() || name.is_absolute() || *inside.begin() == "..")
            throw std::runtime_error(
                fmt::format("\"{}\" is not included: it is not below the folder of the file", name.string()));
        return folder / inside;
    }

    // With the declarations of its parents, without their indentation.
    static std::string standing_alone(pugi::xml_node user) {
        for (auto parent = user.parent(); parent; parent = parent.parent())
            for (const auto a : parent.attributes()) {
                const std::string_view name = a.name();
                if ((name == "xmlns" || name.starts_with("xmlns:")) && !user.attribute(a.name()))
                    user.append_attribute(a.name()).set_value(a.value());
            }
        std::ostringstream out;
        user.print(out, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
        return out.str();
    }

    See see_;
};

/// Counts and tells what became of each account.
class Importing {
public:
    Importing(const Client& client, bool replaces, bool json) : client_(client), replaces_(replaces), is_json_(json) {
        if (is_json_) answer_.object().list("accounts");
    }

    void send(const std::string& jid, const std::string& user) {
        Words words{"user", "import", jid, user};
        if (replaces_) words.emplace_back("--replace");
        if (is_json_) words.emplace_back("--json");
        std::string said = fmt::format("{}: is larger than 16 MiB\n", jid);
        const bool is_done = user.size() <= most_user_bytes && client_.ask(words, said) == done;
        ++(is_done ? imported_ : refused_);
        if (is_json_)
            tell(is_done, jid, said);
        else
            std::fputs(said.c_str(), is_done ? stdout : stderr);
    }

    void file_failed(const std::string& file, const std::string& why) {
        ++refused_;
        if (is_json_)
            tell(false, {}, why);
        else
            fmt::print(stderr, "{}: {}\n", file, why);
    }

    int finish() {
        if (is_json_)
            fmt::print("{}\n", answer_.end_list()
                                   .member("imported", imported_)
                                   .member("refused", refused_)
                                   .member("done", refused_ == 0)
                                   .end()
                                   .take());
        else
            fmt::print("{} imported, {} refused\n", imported_, refused_);
        return refused_ == 0 ? done : refused;
    }

private:
    void tell(bool is_done, const std::string& jid, std::string_view said) {
        while (said.ends_with('\n')) said.remove_suffix(1);
        answer_.object().member("jid", jid).member("done", is_done).key("answer");
        said.starts_with('{') ? answer_.raw(said) : answer_.value(said);
        fmt::print("{}", answer_.end().take());
    }

    const Client& client_;
    const bool replaces_, is_json_;
    std::size_t imported_ = 0, refused_ = 0;
    Json answer_;
};

}   // namespace

int import_accounts(const Client& client, const Words& words, bool json) {
    auto files = words;
    const bool replaces = std::erase(files, "--replace") != 0;
    if (files.empty()) throw std::invalid_argument("expected: user import FILE... [--replace]");
    Importing importing{client, replaces, json};
    for (const auto& file : files) {
        try {
            Reader{[&](const auto& jid, const auto& user) { importing.send(jid, user); }}.read(file);
        } catch (const Unreachable&) {
            throw;
        } catch (const std::runtime_error& e) {
            importing.file_failed(file, e.what());
        }
    }
    return importing.finish();
}

}   // namespace tambo::ctl
