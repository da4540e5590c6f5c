#include "lives.hpp"

#include <bit>
#include <utility>

namespace tambo::ticks {

namespace {

constexpr std::size_t max_steps = 32;

}   // namespace

void Life::add(Step step) {
    if (is_hidden) return;
    if (steps.size() < max_steps)
        steps.push_back(std::move(step));
    else
        ++left_out;
}

Life& Lives::begin(const Jid& account, const Jid& from, std::string_view id, Time arrived) {
    if (buckets_.empty()) buckets_.assign(std::bit_ceil(most_), none);
    if (lives_.size() < most_) {
        lives_.emplace_back();
        behind_.push_back(none);
    }
    const auto index = static_cast<std::uint32_t>(next_);
    next_ = next_ + 1 < most_ ? next_ + 1 : 0;
    take_out(index);
    auto& life = lives_[index];
    life.account = account;
    life.from = from;
    life.id = id;
    life.stable_id.clear();
    life.sequence = 0;
    life.arrived = arrived;
    life.is_hidden = false;
    life.steps.clear();
    life.left_out = 0;
    return life;
}

void Lives::set_sequence(Life& life, std::uint64_t sequence) {
    const auto index = static_cast<std::uint32_t>(&life - lives_.data());
    take_out(index);
    life.sequence = sequence;
    if (sequence != 0) behind_[index] = std::exchange(bucket(life.account, sequence), index);
}

Life* Lives::find(const Jid& account, std::uint64_t sequence) noexcept {
    if (lives_.empty()) return nullptr;
    if (auto* life = newest(); life->sequence == sequence && life->account == account) return life;
    for (auto at = bucket(account, sequence); at != none; at = behind_[at])
        if (lives_[at].sequence == sequence && lives_[at].account == account) return &lives_[at];
    return nullptr;
}

void Lives::forget(const Jid& account) {
    for (std::uint32_t index = 0; index < lives_.size(); ++index) {
        auto& life = lives_[index];
        if (life.account.bare_text() != account.bare_text() && life.from.bare_text() != account.bare_text()) continue;
        take_out(index);
        life = {};
    }
}

std::uint32_t& Lives::bucket(const Jid& account, std::uint64_t sequence) noexcept {
    const auto hash = (account.bare_hash() ^ sequence) * 0x9e3779b97f4a7c15U;
    return buckets_[(hash >> 32U) & (buckets_.size() - 1)];
}

void Lives::take_out(std::uint32_t index) noexcept {
    const auto& life = lives_[index];
    if (life.sequence == 0) return;
    auto* link = &bucket(life.account, life.sequence);
    while (*link != none && *link != index) link = &behind_[*link];
    if (*link == index) *link = std::exchange(behind_[index], none);
}

}   // namespace tambo::ticks
