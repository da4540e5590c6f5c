// Puts the parts together (server.hpp).
#include <algorithm>
#include <dlfcn.h>
#include <future>

#include <boost/asio/post.hpp>

#include "module/construction.hpp"
#include "net/http_routes.hpp"
#include "net/pipe.hpp"
#include "server/commands.hpp"
#include "server/impl.hpp"
#include "shard/shard.hpp"
#include "store/signals_blocked.hpp"

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
    if (tls.folder.empty())
        throw ConfigError(
            "a port needs a certificate: set [tls] certificate and key, or [server] data for one that is made there");
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
    : own_threads_(options.own_threads), sockets_(std::move(options.sockets)), timer_(supervisor_) {
    const SignalsBlocked of_our_threads;
    kernel_ = std::make_unique<Kernel>(std::move(config), std::move(options));
    const auto& settings = kernel_->settings;
    if (const auto& news = kernel_->crash_notes.news(); !news.empty()) kernel_->log->warning("{}", news);
    drain_ = std::make_unique<Drain>(*kernel_, supervisor_, [this] { stop(); });
    open_control();   // first of all: where another server runs, nothing may be touched
    if (!settings.server.run.empty()) clean_run_folder(settings.server.run);
    if (!settings.listeners.empty()) load_certificates(*kernel_);
    for (unsigned i = 0; i < (own_threads_ ? shard_count(settings) : 1); ++i)
        kernel_->shards.push_back(std::make_unique<Shard>(*kernel_, i, own_threads_ ? nullptr : &supervisor_));
    if (!own_threads_) kernel_->pump = [this](Duration at_most) { pump(at_most); };
    loader_ = std::make_unique<Loader>(*kernel_, module_folders(settings));
    try {
        const auto names = kernel_->module_names();
        loader_->load_all(names);
        configuration_ = std::make_unique<Reconfiguration>(*kernel_, *loader_);
        over_modules_ = std::make_unique<Supervisor>(*kernel_, *loader_);
        watchdog_ = std::make_unique<Watchdog>(*kernel_);
        if (settings.kernel.watch) watch_ = std::make_unique<Watch>(*kernel_, *loader_, module_folders(settings));
        check_unknown_keys(names);
        if (names.empty())
            kernel_->log->warning("no module is loaded: clients can connect and nothing else; see [server] modules");
        open_doors();
    } catch (...) {
        take_down();
        throw;
    }
}

void Server::Impl::open_control() {
    const auto& path = kernel_->settings.server.control;
    if (path.empty()) return;
    control_ = std::make_unique<Control>(
        supervisor_, path,
        [this](const auto& words, const auto& out) { return run_command(*kernel_->server, *drain_, words, out); },
        *kernel_->log);
}

void Server::Impl::open_doors() {
    const auto& settings = kernel_->settings;
    for (const auto& l : settings.listeners)
        listeners_.push_back(std::make_shared<Listener>(*kernel_, l, take_sockets(l.name)));
    if (!settings.http.address.empty()) {
        const auto ready = take_sockets(http_listener);
        http_ =
            std::make_unique<HttpServer>(settings.http, settings.server.domains, route_http(*kernel_), *kernel_->log,
                                         ready.empty() ? std::nullopt : std::optional{ready.front()});
    }
    for (const auto& socket : sockets_)
        if (socket.descriptor >= 0)
            throw std::runtime_error(
                fmt::format("a socket came for the listener {}, but there is no section [listener {}] (in a systemd "
                            "unit the name is "
                            "FileDescriptorName=)",
                            socket.listener, socket.listener));
}

// Those that came ready-made for this listener.
std::vector<int> Server::Impl::take_sockets(std::string_view listener) {
    std::vector<int> ready;
    for (auto& socket : sockets_)
        if (socket.listener == listener && socket.descriptor >= 0)
            ready.push_back(std::exchange(socket.descriptor, -1));
    return ready;
}

Server::Impl::~Impl() {
    stop();
    wait();
    take_down();
}

