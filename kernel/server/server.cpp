// Puts the parts together (server.hpp).
#include <algorithm>
#include <condition_variable>
#include <dlfcn.h>
#include <fcntl.h>
#include <future>
#include <latch>
#include <mutex>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "module/construction.hpp"
#include "module/loader.hpp"
#include "net/listener.hpp"
#include "server/commands.hpp"
#include "server/control.hpp"
#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

namespace fs = std::filesystem;

constexpr Duration housekeeping{1000};
constexpr unsigned seconds_between_certificate_checks = 60;
constexpr unsigned seconds_between_evictions = 10;

// Modules lie beside the library: build/…/{lib,modules,plugins}, or …/lib/{,tambo/modules,tambo/plugins} when
// installed.
std::vector<fs::path> module_folders(const Settings& settings) {
    if (!settings.server.module_path.empty()) return settings.server.module_path;
    Dl_info here{};
    if (::dladdr(reinterpret_cast<const void*>(&module_folders), &here) == 0) return {};
    const auto lib = fs::absolute(here.dli_fname).parent_path();
    std::vector<fs::path> folders;
    for (const auto& base : {lib / "tambo", lib.parent_path(), lib.parent_path() / "lib" / "tambo"})
        for (const auto* kind : {"modules", "plugins"})
            if (fs::is_directory(base / kind)) folders.push_back(base / kind);
    return folders;
}

unsigned shard_count(const Settings& settings) {
    return settings.server.threads != 0 ? settings.server.threads : std::max(1U, std::thread::hardware_concurrency());
}

// A folder of this process's own: another server's images must not be in the way, nor those of one that crashed.
void clean_run_folder(const fs::path& run) {
    fs::create_directories(run);
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{run, ignored})
        if (entry.path().extension() == ".so") fs::remove(entry.path(), ignored);
}

void load_certificates(Kernel& kernel) {
    const auto& tls = kernel.settings.tls;
    std::vector<std::string> without;
    for (const auto& host : kernel.settings.hosts) {
        if (!host.certificate.empty())
            kernel.tls.add({host.domain, host.certificate, host.key});
        else if (!tls.certificate.empty())
            kernel.tls.add({host.domain, tls.certificate, tls.key});
        else
            without.push_back(host.domain);
    }
    if (without.empty()) return;
    const auto made = TlsStore::make_self_signed(tls.folder, without);
    for (const auto& domain : without) kernel.tls.add({domain, made.chain, made.key});
    kernel.log->info("TLS: {} is self-signed; clients will ask whether to trust it (set [tls] certificate and key)",
                     made.chain.string());
}

}   // namespace

class Server::Impl {
public:
    Impl(Config config, Options options)
        : kernel_(std::make_unique<Kernel>(std::move(config), std::move(options))), timer_(supervisor_) {
        const auto& settings = kernel_->settings;
        // First of all: where another server runs, nothing may be touched.
        control_ = std::make_unique<Control>(
            supervisor_, settings.server.control, [this](const auto& words) { return run_command(*commands_, words); },
            *kernel_->log);
        clean_run_folder(settings.server.run);
        load_certificates(*kernel_);
        for (unsigned i = 0; i < shard_count(settings); ++i)
            kernel_->shards.push_back(std::make_unique<Shard>(*kernel_, i));
        loader_ = std::make_unique<Loader>(*kernel_, module_folders(settings));
        try {
            auto names = settings.server.plugins;
            names.insert(names.end(), settings.server.modules.begin(), settings.server.modules.end());
            loader_->load_all(names);
            check_unknown_keys(names);
            if (names.empty())
                kernel_->log->warning(
                    "no module is loaded: clients can connect and nothing else; see [server] modules");
            for (const auto& l : settings.listeners) listeners_.push_back(std::make_shared<Listener>(*kernel_, l));
        } catch (...) {
            take_down();
            throw;
        }
    }

    ~Impl() {
        stop();
        wait();
        take_down();
    }

    void use(Server& server) { commands_ = &server; }

    void start() {
        kernel_->running = true;
        for (auto& shard : kernel_->shards) shard->start();
        kernel_->shards.front()->post([this] {
            for (auto& l : listeners_) l->start();
        });
        housekeep(1);
        work_.emplace(supervisor_.get_executor());
        thread_ = std::thread{[this] { supervisor_.run(); }};
        kernel_->log->info("tambo {} is up: {} shard(s), {} module(s), control socket {}", version(),
                           kernel_->shards.size(), loader_->modules().size(),
                           kernel_->settings.server.control.string());
        for (const auto& l : listeners_) kernel_->log->info("listener {} on port {}", l->name(), l->port());
    }

