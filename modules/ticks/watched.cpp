#include "watched.hpp"

#include "../shared/records.hpp"
#include "record.hpp"

namespace tambo::ticks {

using shared::Records;

namespace {

constexpr std::string_view on_its_way = "", had = "d";

std::string_view state_of(Account& account, std::string_view slot, std::string_view key) {
    std::string_view state = "?";
    Records{account.slot(slot)}.each([&](const Records::Record& one) {
        if (one.key == key) state = one.value;
    });
    return state;
}

}   // namespace

std::string Watched::key(const Jid& from, std::string_view id) { return key_of(from.bare_text(), id); }

void Watched::put(Account& account, std::string_view key, std::string_view state, Time now) {
    Records all{account.slot(slot_name)};
    all.erase(key);
    if (auto count = all.count(); count >= remembered)
        all.erase_if([&count](const Records::Record&) { return count-- >= remembered; });
    all.push({ticks::count(now), key, state});
}

void Watched::add(Account& account, const Jid& from, std::string_view id, Time now) {
    is_in_use_ = true;
    put(account, key(from, id), on_its_way, now);
}

bool Watched::has_any(Account& account) const {
    if (is_in_use_ && !account.slot(slot_name).empty()) return true;
    bool is_there = false;
    rows_.each(account, [&](std::string_view, const std::string&) { is_there = true; });
    return is_there;
}

bool Watched::has(Account& account, const Jid& from, std::string_view id) const {
    const auto wanted = key(from, id);
    return state_of(account, slot_name, wanted) != "?" || rows_.get(account, wanted) != nullptr;
}

void Watched::accepted(Account& account, const Jid& from, std::string_view id, Time now) const {
    const auto wanted = key(from, id);
    if (state_of(account, slot_name, wanted) == had || rows_.get(account, wanted) != nullptr) return;
    rows_.put(account, wanted, std::to_string(ticks::count(now)));
}

void Watched::delivered(Account& account, const Jid& from, std::string_view id, Time now) const {
    const auto wanted = key(from, id);
    put(account, wanted, had, now);
    rows_.erase(account, wanted);
}

void Watched::ended(Account& account, const Jid& from, std::string_view id) const {
    const auto wanted = key(from, id);
    Records{account.slot(slot_name)}.erase(wanted);
    rows_.erase(account, wanted);
}

}   // namespace tambo::ticks
