#include "supervise.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <tambo/server.hpp>

#include "back_off.hpp"
#include "systemd.hpp"

namespace supervise {

namespace {

using tambo::Endpoint;
using Socket = tambo::Server::Socket;
using Steady = std::chrono::steady_clock;

constexpr std::array passed_on = {SIGTERM, SIGINT, SIGHUP};
constexpr int exit_of_a_signal = 128;   // as shells have it
constexpr int cannot_execute = 127;

[[noreturn]] void give_up(const std::string& what) {
    throw std::runtime_error{what + ": " + std::generic_category().message(errno)};
}

/// The listening sockets, as long as the configuration wants them.
class Doors {
public:
    explicit Doors(std::vector<Socket> ready) : given_(std::move(ready)) {}

    void follow(const tambo::Config& config) {
        const auto wanted = tambo::endpoints(config);
        std::erase_if(opened_, [&](const Door& door) {
            const bool goes = std::ranges::find(wanted, door.endpoint) == wanted.end();
            if (goes) ::close(door.socket.descriptor);
            return goes;
        });
        for (const auto& endpoint : wanted)
            if (std::ranges::find(given_, endpoint.listener, &Socket::listener) == given_.end() &&
                std::ranges::find(opened_, endpoint, &Door::endpoint) == opened_.end())
                open(endpoint);
    }

    std::vector<Socket> sockets() const {
        auto all = given_;
        for (const auto& door : opened_) all.push_back(door.socket);
        return all;
    }

private:
    struct Door {
        Endpoint endpoint;
        Socket socket;
    };

    void open(const Endpoint& endpoint) {
        if (endpoint.listener.find(':') != std::string::npos)   // LISTEN_FDNAMES separates by it
            throw std::runtime_error{"[listener " + endpoint.listener +
                                     "] cannot be held by --supervise: choose a name without a colon"};
        opened_.push_back({endpoint, tambo::open_socket(endpoint)});
    }

    const std::vector<Socket> given_;   // by systemd: they are there until we end
    std::vector<Door> opened_;
};

// --- the child's side of fork()

// From descriptor 3 on, as sd_listen_fds(3) looks for them. None of them may be overwritten before it has moved.
void hand_over(const std::vector<Socket>& sockets) {
    const int count = static_cast<int>(sockets.size());
    std::string names;
    std::vector<int> moved;
    for (const auto& socket : sockets) {
        names += (names.empty() ? "" : ":") + socket.listener;
        moved.push_back(::fcntl(socket.descriptor, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + count));
    }
    for (int i = 0; i < count; ++i) ::dup2(moved[static_cast<std::size_t>(i)], SD_LISTEN_FDS_START + i);
    const auto self = std::to_string(::getpid());
    // NOLINTBEGIN(concurrency-mt-unsafe): neither the parent nor this process has a second thread
    if (std::getenv("WATCHDOG_USEC") != nullptr) ::setenv("WATCHDOG_PID", self.c_str(), 1);
    if (count == 0) return;
    ::setenv("LISTEN_PID", self.c_str(), 1);
    ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    // NOLINTEND(concurrency-mt-unsafe)
}

[[noreturn]] void become_the_server(const std::string& program, const std::string& file, pid_t parent,
                                    const std::vector<Socket>& sockets) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(0);   // it was gone before
    hand_over(sockets);
    ::execl(program.c_str(), "tambod", "--config", file.c_str(), nullptr);
    std::fprintf(stderr, "tambod: %s cannot be run: %s\n", program.c_str(),
                 std::strerror(errno));   // NOLINT: one thread
    ::_exit(cannot_execute);
}

// --- the parent's

timespec to_timespec(std::chrono::milliseconds time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    return {seconds.count(), static_cast<long>(std::chrono::nanoseconds{time - seconds}.count())};
}

std::string name_of(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? std::string{"SIG"} + name : "signal " + std::to_string(signal);
}

class Supervisor {
public:
    explicit Supervisor(std::string file)
        : file_(std::move(file)),
          program_(std::filesystem::read_symlink("/proc/self/exe")),
          doors_(systemd::sockets()) {
        doors_.follow(tambo::Config::load(file_));
        // Kept blocked by the child as well, which takes them when it is ready: none is lost, none ends it too early.
        sigemptyset(&signals_);
        for (const int s : passed_on) sigaddset(&signals_, s);
        sigaddset(&signals_, SIGCHLD);
        ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
        std::signal(SIGCHLD, SIG_DFL);   // ignored, it would leave no death to look at
    }

    int run() {
        for (;;) {
            const auto born = Steady::now();
            start();
            const int end = wait_for_the_end();
            if (WIFEXITED(end)) return WEXITSTATUS(end);
            const int signal = WTERMSIG(end);
            if (is_stopping_) return signal == SIGTERM || signal == SIGINT ? 0 : tell_of(signal, "");
            const auto life = std::chrono::duration_cast<BackOff::Duration>(Steady::now() - born);
            const auto pause = back_off_.after(life, luck_(random_));
            tell_of(signal, pause.count() == 0
                                ? "; it starts again at once, clients wait"
                                : "; it starts again in " + std::to_string(pause.count()) + " ms, clients wait");
            if (!sleep(pause)) return 0;
            look_at_the_ini();
        }
    }

private:
    void start() {
        const auto sockets = doors_.sockets();
        const pid_t self = ::getpid();
        child_ = ::fork();
        if (child_ < 0) give_up("the server cannot be started");
        if (child_ == 0) become_the_server(program_, file_, self, sockets);
    }

    int wait_for_the_end() {
        for (;;) {
            int signal = 0;
            if (::sigwait(&signals_, &signal) != 0) continue;
            if (signal != SIGCHLD) {
                is_stopping_ = is_stopping_ || signal != SIGHUP;
                ::kill(child_, signal);
                continue;
            }
            int end = 0;
            if (::waitpid(child_, &end, WNOHANG) == child_ && (WIFEXITED(end) || WIFSIGNALED(end))) return end;
        }
    }

    // False: somebody wants it to stop meanwhile.
    bool sleep(std::chrono::milliseconds pause) const {
        for (const auto until = Steady::now() + pause;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now());
            const auto rest = to_timespec(std::max(left, std::chrono::milliseconds::zero()));
            const int signal = ::sigtimedwait(&signals_, nullptr, &rest);
            if (signal == SIGTERM || signal == SIGINT) return false;
            if (signal < 0 && errno == EAGAIN) return true;
        }
    }

    // Whoever starts now reads the ini as it is now: its listeners may be others.
    void look_at_the_ini() {
        try {
            doors_.follow(tambo::Config::load(file_));
        } catch (const std::exception& e) {
            std::fprintf(stderr, "tambod: %s; the sockets stay as they were\n", e.what());
        }
    }

    int tell_of(int signal, const std::string& what_next) const {
        std::fprintf(stderr, "tambod: the server (process %d) died by %s%s\n", static_cast<int>(child_),
                     name_of(signal).c_str(), what_next.c_str());
        return exit_of_a_signal + signal;
    }

    const std::string file_;
    const std::string program_;   // by its name: after an upgrade, the new one
    Doors doors_;
    sigset_t signals_{};
    BackOff back_off_;
    std::mt19937 random_{std::random_device{}()};
    std::uniform_real_distribution<double> luck_{0, 1};
    pid_t child_ = -1;
    bool is_stopping_ = false;
};

}   // namespace

int run(const std::string& file) { return Supervisor{file}.run(); }

}   // namespace supervise