    void stop() {
        const std::lock_guard guard{state_lock_};
        if (kernel_->stopping.exchange(true)) return;
        stopped_.notify_all();
    }

    void wait_for_stop() {
        std::unique_lock lock{state_lock_};
        stopped_.wait(lock, [this] { return kernel_->stopping.load(); });
    }

    // Streams are told, accepted writes are kept, then threads end.
    void wait() {
        if (!kernel_->running) return;
        kernel_->log->info("stopping");
        work_.reset();
        supervisor_.stop();
        if (thread_.joinable()) thread_.join();
        control_.reset();
        kernel_->shards.front()->post([this] {
            for (auto& l : listeners_) l->stop();
        });
        for (auto& shard : kernel_->shards) shard->post([&shard = *shard] { shard.shut_down(); });
        for (auto& shard : kernel_->shards) shard->join();
        kernel_->running = false;
        kernel_->log->info("stopped; everything accepted is kept");
    }

    // Order matters: closures of modules first, then modules, then their code.
    void take_down() {
        listeners_.clear();
        control_.reset();
        kernel_->pool.join();
        for (int round = 0; round < 3; ++round) {   // answers of the store and the pool that were on their way
            kernel_->store.run([](StoreDriver&) {});
            for (auto& shard : kernel_->shards) shard->drain();
        }
        auto images = loader_ ? loader_->release() : std::vector<std::shared_ptr<Image>>{};
        loader_.reset();
        kernel_->shards.clear();
        kernel_->store.use({});   // the driver is a plugin's code
        kernel_.reset();
        images.clear();
    }

    Kernel& kernel() { return *kernel_; }
    Loader& loader() { return *loader_; }
    const std::vector<std::shared_ptr<Listener>>& listeners() const { return listeners_; }
    std::size_t next_shard() { return next_shard_++ % kernel_->shards.size(); }
    boost::asio::io_context& supervisor() { return supervisor_; }

private:
    void check_unknown_keys(const List& names) {
        auto sections = kernel_sections();
        for (const auto& name : names) sections.push_back("module " + name);
        const auto found = complaints(kernel_->config, kernel_->declared, sections);
        if (!found.empty()) throw ConfigError(found.front());
    }

    void housekeep(unsigned second) {
        timer_.expires_after(housekeeping);
        timer_.async_wait([this, second](boost::system::error_code ec) {
            if (ec) return;
            loader_->sweep();
            if (second % seconds_between_certificate_checks == 0) kernel_->tls.refresh();
            if (second % seconds_between_evictions == 0)
                for (auto& shard : kernel_->shards) shard->post([&shard = *shard] { shard.evict_idle_accounts(); });
            housekeep(second + 1);
        });
    }

    boost::asio::io_context supervisor_{1};
    std::unique_ptr<Kernel> kernel_;
    std::unique_ptr<Loader> loader_;
    std::vector<std::shared_ptr<Listener>> listeners_;
    std::unique_ptr<Control> control_;
    Server* commands_ = nullptr;
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
    boost::asio::steady_timer timer_;
    std::thread thread_;
    std::mutex state_lock_;
    std::condition_variable stopped_;
    std::atomic<std::size_t> next_shard_{0};
};

// --- Server

Server::Server(Config config) : Server(std::move(config), Options{}) {}

Server::Server(Config config, Options options) : impl_(std::make_unique<Impl>(std::move(config), std::move(options))) {
    impl_->use(*this);
}

Server::~Server() = default;

void Server::run() {
    start();
    wait();
}

void Server::wait() {
    impl_->wait_for_stop();
    impl_->wait();
}

void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }

std::uint16_t Server::port(std::string_view listener) const {
    for (const auto& l : impl_->listeners())
        if (l->name() == listener) return l->port();
    return 0;
}

std::vector<ModuleInfo> Server::modules() const { return impl_->loader().modules(); }
SwapReport Server::load(std::string_view module) { return impl_->loader().load(std::string{module}); }
SwapReport Server::reload(std::string_view module) { return impl_->loader().reload(std::string{module}); }
SwapReport Server::reload(std::string_view module, const std::filesystem::path& file) {
    return impl_->loader().reload(std::string{module}, file);
}
SwapReport Server::unload(std::string_view module) { return impl_->loader().unload(std::string{module}); }

