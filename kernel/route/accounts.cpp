#include "route/accounts.hpp"

#include <utility>

namespace tambo {

// The lowest bits say which shard this is: they are the same for all that live here.
std::size_t Accounts::home(std::uint64_t hash) const noexcept {
    constexpr unsigned shard_bits = 16;
    return static_cast<std::size_t>(hash >> shard_bits) & mask();
}

LocalAccount* Accounts::find(const Jid& jid) const noexcept {
    if (places_.empty()) return nullptr;
    const auto hash = jid.bare_hash();
    for (auto i = home(hash); places_[i].account; i = (i + 1) & mask())
        if (places_[i].hash == hash && places_[i].account->jid().text() == jid.bare_text())
            return places_[i].account.get();
    return nullptr;
}

LocalAccount& Accounts::add(std::unique_ptr<LocalAccount> account) {
    constexpr std::size_t first_room = 16;
    if (4 * (count_ + 1) > 3 * places_.size()) {   // a quarter stays empty, so that searches end soon
        std::vector<Place> old(places_.empty() ? first_room : 2 * places_.size());
        std::swap(old, places_);
        for (auto& place : old)
            if (place.account) settle(std::move(place));
    }
    ++count_;
    auto& added = *account;
    settle({added.jid().bare_hash(), std::move(account)});
    return added;
}

void Accounts::settle(Place newcomer) noexcept {
    auto i = home(newcomer.hash);
    while (places_[i].account) i = (i + 1) & mask();
    places_[i] = std::move(newcomer);
}

void Accounts::erase(const LocalAccount& account) noexcept {
    if (places_.empty()) return;
    auto i = home(account.jid().bare_hash());
    while (places_[i].account && places_[i].account.get() != &account) i = (i + 1) & mask();
    if (places_[i].account) vacate(i);
}

// Who was pushed away from home moves up, so that no search ends too early.
void Accounts::vacate(std::size_t place) noexcept {
    const auto gone = std::move(places_[place].account);   // last of all: it may look who is here
    --count_;
    for (auto i = (place + 1) & mask(); places_[i].account; i = (i + 1) & mask()) {
        const auto from_home = (i - home(places_[i].hash)) & mask();
        const auto from_place = (i - place) & mask();
        if (from_home < from_place) continue;
        places_[place] = std::move(places_[i]);
        place = i;
    }
}

void Accounts::clear() noexcept {
    count_ = 0;
    std::vector<Place>{}.swap(places_);
}

}   // namespace tambo
