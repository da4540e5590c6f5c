#include "server/supervisor.hpp"

#include <utility>

#include <boost/asio/post.hpp>

#include "shard/shard.hpp"
#include "store/signals_blocked.hpp"

namespace tambo {

namespace {

constexpr Duration at_the_latest{1000};   // somebody may have moved the clock

}   // namespace

Supervisor::Supervisor(Kernel& kernel, Loader& loader)
    : kernel_(kernel),
      loader_(loader),
      log_(kernel.logger.named("supervisor")),
      policy_(kernel.settings.kernel, [this] { return std::uniform_real_distribution{0.0, 1.0}(random_); }),
      remembered_(kernel.clock->steady()) {
    kernel_.desk.when_told([this] { call(); });
}

Supervisor::~Supervisor() {
    stop();
    kernel_.desk.when_told({});
}

// Under the desk's lock.
void Supervisor::call() {
    if (kernel_.pump) {
        asio::post(kernel_.shards.front()->io, [this, alive = std::weak_ptr{alive_}] {
            if (!alive.expired()) look();
        });
        return;
    }
    const std::lock_guard guard{lock_};
    is_called_ = true;
    called_.notify_all();
}

void Supervisor::start() {
    if (kernel_.pump) return;   // the program's loop looks
    const SignalsBlocked of_our_threads;
    thread_ = std::thread{[this] { run(); }};
}

void Supervisor::stop() {
    {
        const std::lock_guard guard{lock_};
        stopping_ = true;
        called_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Supervisor::run() {
    while (true) {
        const auto wait = time_left();
        {
            std::unique_lock lock{lock_};
            called_.wait_for(lock, wait, [this] { return is_called_ || stopping_; });
            if (stopping_) return;
            is_called_ = false;
        }
        look();
    }
}

Duration Supervisor::time_left() {
    const std::lock_guard guard{looking_};
    const auto now = kernel_.clock->steady();
    const auto next = policy_.next();
    return next <= now ? Duration{0} : std::min(at_the_latest, next - now);
}

// The loop's thread must not begin while it waits, in pump(), for something that the loader does already.
bool Supervisor::may_look() const {
    return kernel_.running && !kernel_.stopping && (!kernel_.pump || (kernel_.runs_loop() && !kernel_.is_pumping));
}

void Supervisor::look() {
    if (!may_look()) return;
    const std::lock_guard guard{looking_};
    for (auto all = kernel_.desk.take(); !all.empty(); all = kernel_.desk.take())
        for (const auto& news : all) hear(news);
    const auto now = kernel_.clock->steady();
    carry_out(policy_.due(now));
    if (now - remembered_ >= kernel_.settings.kernel.remember) {
        remembered_ = now;
        loader_.remember_states();
    }
}

void Supervisor::hear(const ModuleNews& news) {
    switch (news.kind) {
        case ModuleNews::Kind::fault:
            return carry_out(policy_.fault(news.module, news.generation, news.shard, news.when));
        case ModuleNews::Kind::stuck:
            return loader_.blame(news.module, news.shard, news.text);   // a fault, of which the desk will hear
        case ModuleNews::Kind::swapped:
            return policy_.swapped(news.module, news.generation, news.is_on_probation, news.when);
        case ModuleNews::Kind::gone:
            return policy_.gone(news.module);
    }
}

void Supervisor::carry_out(const FaultPolicy::Orders& orders) {
    using Kind = FaultPolicy::Order::Kind;
    for (const auto& order : orders) switch (order.kind) {
            case Kind::withdraw:
                withdraw(order);
                break;
            case Kind::rebuild:
                rebuild(order);
                break;
            case Kind::roll_back:
                roll_back(order);
                break;
            case Kind::end_probation:
                loader_.end_probation(order.module, order.generation);
                break;
        }
}

void Supervisor::withdraw(const FaultPolicy::Order& order) {
    loader_.withdraw(order.module, order.generation, order.shard);
    log_->error("module {} is taken out of shard {}: {}", order.module, order.shard, order.why);
    mark(order.module, order.generation, "taken out: " + order.why);
}

void Supervisor::rebuild(const FaultPolicy::Order& order) {
    const auto why = loader_.rebuild(order.module, order.generation, order.shard);
    const auto now = kernel_.clock->steady();
    if (why.empty()) {
        count(order.module, &Figures::restarts);
        policy_.rebuilt(order.module, order.shard, now);
        log_->warning("module {} is back on shard {}, with the state of when it was last well", order.module,
                      order.shard);
        return mark(order.module, order.generation, fmt::format("rebuilt on shard {}", order.shard));
    }
    policy_.not_rebuilt(order.module, order.shard, "can't be rebuilt: " + why, now);
    const auto note = policy_.state(order.module).note;
    log_->error("module {} stays out of shard {}: {}", order.module, order.shard, note);
    mark(order.module, order.generation, note);
}

void Supervisor::roll_back(const FaultPolicy::Order& order) {
    const auto report = loader_.roll_back(order.module, order.generation, order.why);
    if (report.done) {
        count(order.module, &Figures::roll_backs);
        return log_->error("module {} is back at version {}, the one before: {}", order.module, report.version,
                           order.why);
    }
    policy_.not_rolled_back(order.module);
    log_->error("module {} should go back to the version before ({}), but can't: {}", order.module, order.why,
                report.reason);
    loader_.end_probation(order.module, order.generation);
    mark(order.module, order.generation, "can't go back: " + report.reason);
}

void Supervisor::mark(const std::string& module, std::uint64_t generation, std::string what) {
    const auto shown = policy_.state(module);
    loader_.mark(module, generation, std::string{shown.state}, shown.note, std::move(what));
}

void Supervisor::count(const std::string& module, std::uint64_t Figures::* what) {
    const std::lock_guard guard{figures_lock_};
    ++(figures_[module].*what);
}

Supervisor::Figures Supervisor::figures(const std::string& module) const {
    const std::lock_guard guard{figures_lock_};
    const auto at = figures_.find(module);
    return at == figures_.end() ? Figures{} : at->second;
}

}   // namespace tambo
