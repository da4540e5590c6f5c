#include "route/account_rows.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace tambo {

const std::string& Names::keep(std::string_view name) {
    const auto at = std::ranges::find(names_, name);
    return at != names_.end() ? *at : names_.emplace_back(name);
}

/// One block: this head, then the key.
struct AccountRows::Row {
    const std::string* table;
    std::size_t key_bytes;
    std::string value;

    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    std::string_view key() const noexcept { return {reinterpret_cast<const char*>(this + 1), key_bytes}; }
    bool is_before(std::string_view other_table, std::string_view other_key) const noexcept {
        const auto order = table->compare(other_table);
        return order < 0 || (order == 0 && key() < other_key);
    }
    bool is(std::string_view other_table, std::string_view other_key) const noexcept {
        return *table == other_table && key() == other_key;
    }
};

void AccountRows::Free::operator()(Row* row) const noexcept {
    row->~Row();
    ::operator delete(row);
}

AccountRows::RowPtr AccountRows::make(const std::string& table, std::string_view key, std::string value) {
    if (value.capacity() > value.size() + 16) value.shrink_to_fit();   // it may stay for months
    void* const block = ::operator new(sizeof(Row) + key.size());
    RowPtr row{new (block) Row{&table, key.size(), std::move(value)}};
    std::ranges::copy(key, row->bytes());
    return row;
}

AccountRows::List::const_iterator AccountRows::seek(std::string_view table, std::string_view key) const noexcept {
    return std::partition_point(rows_.begin(), rows_.end(),
                                [&](const RowPtr& row) { return row->is_before(table, key); });
}

const std::string* AccountRows::find(std::string_view table, std::string_view key) const noexcept {
    const auto at = seek(table, key);
    return at != rows_.end() && (*at)->is(table, key) ? &(*at)->value : nullptr;
}

void AccountRows::put(const std::string& table, std::string_view key, std::string value) {
    const auto at = seek(table, key);
    if (at != rows_.end() && (*at)->is(table, key)) {
        (*at)->value = std::move(value);
        return;
    }
    auto row = make(table, key, std::move(value));
    if (rows_.size() == rows_.capacity()) rows_.reserve(rows_.size() + 1 + rows_.size() / 2);   // most have one or two
    const auto place = seek(table, key);
    rows_.insert(place, std::move(row));
    ++changes_;
}

bool AccountRows::erase(std::string_view table, std::string_view key) {
    const auto at = seek(table, key);
    if (at == rows_.end() || !(*at)->is(table, key)) return false;
    rows_.erase(at);
    ++changes_;
    return true;
}

void AccountRows::each(std::string_view table,
                       const std::function<void(std::string_view, const std::string&)>& see) const {
    auto at = seek(table, {});
    while (at != rows_.end() && *(*at)->table == table) {
        const auto before = changes_;
        const Row& row = **at;
        see(row.key(), row.value);
        if (changes_ != before) at = seek(table, row.key());   // places have changed, not the order
        ++at;
    }
}

}   // namespace tambo
