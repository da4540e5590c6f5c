#include "driver.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "belongings.hpp"

namespace tambo::memory {

namespace {

Key in(std::string_view table, std::string_view key = {}) { return {std::string{table}, std::string{key}}; }

class Driver final : public StoreDriver {
public:
    void begin() override { undo_.clear(); }
    void commit() override { undo_.clear(); }

    void rollback() noexcept override {
        while (!undo_.empty()) {
            undo_.back()();
            undo_.pop_back();
        }
    }

    std::optional<Bytes> get(Space space, std::string_view table, std::string_view owner,
                             std::string_view key) override {
        auto* owned = find(owner);
        if (!owned) return std::nullopt;
        const auto& rows = owned->rows(space);
        const auto row = rows.find(in(table, key));
        return row == rows.end() ? std::nullopt : std::optional{row->second};
    }

    void put(Space space, std::string_view table, std::string_view owner, std::string_view key,
             std::string_view value) override {
        restore_later(space, owner, in(table, key));
        make(owner).rows(space).insert_or_assign(in(table, key), Bytes{value});
    }

    void erase(Space space, std::string_view table, std::string_view owner, std::string_view key) override {
        auto* owned = find(owner);
        if (!owned) return;
        restore_later(space, owner, in(table, key));
        owned->rows(space).erase(in(table, key));
    }

    Rows list(Space space, std::string_view table, std::string_view owner) override {
        Rows found;
        auto* owned = find(owner);
        if (!owned) return found;
        const auto& rows = owned->rows(space);
        for (auto row = rows.lower_bound(in(table)); row != rows.end() && row->first.first == table; ++row)
            found.emplace_back(row->first.second, row->second);
        return found;
    }

    std::vector<ResidentRow> load(std::string_view owner) override {
        std::vector<ResidentRow> found;
        if (auto* owned = find(owner))
            for (const auto& [key, value] : owned->resident) found.push_back({key.first, key.second, value});
        return found;
    }

    std::vector<std::string> owners(Space space, std::string_view table, std::string_view after,
                                    std::size_t limit) override {
        std::vector<std::string> found;
        // The empty owner (the server itself) is behind nothing but comes first: asked for by an empty `after`, it is
        // left out, as in every other driver.
        for (auto at = owners_.upper_bound(after); at != owners_.end() && found.size() < limit; ++at) {
            if (space == Space::items && table == "journal") {
                if (!at->second.journal.empty()) found.push_back(at->first);
                continue;
            }
            const auto& rows = at->second.rows(space);
            const auto row = rows.lower_bound(in(table));
            if (row != rows.end() && row->first.first == table) found.push_back(at->first);
        }
        return found;
    }

    void journal_append(std::string_view owner, const JournalEntry& entry) override {
        auto& owned = make(owner);
        undo_.emplace_back([this, owner = std::string{owner}, sequence = entry.sequence, before = owned.state] {
            auto& mine = make(owner);
            mine.journal.erase(sequence);
            mine.state = before;
        });
        owned.journal.emplace(entry.sequence, entry);
        owned.state = {owned.state.count + 1, owned.state.bytes + entry.stanza.size(),
                       std::max(owned.state.last_sequence, entry.sequence)};
    }

    std::vector<JournalEntry> journal_read(std::string_view owner, std::uint64_t after, std::size_t limit) override {
        std::vector<JournalEntry> found;
        auto* owned = find(owner);
        if (!owned) return found;
        for (auto at = owned->journal.upper_bound(after); at != owned->journal.end() && found.size() < limit; ++at)
            found.push_back(at->second);
        return found;
    }

    void journal_hold(std::string_view owner, std::uint64_t sequence, std::span<const Holder> holders) override {
        auto* entry = find(owner, sequence);
        if (!entry) return;
        undo_.emplace_back([this, owner = std::string{owner}, sequence, before = entry->holders] {
            if (auto* mine = find(owner, sequence)) mine->holders = before;
        });
        entry->holders.assign(holders.begin(), holders.end());
    }

    void journal_erase(std::string_view owner, std::span<const std::uint64_t> sequences) override {
        for (const auto sequence : sequences)
            if (find(owner, sequence)) erase_entry(owner, sequence);
    }

    JournalState journal_state(std::string_view owner) override {
        auto* owned = find(owner);
        return owned ? owned->state : JournalState{};
    }

    std::vector<JournalEntry> journal_held(std::string_view owner) override {
        std::vector<JournalEntry> found;
        if (auto* owned = find(owner))
            for (const auto& [sequence, entry] : owned->journal)
                if (!entry.holders.empty()) found.push_back(entry);
        return found;
    }

    // Asked only when a session comes back whose sender is to be recognised: looking at all that there is will do.
    std::vector<JournalEntry> journal_sent(std::uint64_t device, std::uint64_t after) override {
        std::vector<JournalEntry> found;
        for (const auto& [owner, owned] : owners_)
            for (const auto& [sequence, entry] : owned.journal)
                if (entry.origin == device && entry.origin_number > after) found.push_back(entry);
        std::ranges::sort(found, {}, &JournalEntry::origin_number);
        return found;
    }

