#include "logins.hpp"

#include "process.hpp"

namespace bench {

namespace {

constexpr std::uint64_t retry_after_ns = 50'000'000, login_limit_ns = 30'000'000'000, second_ns = 1'000'000'000;
constexpr std::chrono::milliseconds longest_turn{20};
constexpr int logins_per_turn = 128;
constexpr std::uint32_t most_tries = 200;

}   // namespace

Crowd::Crowd(Run& run, std::uint32_t count) : run_(run) {
    clients_.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i)
        clients_.push_back(std::make_unique<Client>(run, *this, run.options.first + i));
}

bool Crowd::log_in(std::size_t first, std::size_t last, const Manner& manner) {
    manner_ = manner;
    next_ = first;
    last_ = last;
    under_way_ = came_in_ = 0;
    retries_.clear();
    began_at_ = now_ns();
    const auto end = began_at_ + static_cast<std::uint64_t>(run_.options.timeout * 1e9);
    while ((next_ < last_ || under_way_ > 0 || !retries_.empty()) && now_ns() < end) {
        begin_some();
        end_late_ones();
        loop().turn(longest_turn);
    }
    return came_in_ == last - first;
}

void Crowd::begin_some() {
    for (int i = 0; i < logins_per_turn && under_way_ < manner_.concurrency; ++i) {
        auto* client = next();
        if (client == nullptr) return;
        ++under_way_;
        client->log_in();
    }
}

Client* Crowd::next() {
    if (!retries_.empty() && retries_.front().due <= now_ns()) {
        auto* client = retries_.front().client;
        retries_.pop_front();
        return client;
    }
    return next_ < last_ ? clients_[next_++].get() : nullptr;
}

void Crowd::end_late_ones() {
    const auto now = now_ns();
    if (now - looked_at_ < second_ns) return;
    looked_at_ = now;
    for (const auto& client : clients_)
        if (client->is_under_way() && now > client->began_at() + login_limit_ns) client->give_up();
}

void Crowd::ready(Client& client) {
    --under_way_;
    ++came_in_;
    client.tries = 0;
    if (manner_.taken != nullptr)
        manner_.taken->add(now_ns() - (manner_.from_the_start ? began_at_ : client.began_at()));
}

void Crowd::failed(Client& client) {
    --under_way_;
    if (manner_.again && ++client.tries < most_tries) {
        ++counters().retried;
        retries_.push_back({now_ns() + retry_after_ns, &client});
    } else {
        ++counters().failed;
    }
}

void Crowd::log_all_out() {
    for (const auto& client : clients_) client->log_out();
}

}   // namespace bench