void Server::refresh() {
    impl_->kernel().tls.refresh();
    impl_->kernel().logger.reopen();
}

namespace {

enum class Wanted : std::uint8_t { fresh, known };

// What is awaited has a name: g++ 12 destroys some temporaries of a co_await expression twice.
Task<void> keep_user(AuthProvider& auth, Jid jid, Credentials credentials, Wanted wanted,
                     std::function<void(Result<Nothing>)> done) {
    if (wanted == Wanted::known) {
        auto asking = auth.exists(jid);
        const auto exists = co_await std::move(asking);
        if (!exists) co_return done(std::unexpected{exists.error()});
        if (!*exists) co_return done(fail(Condition::item_not_found, "no such account"));
    }
    auto keeping = auth.set(std::move(jid), std::move(credentials), wanted == Wanted::fresh);
    auto kept = co_await std::move(keeping);
    done(std::move(kept));
}

Task<void> look_for_user(AuthProvider& auth, Jid jid, std::function<void(Result<Nothing>)> done) {
    auto asking = auth.exists(std::move(jid));
    const auto exists = co_await std::move(asking);
    if (!exists) co_return done(std::unexpected{exists.error()});
    if (!*exists) co_return done(fail(Condition::item_not_found, "no such account"));
    done(Nothing{});
}

constexpr std::uint32_t iterations_for_operators = 10'000;

using Done = std::function<void(Result<Nothing>)>;

// Runs `job` on the account's home shard and waits for what it reports.
Result<Nothing> at_home(Kernel& kernel, const Jid& jid, const std::function<void(Shard&, const Done&)>& job) {
    if (!kernel.running) return fail(Condition::service_unavailable, "the server is not running");
    auto answer = std::make_shared<std::promise<Result<Nothing>>>();
    auto waiting = answer->get_future();
    auto& shard = kernel.home(jid);
    shard.post([&shard, job, answer] {
        auto said = std::make_shared<bool>(false);
        job(shard, [answer, said](Result<Nothing> r) {
            if (!std::exchange(*said, true)) answer->set_value(std::move(r));
        });
    });
    if (waiting.wait_for(std::chrono::seconds{30}) != std::future_status::ready)
        return fail(Condition::remote_server_timeout, "no answer within 30 s");
    return waiting.get();
}

Result<Nothing> keep_password(Kernel& kernel, std::string_view bare_jid, std::string_view password, Wanted wanted) {
    const auto jid = Jid::parse(bare_jid);
    if (!jid) return std::unexpected{jid.error()};
    if (!jid->is_bare() || jid->local().empty() || !kernel.is_local(jid->domain()))
        return fail(Condition::jid_malformed, "not an account of this server (user@domain)");
    const auto prepared = prepare_password(password);
    if (!prepared) return std::unexpected{prepared.error()};
    const auto credentials = derive_credentials(*prepared, iterations_for_operators);
    return at_home(kernel, *jid, [jid = *jid, credentials, wanted](Shard& shard, const Done& done) {
        if (shard.auth == nullptr) return done(fail(Condition::service_unavailable, "no auth plugin is loaded"));
        shard.auth_owner->run(
            keep_user(*shard.auth, jid, credentials, wanted, [&shard, jid, done](Result<Nothing> kept) {
                if (auto* known = shard.find_account(jid); known != nullptr && kept) known->set_exists(true);
                done(std::move(kept));
            }));
    });
}

}   // namespace

Result<Nothing> Server::add_user(std::string_view bare_jid, std::string_view password) {
    return keep_password(impl_->kernel(), bare_jid, password, Wanted::fresh);
}

Result<Nothing> Server::set_password(std::string_view bare_jid, std::string_view password) {
    return keep_password(impl_->kernel(), bare_jid, password, Wanted::known);
}

Result<Nothing> Server::remove_user(std::string_view bare_jid) {
    const auto jid = Jid::parse(bare_jid);
    if (!jid) return std::unexpected{jid.error()};
    return at_home(impl_->kernel(), *jid, [jid = *jid](Shard& shard, const Done& done) {
        if (shard.auth == nullptr) return done(fail(Condition::service_unavailable, "no auth plugin is loaded"));
        shard.auth_owner->run(look_for_user(*shard.auth, jid, [&shard, jid, done](Result<Nothing> found) {
            if (found)
                shard.remove_account(jid, done);
            else
                done(std::move(found));
        }));
    });
}

