#include "ctl/client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace tambo::ctl {

namespace {

constexpr char between_words = '\x1f', end_of_request = '\x1e';

/// A connection that reads in lines and pieces.
class Line {
public:
    explicit Line(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) {
            ::close(socket_);
            throw Unreachable(fmt::format("{}: too long for the path of a socket", path));
        }
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
        const auto why = std::generic_category().message(errno);
        ::close(socket_);
        throw Unreachable(fmt::format("nobody answers at {}: {}", path, why));
    }
    ~Line() { ::close(socket_); }
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) throw Unreachable("the server hung up");
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    std::string read_line() {
        for (;;) {
            if (const auto end = came_.find('\n'); end != std::string::npos) {
                auto line = came_.substr(0, end);
                came_.erase(0, end + 1);
                return line;
            }
            read_more();
        }
    }

    void read_piece(std::size_t size, const Client::Out& out) {
        while (size > 0) {
            if (came_.empty()) read_more();
            const auto n = std::min(size, came_.size());
            out(std::string_view{came_}.substr(0, n));
            came_.erase(0, n);
            size -= n;
        }
    }

private:
    void read_more() {
        std::array<char, 65536> buffer;   // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
        const auto n = ::read(socket_, buffer.data(), buffer.size());
        if (n <= 0) throw Unreachable("the server ended before it had answered");
        came_.append(buffer.data(), static_cast<std::size_t>(n));
    }

    int socket_;
    std::string came_;
};

std::size_t number(std::string_view text) {
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size())
        throw Unreachable("what answers there is no tambod, or one of another version");
    return n;
}

}   // namespace

int Client::ask(const Words& words, const Out& out) const {
    std::string request;
    for (const auto& word : words) {
        if (word.find_first_of("\x1e\x1f") != std::string::npos)
            throw std::invalid_argument("an argument has a control character");
        if (!request.empty()) request += between_words;
        request += word;
    }
    Line line{path_};
    line.send(request + end_of_request);
    for (;;) {
        const auto head = line.read_line();
        if (head.starts_with('=')) return static_cast<int>(number(std::string_view{head}.substr(1)));
        if (!head.starts_with('+')) number(head);   // complains
        line.read_piece(number(std::string_view{head}.substr(1)), out);
    }
}

int Client::ask(const Words& words, std::string& answer) const {
    answer.clear();
    return ask(words, [&](std::string_view piece) { answer += piece; });
}

int ask_and_print(const Client& client, const Words& words, bool json) {
    constexpr std::size_t most_of_a_refusal = 65536;
    auto all = words;
    if (json) all.emplace_back("--json");
    std::string first;   // until it is known whether this is a refusal
    bool is_long = false;
    const int code = client.ask(all, [&](std::string_view piece) {
        first += piece;
        if (!is_long && first.size() < most_of_a_refusal) return;
        is_long = true;
        std::fwrite(first.data(), 1, first.size(), stdout);
        first.clear();
    });
    std::fwrite(first.data(), 1, first.size(), code == done || json || is_long ? stdout : stderr);
    return code;
}

}   // namespace tambo::ctl
