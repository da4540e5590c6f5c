#include "server/drain.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include <boost/asio/post.hpp>

#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr Duration longest_step{1000};
constexpr unsigned most_waves = 1000;
constexpr std::string_view farewell = "the server is being emptied; please come back later";

// One in so many of those who are here; in the last wave everybody, also who is still logging in.
void send_away(Shard& shard, unsigned one_in, std::uint32_t seed, std::atomic<std::uint64_t>& ended,
               std::atomic<std::uint64_t>& waiting) {
    std::minstd_rand lots{seed + shard.index};
    std::vector<std::shared_ptr<Connection>> leaving;
    shard.each_connection([&](const std::shared_ptr<Connection>& connection) {
        if (connection->entrance().is_private || connection->is_closing()) return;
        const bool is_drawn = one_in <= 1 || (connection->session() != nullptr && lots() % one_in == 0);
        if (is_drawn) leaving.push_back(connection);
    });
    for (const auto& connection : leaving) ++(connection->send_away(farewell) ? waiting : ended);
}

}   // namespace

Drain::Drain(Kernel& kernel, boost::asio::io_context& loop, std::function<void()> stop_server)
    : kernel_(kernel), stop_server_(std::move(stop_server)), timer_(loop) {}

Drain::~Drain() = default;

bool Drain::begin(Duration over, bool then_stop) {
    const std::lock_guard guard{lock_};
    if (waves_left_ != 0) return false;
    waves_left_ =
        std::clamp<unsigned>(static_cast<unsigned>(over / longest_step), over.count() > 0 ? 4 : 1, most_waves);
    step_ = over / waves_left_;
    then_stop_ = then_stop;
    tally_ = std::make_shared<Tally>();
    kernel_.is_closed = true;
    kernel_.log->warning(
        "drain: {} connections are closed within {} s, new ones are refused; `tamboctl drain --cancel` lets them in "
        "again",
        kernel_.gate.connections(), std::chrono::ceil<std::chrono::seconds>(over).count());
    boost::asio::post(timer_.get_executor(), [this] { wave(); });
    return true;
}

// Waves don't come in step, or clients that wait for a fixed time would come back in step.
void Drain::wave() {
    const std::lock_guard guard{lock_};
    if (waves_left_ == 0) return;   // cancelled
    std::random_device chance;
    const std::uint32_t seed = chance();
    for (auto& shard : kernel_.shards)
        shard->post([&shard = *shard, one_in = waves_left_, seed, tally = tally_] {
            send_away(shard, one_in, seed, tally->ended, tally->waiting);
        });
    if (--waves_left_ == 0) return finish();
    const auto jitter = std::uniform_real_distribution{0.5, 1.5}(chance);
    timer_.expires_after(std::chrono::duration_cast<Duration>(step_ * jitter));
    timer_.async_wait([this](boost::system::error_code stopped) {
        if (!stopped) wave();
    });
}

void Drain::finish() {
    kernel_.log->info("drain: the last clients are being sent away; {}",
                      then_stop_ ? "the server stops" : "new ones are refused until `tamboctl drain --cancel`");
    if (then_stop_) stop_server_();
}

bool Drain::cancel() {
    const std::lock_guard guard{lock_};
    if (!kernel_.is_closed.exchange(false)) return false;
    waves_left_ = 0;
    timer_.cancel();
    kernel_.log->info("drain: cancelled; clients are let in again");
    return true;
}

Drain::Progress Drain::progress() const {
    const std::lock_guard guard{lock_};
    Progress progress;
    progress.is_on = waves_left_ != 0;
    progress.is_closed = kernel_.is_closed;
    progress.left = kernel_.gate.connections();
    if (tally_) {
        progress.ended = tally_->ended;
        progress.waiting = tally_->waiting;
    }
    return progress;
}

void Drain::halt() {
    const std::lock_guard guard{lock_};
    waves_left_ = 0;
    timer_.cancel();
}

}   // namespace tambo
