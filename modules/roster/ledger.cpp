#include "ledger.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <tambo/bytes.hpp>

namespace tambo::roster {

namespace {

constexpr std::size_t max_removals = 64;          // remembered per account, for clients that were away
constexpr std::size_t max_request_bytes = 4096;   // of a kept request; strangers fill this

std::optional<std::uint64_t> number(std::string_view digits) {
    std::uint64_t n = 0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error != std::errc{} || at != digits.data() + digits.size()) return std::nullopt;
    return n;
}

// A roster's history. The epoch keeps a client that remembers a deleted account from believing a new one of that name.
struct History {
    std::string epoch;
    std::uint64_t counter = 0;
    std::uint64_t floor = 0;   ///< removals up to here are forgotten
};

std::string write(const History& h) { return fmt::format("{} {} {}", h.epoch, h.counter, h.floor); }

std::optional<History> read_history(std::string_view row) {
    const auto first = row.find(' ');
    const auto second = row.find(' ', first == row.npos ? first : first + 1);
    if (second == row.npos) return std::nullopt;
    const auto counter = number(row.substr(first + 1, second - first - 1));
    const auto floor = number(row.substr(second + 1));
    if (!counter || !floor) return std::nullopt;
    return History{std::string{row.substr(0, first)}, *counter, *floor};
}

std::string name_of(const History& h) { return fmt::format("{}-{}", h.epoch, h.counter); }

// The counter in a version that `history` gave out.
std::optional<std::uint64_t> counter_in(std::string_view version, const History& history) {
    const auto dash = version.rfind('-');
    if (dash == version.npos || version.substr(0, dash) != history.epoch) return std::nullopt;
    const auto counter = number(version.substr(dash + 1));
    if (!counter || *counter > history.counter || *counter < history.floor) return std::nullopt;
    return counter;
}

Contact contact_of(const Jid& jid, State s) { return {.jid = jid, .from = s.from, .to = s.to}; }

// §3.1.3 wants the complete stanza kept; one that is out of proportion keeps only its addresses.
std::string in_bounds(const Stanza& request) {
    auto xml = request.str();
    if (xml.size() <= max_request_bytes) return xml;
    return Stanza::presence(request.from(), request.to(), request.type()).str();
}

}   // namespace

std::size_t Ledger::announce(Account& account) const {
    std::size_t unreadable = 0;
    items_.each(account, [&](std::string_view key, const std::string& row) {
        const auto jid = Jid::parse(key);
        const auto item = decode(row);
        if (jid && item)
            account.set_contact(contact_of(*jid, item->state));
        else
            ++unreadable;
    });
    return unreadable;
}

Standing Ledger::look(const Account& account, const Jid& contact) const {
    Standing standing;
    if (const auto* row = items_.get(account, contact.text())) {
        if (auto item = decode(*row)) standing = {std::move(*item), true};
    }
    standing.item.state.in = requests_.get(account, contact.text()) != nullptr;
    return standing;
}

std::size_t Ledger::count(const Account& account) const {
    std::size_t n = 0;
    items_.each(account, [&](std::string_view, const std::string&) { ++n; });
    return n;
}

void Ledger::each(const Account& account, const std::function<void(std::string_view, const Item&)>& see) const {
    items_.each(account, [&](std::string_view key, const std::string& row) {
        if (const auto item = decode(row)) see(key, *item);
    });
}

void Ledger::put(Account& account, const Jid& contact, Item item) const {
    item.changed = next_version(account);
    items_.put(account, contact.text(), encode(item));
    if (removed_.get(account, contact.text()) != nullptr) removed_.erase(account, contact.text());
    account.set_contact(contact_of(contact, item.state));
}

void Ledger::remove(Account& account, const Jid& contact) const {
    const auto version = next_version(account);
    items_.erase(account, contact.text());
    erase_request(account, contact);
    bury(account, contact.text(), version);
    account.remove_contact(contact);
}

std::vector<Jid> Ledger::unanswered(const Account& account) const {
    std::vector<Jid> found;
    items_.each(account, [&](std::string_view key, const std::string& row) {
        if (!asks(row)) return;
        if (auto jid = Jid::parse(key)) found.push_back(std::move(*jid));
    });
    return found;
}

std::size_t Ledger::count_requests(const Account& account) const {
    std::size_t n = 0;
    requests_.each(account, [&](std::string_view, const std::string&) { ++n; });
    return n;
}

void Ledger::put_request(Account& account, const Jid& contact, const Stanza& request) const {
    requests_.put(account, contact.text(), in_bounds(request));
}

void Ledger::erase_request(Account& account, const Jid& contact) const {
    if (requests_.get(account, contact.text()) != nullptr) requests_.erase(account, contact.text());
}

std::vector<Stanza> Ledger::requests(const Account& account) const {
    std::vector<Stanza> found;
    requests_.each(account, [&](std::string_view, const std::string& xml) {
        if (auto stanza = Stanza::parse(xml)) found.push_back(std::move(*stanza));
    });
    return found;
}

// A roster that was never touched has a version too, and it costs no row.
std::string Ledger::version(const Account& account) const {
    const auto* row = versions_.get(account, "");
    const auto history = row != nullptr ? read_history(*row) : std::nullopt;
    return history ? name_of(*history) : "0";
}

std::optional<std::vector<Change>> Ledger::changes_since(const Account& account, std::string_view version) const {
    const auto* row = versions_.get(account, "");
    const auto history = row != nullptr ? read_history(*row) : std::nullopt;
    if (!history) return std::nullopt;
    const auto since = counter_in(version, *history);
    if (!since) return std::nullopt;

    std::vector<Change> changes;
    each(account, [&](std::string_view contact, const Item& item) {
        if (item.changed > *since) changes.push_back({item.changed, std::string{contact}, item});
    });
    removed_.each(account, [&](std::string_view contact, const std::string& at) {
        const auto when = number(at);
        if (when && *when > *since) changes.push_back({*when, std::string{contact}, std::nullopt});
    });
    std::ranges::sort(changes, {}, &Change::version);
    for (auto& change : changes) change.name = name_of({history->epoch, change.version, 0});
    return changes;
}

std::uint64_t Ledger::next_version(Account& account) const {
    const auto* row = versions_.get(account, "");
    auto history = row != nullptr ? read_history(*row) : std::nullopt;
    if (!history) history = History{.epoch = random_token(8)};
    ++history->counter;
    versions_.put(account, "", write(*history));
    return history->counter;
}

// Remembers a removal. When there are too many, the oldest goes, and who is older than that gets the whole roster.
void Ledger::bury(Account& account, std::string_view contact, std::uint64_t version) const {
    removed_.put(account, contact, fmt::format("{}", version));
    std::size_t count = 0;
    std::uint64_t oldest = version;
    std::string oldest_contact;
    removed_.each(account, [&](std::string_view key, const std::string& at) {
        ++count;
        if (const auto when = number(at).value_or(0); when < oldest) {
            oldest = when;
            oldest_contact = key;
        }
    });
    if (count <= max_removals) return;
    removed_.erase(account, oldest_contact);
    auto history = read_history(*versions_.get(account, ""));
    history->floor = oldest;
    versions_.put(account, "", write(*history));
}

}   // namespace tambo::roster
