#include "stage.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tambo/server.hpp>

#include "client.hpp"

namespace play {

namespace fs = std::filesystem;

namespace {

/// Gone with everything in it when the play is over.
class Folder {
public:
    Folder() {
        auto name = (fs::temp_directory_path() / "tambo-play-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder: " + name};
        path_ = fs::canonical(name);
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

std::string join(const std::vector<std::string>& words, std::string_view between) {
    std::string all;
    for (const auto& word : words) all += (all.empty() ? "" : std::string{between}) + word;
    return all;
}

std::string module_path(const std::vector<fs::path>& folders) {
    std::vector<std::string> all;
    for (const auto& folder : folders) all.push_back(folder);
    all.push_back(home().modules);
    all.push_back(home().plugins);
    return join(all, ", ");
}

/// Both stages are configured alike: one ini, made of these.
std::vector<Setting> configuration(const Cast& cast, const fs::path& data) {
    const auto modules = cast.modules.empty() ? all_modules() : cast.modules;
    std::vector<Setting> all{{"server", "domain", std::string{Stage::domain}},
                             {"server", "data", data},
                             {"server", "module_path", module_path(cast.folders)},
                             {"server", "modules", join(modules, ", ")},
                             {"server", "threads", std::to_string(cast.threads)}};
    const bool has_plugins = std::ranges::any_of(
        cast.settings, [](const Setting& s) { return s.section == "server" && s.key == "plugins"; });
    if (!has_plugins) all.push_back({"server", "plugins", "store_memory, auth_store"});
    const bool has_register = std::ranges::find(modules, "register") != modules.end();
    if (has_register) all.push_back({"module register", "iterations", "1"});   // no need to wait for strong keys
    all.insert(all.end(), cast.settings.begin(), cast.settings.end());
    return all;
}

// --- in this process ------------------------------------------------------------------------------------------------

/// Stands still until the player moves it.
class StageClock final : public tambo::Clock {
public:
    tambo::Time now() const noexcept override { return start + passed_.load(); }
    tambo::Duration steady() const noexcept override { return passed_.load(); }
    void pass(tambo::Duration time) { passed_ = passed_.load() + time; }

private:
    static constexpr tambo::Time start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 6}};
    std::atomic<tambo::Duration> passed_{std::chrono::hours{1}};
};

class InProcess final : public Stage {
public:
    explicit InProcess(const Cast& cast) : config_(config(configuration(cast, data_.path()))) { start(); }
    ~InProcess() override { server_->stop(); }

    std::unique_ptr<Wire> connect() override { return std::make_unique<PipeWire>(server_->connect_in_process()); }
    void settle() override { server_->settle(); }
    tambo::Server* server() noexcept override { return &*server_; }
    void restart() override {
        server_->stop();
        server_.reset();
        start();
    }
    fs::path data() const override { return data_.path(); }

    void add_user(const std::string& user, const std::string& password) override {
        const auto added = server_->add_user(user + '@' + std::string{domain}, password);
        if (!added) throw std::runtime_error{"no account for " + user + ": " + added.error().text};
    }

    /// In steps, so that timers that are armed on the way come due on the way.
    void pass(std::chrono::milliseconds time) override {
        constexpr auto steps = 60;
        for (int i = 1; i <= steps; ++i) {
            clock_->pass(time * i / steps - time * (i - 1) / steps);
            server_->advance();
            server_->settle();
        }
    }

    std::string log() const override {
        const std::lock_guard lock{log_mutex_};
        return log_;
    }

private:
    void start() {
        server_.emplace(config_, options());
        server_->start();
    }

    static tambo::Config config(const std::vector<Setting>& settings) {
        tambo::Config config;
        for (const auto& [section, key, value] : settings) config.set(section, key, value);
        // A server without listeners would take the usual ports.
        config.set("listener c2s", "address", "127.0.0.1").set("listener c2s", "port", "0");
        return config;
    }
    tambo::Server::Options options() {
        tambo::Server::Options options;
        options.clock = clock_;
        options.manual_timers = true;
        options.log = [this](tambo::Level, std::string_view line) {
            const std::lock_guard lock{log_mutex_};
            log_.append(line).append("\n");
        };
        return options;
    }

    Folder data_;
    mutable std::mutex log_mutex_;   // lines come from all of the server's threads
    std::string log_;
    std::shared_ptr<StageClock> clock_ = std::make_shared<StageClock>();   // shared with the server
    tambo::Config config_;
    std::optional<tambo::Server> server_;
};

// --- the real thing -------------------------------------------------------------------------------------------------

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

std::uint16_t free_port() {
    const auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    const bool is_bound = ::bind(fd, raw, size) == 0 && ::getsockname(fd, raw, &size) == 0;
    ::close(fd);
    if (!is_bound) throw std::runtime_error{"no free port"};
    return ntohs(address.sin_port);
}

/// A tambod of its own in a folder of its own.
class OverTcp final : public Stage {
public:
    explicit OverTcp(const std::vector<Setting>& settings) : port_(free_port()) {
        write_ini(settings);
        start();
        await_listener();
    }
    ~OverTcp() override { end(SIGTERM); }

