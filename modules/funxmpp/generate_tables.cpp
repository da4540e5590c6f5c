// Build-time: turns the token lists and the name table into constexpr data with perfect-hash look-up.
//
// generate_tables NAME DICTIONARY.tsv... : writes `inline constexpr Tables NAME_tables`
// generate_tables --names NAMES.tsv      : writes the ranges of characters in names
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "token_hash.hpp"

namespace {

using tambo::funxmpp::token_hash;
using tambo::funxmpp::token_slot;

constexpr std::size_t first_page = 0xec;

struct Row {
    std::vector<std::string> fields;
};

/// Rows behind the comments and the line of titles.
std::vector<Row> read_tsv(const std::string& path) {
    std::ifstream in{path};
    if (!in) throw std::runtime_error{"can't read " + path};
    std::vector<Row> rows;
    bool is_title = true;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('#')) continue;
        if (std::exchange(is_title, false)) continue;
        Row row;
        for (std::size_t from = 0; from <= line.size();) {
            const auto tab = std::min(line.find('\t', from), line.size());
            row.fields.push_back(line.substr(from, tab - from));
            from = tab + 1;
        }
        rows.push_back(row);
    }
    return rows;
}

/// Token byte `b` has index b; byte XX of page `p` (ec is page 0) has index 256 + 256 p + XX.
std::size_t index_of(const std::string& bytes) {
    const auto number = std::stoul(bytes, nullptr, 16);
    if (bytes.size() == 2) return number;
    if (bytes.size() != 4 || number < first_page << 8) throw std::runtime_error{"odd token bytes: " + bytes};
    return 256 + number - (first_page << 8);
}

[[noreturn]] void refuse(std::string path, std::string_view why, std::string_view token = {}) {
    throw std::runtime_error{path.append(": ").append(why).append(token)};
}

using Tokens = std::map<std::size_t, std::string>;

Tokens read_tokens(const std::vector<std::string>& paths) {
    constexpr std::size_t control_tokens_end = 3;
    Tokens tokens;
    std::map<std::string, std::size_t> seen;
    for (const auto& path : paths) {
        for (const auto& row : read_tsv(path)) {
            const auto index = index_of(row.fields.at(0));
            const auto& text = row.fields.at(1);
            if (index < control_tokens_end) continue;
            if (text.empty() || text.size() > 254) refuse(path, "a token of odd length");
            for (const char c : text)
                if (c < ' ' || c > '~' || c == '"' || c == '\\') refuse(path, "odd: ", text);
            if (!tokens.emplace(index, text).second) refuse(path, "twice: ", row.fields[0]);
            if (!seen.emplace(text, index).second) refuse(path, "twice: ", text);
        }
    }
    return tokens;
}

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; }
bool is_ncname(std::string_view name) {
    return !name.empty() && is_name_start(name[0]) && std::all_of(name.begin(), name.end(), is_name_char);
}

/// 0: not a QName; else 1 + bytes of prefix and colon
std::size_t name_mark(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return is_ncname(text) ? 1 : 0;
    return is_ncname(text.substr(0, colon)) && is_ncname(text.substr(colon + 1)) ? colon + 2 : 0;
}

struct PerfectHash {
    std::vector<std::uint16_t> displacements, slots;
};

/// Puts `members` where they meet nobody, if there is such a displacement.
bool settle(const std::vector<std::pair<std::uint64_t, std::size_t>>& members, std::uint16_t& displacement,
            std::vector<std::uint16_t>& slots) {
    const auto size = static_cast<std::uint32_t>(slots.size());
    for (std::uint32_t d = 0; d < 65536; ++d) {
        std::vector<std::uint32_t> taken;
        for (const auto& [hash, index] : members) {
            const auto slot = token_slot(hash, d, size);
            if (slots[slot] != 0 || std::ranges::find(taken, slot) != taken.end()) break;
            taken.push_back(slot);
        }
        if (taken.size() != members.size()) continue;
        for (std::size_t i = 0; i < members.size(); ++i)
            slots[taken[i]] = static_cast<std::uint16_t>(members[i].second);
        displacement = static_cast<std::uint16_t>(d);
        return true;
    }
    return false;
}

/// Hash and displace: the fullest buckets choose first.
PerfectHash hash_tokens(const Tokens& tokens) {
    std::size_t size = 1;
    while (size < tokens.size() * 3 / 2) size *= 2;
    PerfectHash table{std::vector<std::uint16_t>(size / 4), std::vector<std::uint16_t>(size)};
    std::vector<std::vector<std::pair<std::uint64_t, std::size_t>>> buckets(size / 4);
    for (const auto& [index, text] : tokens) {
        const auto hash = token_hash(text);
        buckets[hash & (buckets.size() - 1)].emplace_back(hash, index);
    }
    std::vector<std::size_t> order(buckets.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::stable_sort(order, std::greater{}, [&](auto b) { return buckets[b].size(); });
    for (const auto b : order)
        if (!settle(buckets[b], table.displacements[b], table.slots)) throw std::runtime_error{"no perfect hash"};
    return table;
}

template <class Numbers>
void write_numbers(const std::string& type, const std::string& name, const Numbers& numbers) {
    std::cout << "inline constexpr " << type << ' ' << name << "[] = {";
    for (const auto n : numbers) std::cout << n << ',';
    std::cout << "};\n";
}

void write_tables(const std::string& name, const Tokens& tokens) {
    std::size_t length = 0;
    for (const auto& [index, text] : tokens) length += text.size();
    std::cout << "inline constexpr char " << name << "_text[" << length << " + token_padding] =";
    for (const auto& [index, text] : tokens) std::cout << "\n    \"" << text << '"';
    std::cout << ";\ninline constexpr Token " << name << "_tokens[] = {";
    const auto size = (tokens.rbegin()->first / 256 + 1) * 256;
    std::size_t offset = 0, longest = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const auto found = tokens.find(i);
        if (found == tokens.end()) {
            std::cout << "{0,0,0},";
            continue;
        }
        std::cout << '{' << offset << ',' << found->second.size() << ',' << name_mark(found->second) << "},";
        offset += found->second.size();
        longest = std::max(longest, found->second.size());
    }
    std::cout << "};\n";
    if (offset > 65535) throw std::runtime_error{"too much text for 16 bit offsets"};
    const auto hash = hash_tokens(tokens);
    write_numbers("std::uint16_t", name + "_displacements", hash.displacements);
    write_numbers("std::uint16_t", name + "_slots", hash.slots);
    std::cout << "inline constexpr Tables " << name << "_tables{" << name << "_text," << name << "_tokens," << size
              << ',' << name << "_displacements," << hash.displacements.size() << ',' << name << "_slots,"
              << hash.slots.size() << ',' << longest << "};\n";
}

void write_names(const std::string& path) {
    std::cout << "inline constexpr NameRange name_ranges[] = {";
    for (const auto& row : read_tsv(path)) {
        const auto& f = row.fields;
        std::cout << "{0x" << f.at(0) << ",0x" << f.at(1) << ',' << (f.at(2) == "start" ? "true" : "false") << "},";
    }
    std::cout << "};\n";
}

}   // namespace

int main(int count, char** arguments) try {
    const std::vector<std::string> words{arguments + 1, arguments + count};
    std::cout << "// Generated by generate_tables; don't edit.\n";
    if (words.at(0) == "--names")
        write_names(words.at(1));
    else
        write_tables(words.at(0), read_tokens({words.begin() + 1, words.end()}));
    return std::cout.flush() ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "generate_tables: %s\n", e.what());
    return 1;
}
