#include "ctl/local.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <termios.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include <tambo/server.hpp>

#include "ctl/migration.hpp"
#include "ctl/new_module.hpp"
#include "ctl/top.hpp"
#include "server/json.hpp"

namespace tambo::ctl {

namespace {

/// The terminal does not show what is typed while this is there.
class Silence {
public:
    Silence() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!is_terminal_) return;
        auto quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~Silence() {
        if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;

private:
    termios before_{};
    bool is_terminal_;
};

std::string read_line() {
    std::string line;
    if (!std::getline(std::cin, line)) throw std::invalid_argument("expected a line on the standard input");
    return line;
}

std::string ask_quietly(const char* prompt) {
    std::fputs(prompt, stderr);
    const Silence silence;
    auto line = read_line();
    std::fputc('\n', stderr);
    return line;
}

// So that a password need not stand in the list of processes: `-` reads a line, nothing asks the terminal.
std::string password(const Words& words) {
    if (words.size() == 4 && words[3] != "-") return words[3];
    if (words.size() == 4 || ::isatty(STDIN_FILENO) == 0) return read_line();
    auto once = ask_quietly("Password: ");
    if (ask_quietly("Again: ") != once) throw std::runtime_error("these two were not the same");
    return once;
}

std::string everything_on_standard_input() {
    std::string all{std::istreambuf_iterator<char>{std::cin}, {}};
    while (!all.empty() && (all.back() == '\n' || all.back() == '\r')) all.pop_back();
    if (all.empty()) throw std::invalid_argument("expected a stanza on the standard input");
    return all;
}

// The server has another working directory.
std::string absolute(const std::string& file) { return std::filesystem::absolute(file).lexically_normal().string(); }

// Needs no server: what is judged is the file, with the modules that this tamboctl was installed with.
int check_file(const std::string& file, bool json) {
    std::vector<std::string> found;
    try {
        found = check(Config::load(file));
    } catch (const std::exception& e) {
        found.emplace_back(e.what());
    }
    Json answer;
    answer.object().member("done", found.empty()).member("file", file).list("complaints");
    for (const auto& complaint : found) answer.value(complaint);
    if (json)
        fmt::print("{}\n", answer.end_list().end().take());
    else if (found.empty())
        fmt::print("{}: fine\n", file);
    else
        fmt::print(stderr, "{}\n", fmt::join(found, "\n"));
    return found.empty() ? done : refused;
}

void show(std::string_view text, std::FILE* where) {
    std::fwrite(text.data(), 1, text.size(), where);
    std::fflush(where);
}

// What takes long tells how far it is. The first thing that it says may be the last: then it may be a refusal.
int show_as_it_comes(const Client& client, const Words& words) {
    std::string first;
    bool is_under_way = false;
    const int code = client.ask(words, [&](std::string_view piece) {
        if (!is_under_way && first.empty()) {
            first = piece;
            return;
        }
        if (!std::exchange(is_under_way, true)) show(first, stdout);
        show(piece, stdout);
    });
    if (!is_under_way) show(first, code == done ? stdout : stderr);
    return code;
}

bool is(const Words& words, std::string_view first, std::string_view second = {}) {
    return words[0] == first && (second.empty() || (words.size() > 1 && words[1] == second));
}

}   // namespace

int carry_out(const Client& client, const Words& typed, bool json) {
    auto words = typed;
    if (is(words, "check")) {
        if (words.size() != 2) throw std::invalid_argument("expected: check FILE");
        return check_file(words[1], json);
    }
    if (is(words, "new-module")) {
        new_module(words);
        return done;
    }
    if (is(words, "drain") && !json) return show_as_it_comes(client, words);
    if (is(words, "top")) return top(client, {words.begin() + 1, words.end()}, json);
    if (is(words, "user", "import")) return import_accounts(client, {words.begin() + 2, words.end()}, json);
    if ((is(words, "user", "add") || is(words, "user", "passwd")) && (words.size() == 3 || words.size() == 4)) {
        auto secret = password(words);
        words.resize(3);
        words.push_back(std::move(secret));
    }
    if (is(words, "send") && words.size() == 1) words.push_back(everything_on_standard_input());
    if (is(words, "backup") && words.size() == 2) words[1] = absolute(words[1]);
    const auto is_file = [](const std::string& word) { return word.ends_with(".so") || word.find('/') != word.npos; };
    if (is(words, "reload") && words.size() == 3 && is_file(words[2])) words[2] = absolute(words[2]);
    return ask_and_print(client, words, json);
}

}   // namespace tambo::ctl