    void restart() override {
        end(SIGKILL);
        start();
        await_listener();
    }

    std::unique_ptr<Wire> connect() override {
        const auto fd = try_to_connect();
        if (fd < 0) throw std::runtime_error{std::string{"cannot connect to tambod: "} + std::strerror(errno)};
        return std::make_unique<SocketWire>(fd);
    }

    /// XEP-0077 §3.1, since tambod's own tools need a control socket that a play has no business with.
    void add_user(const std::string& user, const std::string& password) override {
        Client stranger{user, "", std::string{domain}};
        stranger.open(connect());
        stranger.receive();   // the features
        stranger.send("<iq type='set' id='new'><query xmlns='jabber:iq:register'><username>" + user +
                      "</username><password>" + password + "</password></query></iq>");
        const auto answer = stranger.receive();
        if (*answer.attribute("type") != "result") throw std::runtime_error{"no account: " + answer.str()};
        stranger.disconnect();
    }

    /// A round trip of each client is all that can be asked for from outside; the player has done that.
    void settle() override {}
    void pass(std::chrono::milliseconds) override { throw std::logic_error{"nobody can turn the real clock"}; }

    std::string log() const override {
        std::ifstream in{folder_.path() / "log"};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

private:
    void write_ini(const std::vector<Setting>& settings) const {
        Cast cast;
        cast.settings = {{"listener c2s", "address", "127.0.0.1"},
                         {"listener c2s", "port", std::to_string(port_)},
                         {"listener c2s", "plaintext_auth", "true"},
                         {"limits", "registrations_per_address", "0"},
                         {"log", "target", folder_.path() / "log"}};
        cast.settings.insert(cast.settings.end(), settings.begin(), settings.end());
        auto all = configuration(cast, folder_.path() / "data");
        std::ranges::stable_sort(all, {}, &Setting::section);
        std::ofstream ini{folder_.path() / "tambo.ini"};
        std::string section;
        for (const auto& setting : all) {
            if (setting.section != section) ini << '[' << (section = setting.section) << "]\n";
            ini << setting.key << " = ";
            for (const char c : setting.value) ini << c << (c == ',' ? "\n    " : "");   // long lines are errors
            ini << '\n';
        }
    }

    void end(int signal) const {
        ::kill(tambod_, signal);
        ::waitpid(tambod_, nullptr, 0);
    }

    void start() {
        const auto binary = home().tambod.string();
        const auto ini = (folder_.path() / "tambo.ini").string();
        const auto output = (folder_.path() / "output").string();
        tambod_ = ::fork();
        if (tambod_ < 0) throw std::runtime_error{"cannot fork"};
        if (tambod_ > 0) return;
        const auto fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ::dup2(fd, STDOUT_FILENO);
        ::dup2(fd, STDERR_FILENO);
        ::execl(binary.c_str(), "tambod", ini.c_str(), nullptr);
        ::_exit(127);
    }

    /// There is nothing to wait for but the port itself, so this one asks again and again.
    void await_listener() {
        for (auto left = Client::patience / retry; left > 0; --left) {
            if (const auto fd = try_to_connect(); fd >= 0) {
                ::close(fd);
                return;
            }
            if (::waitpid(tambod_, nullptr, WNOHANG) != 0) break;
            ::poll(nullptr, 0, static_cast<int>(retry.count()));
        }
        std::ifstream output{folder_.path() / "output"};
        throw std::runtime_error{"tambod does not listen:\n" + std::string{std::istreambuf_iterator<char>{output}, {}} +
                                 log()};
    }

    int try_to_connect() const {
        const auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto address = loopback(port_);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
        ::close(fd);
        return -1;
    }

    static constexpr std::chrono::milliseconds retry{10};

    Folder folder_;
    std::uint16_t port_;
    pid_t tambod_ = -1;
};

}   // namespace

std::unique_ptr<Stage> in_process(const Cast& cast) { return std::make_unique<InProcess>(cast); }

std::unique_ptr<Stage> over_tcp(const std::vector<Setting>& settings) { return std::make_unique<OverTcp>(settings); }

std::vector<std::string> modules_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator{folder})
        if (entry.path().extension() == ".so") names.push_back(entry.path().stem());
    std::ranges::sort(names);
    return names;
}

std::vector<std::string> all_modules() { return modules_in(home().modules); }

}   // namespace play
