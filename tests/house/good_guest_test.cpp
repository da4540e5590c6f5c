// What man tambo-embed(3) promises to leave alone, and what a program need not give.
#include <atomic>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "embedding.hpp"

// What a library must not do, however briefly: those who call it meet themselves here first.
namespace {

std::atomic<int> forbidden_calls{0};
std::atomic<const char*> last_forbidden_call{""};

template <class Function>
Function* real(const char* name) {
    ++forbidden_calls;
    last_forbidden_call = name;
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}   // namespace

extern "C" {
__attribute__((visibility("default"))) mode_t umask(mode_t mask) noexcept {
    return real<mode_t(mode_t)>("umask")(mask);
}
__attribute__((visibility("default"))) int chdir(const char* path) noexcept {
    return real<int(const char*)>("chdir")(path);
}
__attribute__((visibility("default"))) char* setlocale(int category, const char* locale) noexcept {
    return real<char*(int, const char*)>("setlocale")(category, locale);
}
__attribute__((visibility("default"))) int setenv(const char* name, const char* value, int overwrite) noexcept {
    return real<int(const char*, const char*, int)>("setenv")(name, value, overwrite);
}
}

namespace {

using namespace embedding;

std::set<std::string> open_descriptors() {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;
        const auto target = std::filesystem::read_symlink(entry.path(), gone);
        if (!gone && target.string().find("/proc/") == std::string::npos)
            all.insert(entry.path().filename().string() + " " + target.string());
    }
    return all;
}

/// Of all threads but this one: which signals they would take.
std::vector<std::string> threads_that_take_signals() {
    std::vector<std::string> found;
    for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) {
        if (task.path().filename() == std::to_string(::gettid())) continue;
        std::ifstream status{task.path() / "status"};
        std::string name, blocked;
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("Name:")) name = line.substr(6);
            if (line.starts_with("SigBlk:")) blocked = line.substr(8);
        }
        const auto mask = std::stoull(blocked, nullptr, 16);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE, SIGALRM})
            if ((mask >> (signal - 1) & 1) == 0) found.push_back(name + " takes " + std::to_string(signal));
    }
    return found;
}

/// All of the process that a library could spoil for its program.
struct Surroundings {
    std::vector<std::string> signals;
    std::set<std::string> descriptors = open_descriptors();
    std::filesystem::path folder = std::filesystem::current_path();
    std::vector<std::string> environment;
    std::string locale = std::setlocale(LC_ALL, nullptr);
    mode_t mask;
    sigset_t blocked{};

    Surroundings() {
        for (int signal = 1; signal < NSIG; ++signal) {
            struct sigaction now{};
            if (::sigaction(signal, nullptr, &now) != 0) continue;
            signals.push_back(std::to_string(signal) + " " +
                              std::to_string(reinterpret_cast<std::uintptr_t>(now.sa_sigaction)) + " " +
                              std::to_string(now.sa_flags));
        }
        for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
        mask = ::umask(0);
        ::umask(mask);
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    }
    void expect_unchanged() const {
        const Surroundings now;
        EXPECT_EQ(signals, now.signals);
        EXPECT_EQ(descriptors, now.descriptors);
        EXPECT_EQ(folder, now.folder);
        EXPECT_EQ(environment, now.environment);
        EXPECT_EQ(locale, now.locale);
        EXPECT_EQ(mask, now.mask);
        for (int signal = 1; signal < NSIG; ++signal)
            EXPECT_EQ(sigismember(&blocked, signal), sigismember(&now.blocked, signal)) << signal;
    }
};

class GoodGuest : public Embedding {};

/// Everything that a server does, with a control socket and a port.
void live_through_a_day(const Folder& folder) {
    auto config = configuration(folder);
    config.set("server", "control", (folder.path() / "tambo.sock").string());
    config.set("server", "plugins", "store_sqlite, auth_store").module("starttls");
    Server server{std::move(config)};
    server.start();
    EXPECT_EQ(threads_that_take_signals(), std::vector<std::string>{});
    EXPECT_EQ(std::filesystem::status(folder.path() / "tambo.sock").permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    ASSERT_TRUE(server.add_user("romeo@verona.lit", "secret").has_value());
    Client romeo{server, jid("romeo@verona.lit")};
    EXPECT_TRUE(romeo.ready().has_value());
    EXPECT_TRUE(server.reload("ping").done);
    server.refresh();

    // A child of the program is none of the server's business, and the server none of the child's.
    const auto child = ::fork();
    if (child == 0) ::_exit(7);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 7);
    server.stop();
    server.wait();
}

