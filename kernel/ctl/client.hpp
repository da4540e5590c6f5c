// The other end of the control socket (server/control.hpp).
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tambo::ctl {

using Words = std::vector<std::string>;

enum Exit : int { done = 0, refused = 1, not_understood = 2, not_reachable = 3 };

/// Nobody answers, or the server ended before it had answered.
class Unreachable : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Where the server listens. Each question is a connection of its own.
class Client {
public:
    explicit Client(std::string path) : path_(std::move(path)) {}

    using Out = std::function<void(std::string_view piece)>;
    /// Hands over the answer as it comes, gives the exit code. Throws Unreachable, and std::invalid_argument for words
    /// that cannot be sent.
    int ask(const Words& words, const Out& out) const;
    /// For short answers.
    int ask(const Words& words, std::string& answer) const;

private:
    std::string path_;
};

/// Asks, and prints what comes: on standard output, but a short refusal in words on standard error.
int ask_and_print(const Client& client, const Words& words, bool json);

}   // namespace tambo::ctl