Server::Count Server::count() const {
    Count sum;
    const auto& kernel = impl_->kernel();
    sum.connections = kernel.gate.connections();
    for (const auto& shard : kernel.shards) {
        const auto& f = shard->figures;
        sum.sessions += f.sessions;
        sum.accounts += f.accounts;
        sum.stanzas_in += f.stanzas_in;
        sum.stanzas_out += f.stanzas_out;
        sum.bytes_in += f.bytes_in;
        sum.bytes_out += f.bytes_out;
    }
    return sum;
}

int Server::connect_in_process() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw std::system_error(errno, std::generic_category(), "no socket pair for a client in this process");
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    auto& shard = *impl_->kernel().shards[impl_->next_shard()];
    Entrance entrance;
    entrance.name = "in process";
    entrance.is_private = true;
    entrance.may_start_tls = false;
    entrance.plaintext_auth = true;
    shard.post([&shard, entrance, end = ends[1]] {
        Connection::Socket socket{shard.io, boost::asio::generic::stream_protocol{AF_UNIX, 0}, end};
        std::make_shared<Connection>(shard, std::move(socket), entrance, std::string{})->open();
    });
    return ends[0];
}

void Server::advance() {
    auto& shards = impl_->kernel().shards;
    std::latch done{static_cast<std::ptrdiff_t>(shards.size())};
    for (auto& shard : shards)
        shard->post([&shard = *shard, &done] {
            shard.advance();
            done.count_down();
        });
    done.wait();
}

void Server::settle() {
    auto& kernel = impl_->kernel();
    constexpr int rounds = 4;   // shard, other shard, store, and back
    for (int i = 0; i < rounds; ++i) {
        std::latch done{static_cast<std::ptrdiff_t>(kernel.shards.size())};
        for (auto& shard : kernel.shards) shard->post([&done] { done.count_down(); });
        done.wait();
        kernel.store.run([](StoreDriver&) {});
    }
}

std::vector<OptionInfo> Server::options() const { return impl_->kernel().declared; }

// --- check

namespace {

/// A folder that goes when it goes out of scope.
class ScratchFolder {
public:
    ScratchFolder() {
        auto name = (fs::temp_directory_path() / "tambo-check-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), name);
        path_ = name;
    }
    ~ScratchFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

void check_certificates(Kernel& kernel, std::vector<std::string>& found) {
    const auto look = [&](const std::string& domain, const fs::path& chain, const fs::path& key) {
        try {
            if (!chain.empty()) kernel.tls.add({domain, chain, key});
        } catch (const std::exception& e) {
            found.emplace_back(e.what());
        }
    };
    look(kernel.settings.server.domains.front(), kernel.settings.tls.certificate, kernel.settings.tls.key);
    for (const auto& host : kernel.settings.hosts) look(host.domain, host.certificate, host.key);
}

}   // namespace

std::vector<std::string> check(const Config& config) {
    std::vector<std::string> found;
    const ScratchFolder scratch;   // the real data folder stays untouched: a server may be at work there
    std::vector<std::shared_ptr<Image>> images;
    try {
        Config dry = config;
        dry.set("server", "data", scratch.path().string()).set("server", "run", scratch.path().string());
        Server::Options options;
        options.log = [](Level, std::string_view) {};
        Kernel kernel{std::move(dry), std::move(options)};
        kernel.shards.push_back(std::make_unique<Shard>(kernel, 0));
        check_certificates(kernel, found);
        auto names = kernel.settings.server.plugins;
        names.insert(names.end(), kernel.settings.server.modules.begin(), kernel.settings.server.modules.end());
        {
            Loader loader{kernel, module_folders(kernel.settings)};
            std::ranges::move(loader.check(names), std::back_inserter(found));
            auto sections = kernel_sections();
            for (const auto& name : names) sections.push_back("module " + name);
            const bool all_known = found.empty();   // a module that could not be made has not named its options
            if (all_known) std::ranges::move(complaints(config, kernel.declared, sections), std::back_inserter(found));
            images = loader.release();
        }
        kernel.pool.join();
        kernel.shards.clear();
    } catch (const std::exception& e) {
        found.emplace_back(e.what());
    }
    return found;
}

}   // namespace tambo