TEST_F(GoodGuest, it_leaves_the_process_as_it_found_it) {
    {   // libraries that open files once and for all (OpenSSL's random numbers) have done so by then
        const Folder first;
        live_through_a_day(first);
    }
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const Surroundings before;
    live_through_a_day(folder_);
    before.expect_unchanged();
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");   // the log goes to a file
}

/// The mask of the process must not change for a moment either: another thread of the program may be making a file.
TEST_F(GoodGuest, it_never_touches_what_belongs_to_the_whole_process) {
    forbidden_calls = 0;
    live_through_a_day(folder_);
    EXPECT_EQ(forbidden_calls, 0) << last_forbidden_call.load();
}

TEST_F(GoodGuest, a_server_without_ports_sockets_and_folders_leaves_no_trace) {
    const Folder elsewhere;
    ::setenv("TMPDIR", elsewhere.path().c_str(), 1);
    const auto old = std::filesystem::current_path();
    std::filesystem::current_path(folder_.path());
    {
        Config config;
        config.domain(domain).set("server", "plugins", "store_memory, auth_store").module("ping");
        config.set("server", "module_path", TAMBO_BINARY_DIR "/modules, " TAMBO_BINARY_DIR "/plugins");
        Server::Options options;
        options.log = [](Level, std::string_view) {};
        Server server{std::move(config), std::move(options)};
        server.start();
        EXPECT_TRUE(server.ports().empty());
        ASSERT_TRUE(server.add_user("romeo@verona.lit", "secret").has_value());
        Client romeo{server, jid("romeo@verona.lit")};
        EXPECT_TRUE(romeo.ready().has_value());
        EXPECT_TRUE(server.reload("ping").done);
        server.stop();
        server.wait();
    }
    std::filesystem::current_path(old);
    ::unsetenv("TMPDIR");
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
    EXPECT_TRUE(std::filesystem::is_empty(elsewhere.path()));   // copies of modules were there for a while
}

TEST_F(GoodGuest, what_needs_a_folder_says_so) {
    for (const auto* plugin : {"store_sqlite", "store_memory"}) {
        Config config;
        config.domain(domain).set("server", "plugins", plugin);
        config.set("server", "module_path", TAMBO_BINARY_DIR "/plugins");
        if (plugin == std::string_view{"store_memory"}) config.listen("127.0.0.1", 0);
        try {
            Server::Options options;
            options.log = [](Level, std::string_view) {};
            const Server server{std::move(config), std::move(options)};
            FAIL() << plugin;
        } catch (const std::exception& error) {
            EXPECT_NE(std::string{error.what()}.find("[server] data"), std::string::npos) << error.what();
        }
    }
}

TEST_F(GoodGuest, lines_and_time_are_the_programs_if_it_wants) {
    class Noon final : public Clock {
    public:
        Time now() const noexcept override { return Time{std::chrono::sys_days{std::chrono::year{1597} / 7 / 16}}; }
        Duration steady() const noexcept override { return 1h; }
    };
    /// Says what time it is.
    class Watch final : public Module {
    public:
        explicit Watch(Diary& diary) : diary_(diary) {}
        void wire(Wiring&) override { diary_.write(now() == Noon{}.now() ? "noon" : "another time"); }

    private:
        Diary& diary_;
    };
    Diary diary, lines;
    Server::Options options;
    options.clock = std::make_shared<Noon>();
    options.manual_timers = true;
    options.log = [&](Level level, std::string_view line) {
        if (level >= Level::info) lines.write(std::string{line});
    };
    options.modules.push_back({"watch", "1.0", [&] { return std::make_unique<Watch>(diary); }});
    start(std::move(options));
    EXPECT_EQ(diary.lines(), (std::vector<std::string>{"noon", "noon"}));
    server().stop();
    server().wait();
    EXPECT_TRUE(lines.reads("tambo: stopped; everything accepted is kept"));
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "log"));
    server_.reset();   // before what it writes into
}

}   // namespace