void Server::Impl::use(Server& server) { kernel_->server = &server; }

void Server::Impl::start() {
    const SignalsBlocked of_our_threads;
    kernel_->running = true;
    for (auto& shard : kernel_->shards) shard->start();
    kernel_->shards.front()->post([this] {
        for (auto& l : listeners_) l->start();
    });
    kernel_->shards.front()->post([&first = *kernel_->shards.front()] { first.restore_sessions(); });
    if (http_) http_->start();
    over_modules_->start();
    watchdog_->start();
    if (watch_) watch_->start();
    housekeep(1);
    work_.emplace(supervisor_.get_executor());
    if (own_threads_)
        thread_ = std::thread{[this] {
            use_signal_stack();
            supervisor_.run();
        }};
    const auto control = kernel_->settings.server.control.string();
    kernel_->log->info("tambo {} is up: {} shard(s), {} module(s), {}", version(), kernel_->shards.size(),
                       loader_->modules().size(), control.empty() ? "no control socket" : "control socket " + control);
    for (const auto& l : listeners_) kernel_->log->info("listener {} on port {}", l->name(), l->port());
    if (http_) kernel_->log->info("listener http on port {}", http_->port());
}

void Server::Impl::stop() {
    const std::lock_guard guard{state_lock_};
    if (kernel_->stopping.exchange(true)) return;
    stopped_.notify_all();
    if (!own_threads_) boost::asio::post(supervisor_, [] {});   // poll() may be waiting
}

std::size_t Server::Impl::poll(Duration at_most) {
    constexpr std::size_t fair_share = 1000;   // then the program gets its turn, however much there is to do
    if (own_threads_ || !kernel_->running) return 0;
    kernel_->shards.front()->be_here();
    std::size_t done = at_most.count() > 0 ? supervisor_.run_one_for(at_most) : 0;
    while (done < fair_share && supervisor_.poll_one() > 0) ++done;
    return done;
}

void Server::Impl::pump(Duration at_most) {
    const bool outer = std::exchange(kernel_->is_pumping, true);
    supervisor_.run_one_for(at_most);
    kernel_->is_pumping = outer;
}

void Server::Impl::wait_for_stop() {
    while (!own_threads_ && !kernel_->stopping) poll(housekeeping);
    std::unique_lock lock{state_lock_};
    stopped_.wait(lock, [this] { return kernel_->stopping.load(); });
}

// Streams are told, accepted writes are kept, then threads end.
void Server::Impl::wait() {
    if (!kernel_->running) return;
    kernel_->log->info("stopping");
    if (!own_threads_) kernel_->shards.front()->be_here();
    watch_.reset();   // its reload may be under way, and needs the shards
    over_modules_->stop();
    watchdog_->stop();
    work_.reset();
    if (own_threads_) supervisor_.stop();
    if (thread_.joinable()) thread_.join();
    timer_.cancel();
    drain_->halt();
    control_.reset();
    if (http_) http_->stop();
    kernel_->shards.front()->post([this] {
        for (auto& l : listeners_) l->stop();
    });
    for (auto& shard : kernel_->shards) shard->post([&shard = *shard] { shard.shut_down(); });
    if (!own_threads_) supervisor_.run();
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
    watch_.reset();
    over_modules_.reset();
    watchdog_.reset();
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
    const auto scratch = kernel_->scratch;   // goes when the images are gone
    kernel_.reset();
    images.clear();
}

void Server::Impl::check_unknown_keys(const List& names) {
    auto sections = kernel_sections();
    for (const auto& name : names) sections.push_back("module " + name);
    auto judged = kernel_->config;
    for (const auto& name : loader_->left_out()) judged.adopt({}, "module " + name);   // which nobody has declared
    const auto found = complaints(judged, kernel_->declared, sections);
    if (!found.empty()) throw ConfigError(found.front());
}

