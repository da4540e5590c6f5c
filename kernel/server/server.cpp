// Puts the parts together (server.hpp).
#include <algorithm>
#include <dlfcn.h>
#include <fcntl.h>
#include <future>
#include <latch>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "module/construction.hpp"
#include "net/http_routes.hpp"
#include "net/pipe.hpp"
#include "server/commands.hpp"
#include "server/impl.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

namespace fs = std::filesystem;

constexpr Duration housekeeping{1000};
constexpr unsigned seconds_between_certificate_checks = 60;
constexpr unsigned seconds_between_evictions = 10;

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

// --- life

Server::Impl::Impl(Config config, Options options)
    : kernel_(std::make_unique<Kernel>(std::move(config), std::move(options))), timer_(supervisor_) {
    const auto& settings = kernel_->settings;
    // First of all: where another server runs, nothing may be touched.
    control_ = std::make_unique<Control>(
        supervisor_, settings.server.control,
        [this](const auto& words, const auto& out) { return run_command(*kernel_->server, words, out); },
        *kernel_->log);
    clean_run_folder(settings.server.run);
    load_certificates(*kernel_);
    for (unsigned i = 0; i < shard_count(settings); ++i)
        kernel_->shards.push_back(std::make_unique<Shard>(*kernel_, i));
    loader_ = std::make_unique<Loader>(*kernel_, module_folders(settings));
    try {
        const auto names = kernel_->module_names();
        loader_->load_all(names);
        configuration_ = std::make_unique<Reconfiguration>(*kernel_, *loader_);
        check_unknown_keys(names);
        if (names.empty())
            kernel_->log->warning("no module is loaded: clients can connect and nothing else; see [server] modules");
        for (const auto& l : settings.listeners) listeners_.push_back(std::make_shared<Listener>(*kernel_, l));
        if (!settings.http.address.empty())
            http_ = std::make_unique<HttpServer>(settings.http, settings.server.domains, route_http(*kernel_),
                                                 *kernel_->log);
    } catch (...) {
        take_down();
        throw;
    }
}

Server::Impl::~Impl() {
    stop();
    wait();
    take_down();
}

void Server::Impl::use(Server& server) { kernel_->server = &server; }

void Server::Impl::on_each_shard(const std::function<void(Shard&)>& job) {
    auto& shards = kernel_->shards;
    if (!kernel_->running) {
        for (auto& shard : shards) job(*shard);
        return;
    }
    std::latch done{static_cast<std::ptrdiff_t>(shards.size())};
    for (auto& shard : shards)
        shard->post([&shard = *shard, &job, &done] {
            job(shard);
            done.count_down();
        });
    done.wait();
}

void Server::Impl::start() {
    kernel_->running = true;
    for (auto& shard : kernel_->shards) shard->start();
    kernel_->shards.front()->post([this] {
        for (auto& l : listeners_) l->start();
    });
    if (http_) http_->start();
    housekeep(1);
    work_.emplace(supervisor_.get_executor());
    thread_ = std::thread{[this] { supervisor_.run(); }};
    kernel_->log->info("tambo {} is up: {} shard(s), {} module(s), control socket {}", version(),
                       kernel_->shards.size(), loader_->modules().size(), kernel_->settings.server.control.string());
    for (const auto& l : listeners_) kernel_->log->info("listener {} on port {}", l->name(), l->port());
    if (http_) kernel_->log->info("listener http on port {}", http_->port());
}

void Server::Impl::stop() {
    const std::lock_guard guard{state_lock_};
    if (kernel_->stopping.exchange(true)) return;
    stopped_.notify_all();
}

void Server::Impl::wait_for_stop() {
    std::unique_lock lock{state_lock_};
    stopped_.wait(lock, [this] { return kernel_->stopping.load(); });
}

// Streams are told, accepted writes are kept, then threads end.
void Server::Impl::wait() {
    if (!kernel_->running) return;
    kernel_->log->info("stopping");
    work_.reset();
    supervisor_.stop();
    if (thread_.joinable()) thread_.join();
    control_.reset();
    if (http_) http_->stop();
    kernel_->shards.front()->post([this] {
        for (auto& l : listeners_) l->stop();
    });
    for (auto& shard : kernel_->shards) shard->post([&shard = *shard] { shard.shut_down(); });
    for (auto& shard : kernel_->shards) shard->join();
    end_pool();
    kernel_->running = false;
    kernel_->log->info("stopped; everything accepted is kept");
}

// What runs in the pool may wait for a shard (Server::stats, which a page asks for): they go on, here, until it has
// ended.
void Server::Impl::end_pool() {
    const auto ended = std::async(std::launch::async, [this] { kernel_->pool.join(); });
    while (ended.wait_for(std::chrono::milliseconds{1}) != std::future_status::ready)
        for (auto& shard : kernel_->shards) shard->drain();
}

// Order matters: closures of modules first, then modules, then their code.
void Server::Impl::take_down() {
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
    http_.reset();            // what was on its way to a module has been given up by now, which is an answer too
    kernel_->store.use({});   // the driver is a plugin's code
    kernel_.reset();
    images.clear();
}

void Server::Impl::check_unknown_keys(const List& names) {
    auto sections = kernel_sections();
    for (const auto& name : names) sections.push_back("module " + name);
    const auto found = complaints(kernel_->config, kernel_->declared, sections);
    if (!found.empty()) throw ConfigError(found.front());
}

void Server::Impl::housekeep(unsigned second) {
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
    if (listener == "http" && impl_->http() != nullptr) return impl_->http()->port();
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

Pipe Server::connect_in_process() {
    return Pipe{enter_by_pipe(*impl_->kernel().shards[impl_->next_shard()], nullptr, {})};
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

std::vector<OptionInfo> Server::options() const { return impl_->loader().options(); }

}   // namespace tambo