    void session_put(std::string_view owner, const KeptSession& session) override {
        session_erase(session.device);
        make(owner).sessions.emplace(session.device, session);
        devices_.emplace(session.device, owner);
        undo_.emplace_back([this, device = session.device] { take_session(device); });
    }
    void session_count(std::uint64_t device, std::uint64_t accepted, std::uint64_t acknowledged) override {
        auto* session = find_session(device);
        if (!session) return;
        undo_.emplace_back([this, device, before = *session] {
            if (auto* mine = find_session(device)) *mine = before;
        });
        session->accepted = accepted;
        session->acknowledged = acknowledged;
    }
    void session_erase(std::uint64_t device) override {
        const auto known = devices_.find(device);
        if (known == devices_.end()) return;
        const auto owner = known->second;
        undo_.emplace_back([this, owner, before = take_session(device)] {
            make(owner).sessions.emplace(before.device, before);
            devices_.emplace(before.device, owner);
        });
    }
    std::vector<KeptSession> sessions(std::string_view owner) override {
        std::vector<KeptSession> found;
        if (auto* owned = find(owner))
            for (const auto& [device, session] : owned->sessions) found.push_back(session);
        return found;
    }
    std::vector<std::string> session_owners(std::string_view after, std::size_t limit) override {
        std::vector<std::string> found;
        for (auto at = owners_.upper_bound(after); at != owners_.end() && found.size() < limit; ++at)
            if (!at->second.sessions.empty()) found.push_back(at->first);
        return found;
    }

    void promise(Durability durability) override {
        if (durability == Durability::fsync)
            throw std::runtime_error{
                "store_memory keeps nothing on a disk; set [journal] durability = fast, or load a store that does"};
    }

    void erase_owner(std::string_view owner) override {
        const auto at = owners_.find(owner);
        if (at == owners_.end()) return;
        for (const auto& [device, session] : at->second.sessions) devices_.erase(device);
        // std::function wants to be copied, a map's node does not: hence the shared_ptr.
        auto node = std::make_shared<Owners::node_type>(owners_.extract(at));
        undo_.emplace_back([this, node] {
            owners_.erase(node->key());
            for (const auto& [device, session] : node->mapped().sessions) devices_.emplace(device, node->key());
            owners_.insert(std::move(*node));
        });
    }

    std::vector<TableCount> count(std::string_view owner) override {
        auto* owned = find(owner);
        if (!owned) return {};
        std::map<std::string, std::uint64_t> tables;
        for (const auto* rows : {&owned->resident, &owned->items})
            for (const auto& [key, value] : *rows) ++tables[key.first];
        std::vector<TableCount> found;
        found.reserve(tables.size() + 2);
        for (const auto& [table, rows] : tables) found.push_back({table, rows});
        if (!owned->journal.empty()) found.push_back({"journal", owned->journal.size()});
        if (!owned->sessions.empty()) found.push_back({"session", owned->sessions.size()});
        return found;
    }

    Bytes hand_over() override { return pack(owners_); }
    bool take_over(std::string_view kept) override {
        if (kept.empty()) return true;   // what was there before kept everything on disk
        auto owners = unpack(kept);
        if (!owners) return false;
        owners_ = std::move(*owners);
        devices_.clear();
        for (const auto& [owner, owned] : owners_)
            for (const auto& [device, session] : owned.sessions) devices_.emplace(device, owner);
        return true;
    }

private:
    Belongings* find(std::string_view owner) {
        const auto at = owners_.find(owner);
        return at == owners_.end() ? nullptr : &at->second;
    }
    Belongings& make(std::string_view owner) {
        auto* owned = find(owner);
        return owned ? *owned : owners_[std::string{owner}];
    }

    JournalEntry* find(std::string_view owner, std::uint64_t sequence) {
        auto* owned = find(owner);
        if (!owned) return nullptr;
        const auto at = owned->journal.find(sequence);
        return at == owned->journal.end() ? nullptr : &at->second;
    }
    KeptSession* find_session(std::uint64_t device) {
        const auto known = devices_.find(device);
        return known == devices_.end() ? nullptr : &make(known->second).sessions.at(device);
    }
    KeptSession take_session(std::uint64_t device) {
        const auto known = devices_.extract(device);
        return std::move(make(known.mapped()).sessions.extract(device).mapped());
    }

    void erase_entry(std::string_view owner, std::uint64_t sequence) {
        auto& owned = make(owner);
        const auto before = owned.state;
        auto entry = std::move(owned.journal.extract(sequence).mapped());
        --owned.state.count;
        owned.state.bytes -= entry.stanza.size();
        undo_.emplace_back([this, owner = std::string{owner}, before, entry = std::move(entry)] {
            auto& mine = make(owner);
            mine.journal.emplace(entry.sequence, entry);
            mine.state = before;
        });
    }

    void restore_later(Space space, std::string_view owner, const Key& key) {
        auto* owned = find(owner);
        auto* rows = owned ? &owned->rows(space) : nullptr;
        const bool existed = rows && rows->contains(key);
        undo_.emplace_back(
            [this, space, owner = std::string{owner}, existed, value = existed ? rows->at(key) : Bytes{}, key] {
                auto& now = make(owner).rows(space);
                if (existed)
                    now.insert_or_assign(key, value);
                else
                    now.erase(key);
            });
    }

    Owners owners_;
    std::unordered_map<std::uint64_t, std::string> devices_;   // whose it is
    std::vector<std::function<void()>> undo_;                  // newest last
};

}   // namespace

std::unique_ptr<StoreDriver> open() { return std::make_unique<Driver>(); }

}   // namespace tambo::memory