void Server::Impl::housekeep(unsigned second) {
    timer_.expires_after(housekeeping);
    timer_.async_wait([this, second](boost::system::error_code ec) {
        if (ec) return;
        if (!kernel_->is_pumping) loader_->sweep();   // who pumps may be the loader
        if (!own_threads_) over_modules_->look();
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

void Server::wait_for_stop() { impl_->wait_for_stop(); }
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }

std::uint16_t Server::port(std::string_view listener) const {
    for (const auto& l : impl_->listeners())
        if (l->name() == listener) return l->port();
    if (listener == http_listener && impl_->http() != nullptr) return impl_->http()->port();
    return 0;
}

std::vector<std::pair<std::string, std::uint16_t>> Server::ports() const {
    std::vector<std::pair<std::string, std::uint16_t>> all;
    for (const auto& l : impl_->listeners()) all.emplace_back(l->name(), l->port());
    return all;
}

std::vector<ModuleInfo> Server::modules() const { return impl_->loader().modules(); }
SwapReport Server::load(std::string_view module) { return impl_->loader().load(std::string{module}); }
SwapReport Server::reload(std::string_view module) { return impl_->loader().reload(std::string{module}); }
SwapReport Server::reload(std::string_view module, const std::filesystem::path& file) {
    return impl_->loader().reload(std::string{module}, file);
}
SwapReport Server::reload_together(const std::vector<std::string>& modules) {
    return impl_->loader().reload_together(modules);
}
SwapReport Server::reload_all() { return impl_->loader().reload_all(); }
SwapReport Server::reload_changed() { return impl_->loader().reload_changed(); }
SwapReport Server::unload(std::string_view module) { return impl_->loader().unload(std::string{module}); }

void Server::refresh() {
    impl_->kernel().tls.refresh();
    impl_->kernel().logger.reopen();
}

Pipe Server::connect_in_process() {
    return Pipe{enter_by_pipe(*impl_->kernel().shards[impl_->next_shard()], nullptr, {})};
}

std::size_t Server::poll(Duration at_most) { return impl_->poll(at_most); }

Result<Nothing> Server::ping(Duration patience) {
    struct Answers {
        std::mutex lock;
        std::condition_variable came;
        std::vector<bool> from;
    };
    auto& kernel = impl_->kernel();
    const auto count = kernel.shards.size();
    auto answers = std::make_shared<Answers>();   // shared with shards that answer too late
    answers->from.resize(count);
    if (kernel.runs_loop()) return Nothing{};
    for (std::size_t i = 0; i < count; ++i)
        kernel.shards[i]->post([answers, i] {
            const std::lock_guard guard{answers->lock};
            answers->from[i] = true;
            answers->came.notify_all();
        });
    std::unique_lock lock{answers->lock};
    const auto silent = [&] { return std::ranges::find(answers->from, false); };
    if (answers->came.wait_for(lock, patience, [&] { return silent() == answers->from.end(); })) {
        kernel.crash_notes.suspect(nullptr);
        return Nothing{};
    }
    const auto which = static_cast<std::size_t>(silent() - answers->from.begin());
    const char* in = kernel.shards[which]->crumb;
    kernel.crash_notes.suspect(in);
    return fail(Condition::resource_constraint,
                fmt::format("shard {} has not answered for {} ms; it is in {}", which, patience.count(),
                            in != nullptr ? fmt::format("module {}", in) : "the kernel"));
}

void Server::advance() {
    impl_->kernel().on_each_shard([](Shard& shard) { shard.advance(); });
    impl_->over_modules().look();
}

void Server::settle() {
    auto& kernel = impl_->kernel();
    constexpr int rounds = 4;   // shard, other shard, store, and back
    for (int i = 0; i < rounds; ++i) {
        while (kernel.runs_loop() && impl_->poll(Duration::zero()) > 0) {
        }
        impl_->kernel().on_each_shard([](Shard&) {});
        kernel.store.run([](StoreDriver&) {});
    }
    impl_->over_modules().look();
}

std::vector<OptionInfo> Server::options() const { return impl_->loader().options(); }

}   // namespace tambo
