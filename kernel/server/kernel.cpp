#include "server/kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <latch>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "shard/shard.hpp"

namespace tambo {

Clock::~Clock() = default;

namespace {

class SystemClock final : public Clock {
public:
    Time now() const noexcept override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }
    Duration steady() const noexcept override {
        return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start_);
    }

private:
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Gate::Limits gate_limits(const LimitSettings& limits) {
    Gate::Limits l;
    l.connections = limits.connections;
    l.connections_per_address = limits.connections_per_address;
    l.auth_failures = limits.auth_failures_per_address;
    l.auth_window = limits.auth_window;
    l.registrations = limits.registrations_per_address;
    l.registration_window = limits.registration_window;
    l.bytes_per_second = limits.address_rate;
    l.burst_bytes = limits.address_burst;
    return l;
}

// Written under another name first: a server killed while it writes must not find half a secret.
Bytes load_secret(const std::filesystem::path& folder) {
    if (folder.empty()) return random_bytes(32);   // nothing is kept: secrets are as old as the server
    const auto file = folder / "secret";
    std::ifstream in{file, std::ios::binary};
    Bytes known{std::istreambuf_iterator<char>{in}, {}};
    if (known.size() == 32) return known;
    const auto fresh = random_bytes(32);
    const auto half = folder / "secret.new";
    const int descriptor = ::open(half.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    const bool written =
        descriptor >= 0 && ::write(descriptor, fresh.data(), fresh.size()) == 32 && ::fsync(descriptor) == 0;
    if (descriptor >= 0) ::close(descriptor);
    if (!written || ::rename(half.c_str(), file.c_str()) != 0)
        throw std::runtime_error(
            fmt::format("{}: the server's secret cannot be kept there; may the server write to it?", file.string()));
    return fresh;
}

}   // namespace

Kernel::Kernel(Config c, Server::Options options)
    : config(std::move(c)),
      settings(read_settings(config, declared)),
      data_lock(settings.server.data),
      clock(options.clock ? std::move(options.clock) : std::make_shared<SystemClock>()),
      crash_notes(settings.server.data, options.crash_note, {settings.kernel.blame, settings.kernel.blame_window},
                  clock->now()),
      logger(settings.log, std::move(options.log), clock),
      log(logger.named("tambo")),
      tls({settings.tls.allow_tls12, settings.tls.ciphers, settings.tls.sessions}, *log),
      gate(gate_limits(settings.limits)),
      crowd(*log),
      store(*log, {.durability = settings.journal.durability}),
      pool(std::max(1U, std::thread::hardware_concurrency())),
      manual_timers(options.manual_timers),
      host_modules(std::move(options.modules)),
      master_secret(load_secret(settings.server.data)),
      started(clock->now()) {}

Kernel::~Kernel() = default;

Shard& Kernel::home(const Jid& jid) noexcept { return *shards[jid.bare_hash() % shards.size()]; }

void Kernel::on_each_shard(const std::function<void(Shard&)>& job) {
    if (!running) {
        for (auto& shard : shards) job(*shard);
        return;
    }
    if (runs_loop()) return shards.front()->turn([&] { job(*shards.front()); });
    std::latch done{static_cast<std::ptrdiff_t>(shards.size())};
    for (auto& shard : shards)
        shard->post([&shard = *shard, &job, &done] {
            job(shard);
            done.count_down();
        });
    done.wait();
}

void Kernel::on_shard(unsigned index, const std::function<void(Shard&)>& job) {
    auto& shard = *shards[index];
    if (!running) return job(shard);
    if (runs_loop()) return shard.turn([&] { job(shard); });
    std::latch done{1};
    shard.post([&] {
        job(shard);
        done.count_down();
    });
    done.wait();
}

bool Kernel::runs_loop() const noexcept { return pump && !shards.empty() && shards.front()->is_here(); }

std::filesystem::path Kernel::run_folder() {
    if (!settings.server.run.empty()) return settings.server.run;
    if (!scratch) scratch = std::make_shared<ScratchFolder>();
    return scratch->path();
}

List Kernel::module_names() const {
    List names = settings.server.plugins;
    names.insert(names.end(), settings.server.modules.begin(), settings.server.modules.end());
    for (const auto& own : host_modules)
        if (!own.only_if_named && std::ranges::find(names, own.name) == names.end()) names.push_back(own.name);
    return names;
}

bool Kernel::is_local(std::string_view domain) const noexcept {
    return std::ranges::find(settings.server.domains, domain) != settings.server.domains.end();
}

bool Kernel::is_admin(const Jid& jid) const noexcept {
    return std::ranges::find(settings.server.admins, jid.bare_text(), [](const Jid& a) { return a.text(); }) !=
           settings.server.admins.end();
}

Bytes Kernel::secret(std::string_view purpose) const {
    Bytes out(32, '\0');
    unsigned length = 0;
    HMAC(EVP_sha256(), master_secret.data(), static_cast<int>(master_secret.size()),
         reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
         reinterpret_cast<unsigned char*>(out.data()), &length);
    return out;
}

const char* Kernel::lasting_name(const std::string& name) {
    const std::lock_guard lock{names_lock_};
    return names_.insert(name).first->c_str();
}

std::string_view version() noexcept { return TAMBO_VERSION; }

}   // namespace tambo
