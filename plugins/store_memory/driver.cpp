#include "driver.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
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
            const auto& rows = at->second.rows(space);
            const auto row = rows.lower_bound(in(table));
            if (row != rows.end() && row->first.first == table) found.push_back(at->first);
        }
        return found;
    }

    std::uint64_t journal_append(std::string_view owner, Time time, std::string_view id,
                                 std::string_view stanza) override {
        auto& owned = make(owner);
        undo_.emplace_back([this, owner = std::string{owner}, before = owned.state] {
            auto& mine = make(owner);
            mine.journal.pop_back();
            mine.state = before;
        });
        auto& state = owned.state;
        owned.journal.push_back({++state.last_sequence, time, std::string{id}, std::string{stanza}});
        ++state.count;
        state.bytes += stanza.size();
        return state.last_sequence;
    }

    std::vector<JournalEntry> journal_read(std::string_view owner, std::uint64_t after, std::size_t limit) override {
        auto* owned = find(owner);
        if (!owned) return {};
        const auto first = std::ranges::upper_bound(owned->journal, after, {}, &JournalEntry::sequence);
        const auto left = static_cast<std::size_t>(owned->journal.end() - first);
        return {first, first + static_cast<std::ptrdiff_t>(std::min(left, limit))};
    }

    void journal_erase(std::string_view owner, std::uint64_t up_to) override {
        auto* owned = find(owner);
        if (!owned) return;
        std::vector<JournalEntry> gone;
        const auto before = owned->state;
        while (!owned->journal.empty() && owned->journal.front().sequence <= up_to) {
            auto& entry = owned->journal.front();
            --owned->state.count;
            owned->state.bytes -= entry.stanza.size();
            gone.push_back(std::move(entry));
            owned->journal.pop_front();
        }
        undo_.emplace_back([this, owner = std::string{owner}, before, gone = std::move(gone)] {
            auto& mine = make(owner);
            mine.journal.insert(mine.journal.begin(), gone.begin(), gone.end());
            mine.state = before;
        });
    }

    JournalState journal_state(std::string_view owner) override {
        auto* owned = find(owner);
        return owned ? owned->state : JournalState{};
    }

    void erase_owner(std::string_view owner) override {
        const auto at = owners_.find(owner);
        if (at == owners_.end()) return;
        // std::function wants to be copied, a map's node does not: hence the shared_ptr.
        auto node = std::make_shared<Owners::node_type>(owners_.extract(at));
        undo_.emplace_back([this, node] {
            owners_.erase(node->key());
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
        found.reserve(tables.size() + 1);
        for (const auto& [table, rows] : tables) found.push_back({table, rows});
        if (!owned->journal.empty()) found.push_back({"journal", owned->journal.size()});
        return found;
    }

    Bytes hand_over() override { return pack(owners_); }
    bool take_over(std::string_view kept) override {
        if (kept.empty()) return true;   // what was there before kept everything on disk
        auto owners = unpack(kept);
        if (owners) owners_ = std::move(*owners);
        return owners.has_value();
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
    std::vector<std::function<void()>> undo_;   // newest last
};

}   // namespace

std::unique_ptr<StoreDriver> open() { return std::make_unique<Driver>(); }

}   // namespace tambo::memory
