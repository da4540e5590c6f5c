#include "blocklist.hpp"

#include <string>
#include <utility>

namespace tambo::blocking {

bool covers(const Jid& entry, const Jid& who) noexcept {
    return entry.text() == who.text() || entry.text() == who.bare_text() || entry.text() == who.domain();
}

bool Blocklist::blocks(const Account& account, const Jid& who) const noexcept {
    if (who.empty() || who.bare_text() == account.jid().text()) return false;
    for (const auto key : {who.text(), who.bare_text(), who.domain()})
        if (entries_.get(account, key) != nullptr) return true;
    return false;
}

bool Blocklist::has(const Account& account, const Jid& entry) const noexcept {
    return entries_.get(account, entry.text()) != nullptr;
}

std::size_t Blocklist::count(const Account& account) const {
    std::size_t n = 0;
    entries_.each(account, [&](std::string_view, const std::string&) { ++n; });
    return n;
}

std::vector<Jid> Blocklist::all(const Account& account) const {
    std::vector<Jid> found;
    entries_.each(account, [&](std::string_view key, const std::string&) {
        if (auto jid = Jid::parse(key)) found.push_back(std::move(*jid));
    });
    return found;
}

void Blocklist::add(Account& account, const Jid& entry) const {
    if (!has(account, entry)) entries_.put(account, entry.text(), {});
}

void Blocklist::remove(Account& account, const Jid& entry) const { entries_.erase(account, entry.text()); }

}   // namespace tambo::blocking
