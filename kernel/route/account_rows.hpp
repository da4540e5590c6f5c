// What is kept of an account in tables, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tambo {

/// Words that many hold: each is here once, for as long as this is. There are few, so a flat list.
class Names {
public:
    const std::string& keep(std::string_view name);

private:
    std::deque<std::string> names_;
};

/// AccountRows by table and key. An account has a handful, or as many as its roster has contacts; so each is one block,
/// with its key in it, and a line in a sorted list. Values don't move while others come and go.
class AccountRows {
public:
    const std::string* find(std::string_view table, std::string_view key) const noexcept;
    /// `table` is one of Names.
    void put(const std::string& table, std::string_view key, std::string value);
    bool erase(std::string_view table, std::string_view key);   ///< false: there is none
    /// In the order of keys. `see` may change other tables.
    void each(std::string_view table, const std::function<void(std::string_view, const std::string&)>& see) const;
    void clear() noexcept { rows_ = List{}; }

private:
    struct Row;
    struct Free {
        void operator()(Row* row) const noexcept;
    };
    using RowPtr = std::unique_ptr<Row, Free>;
    using List = std::vector<RowPtr>;

    static RowPtr make(const std::string& table, std::string_view key, std::string value);
    List::const_iterator seek(std::string_view table, std::string_view key) const noexcept;

    List rows_;
    std::uint32_t changes_ = 0;   // how often rows came or went
};

}   // namespace tambo
