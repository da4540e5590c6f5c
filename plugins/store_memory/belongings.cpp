#include "belongings.hpp"

#include <cstdint>
#include <cstring>

namespace tambo::memory {

namespace {

constexpr std::string_view form = "memory-1";   // of what follows; another form gets another name

class Packer {
public:
    void number(std::uint64_t n) { out.append(reinterpret_cast<const char*>(&n), sizeof n); }
    void text(std::string_view t) {
        number(t.size());
        out.append(t);
    }
    void rows(const std::map<Key, Bytes>& rows) {
        number(rows.size());
        for (const auto& [key, value] : rows) {
            text(key.first);
            text(key.second);
            text(value);
        }
    }

    Bytes out;
};

/// Gives zeros and nothing once the bytes have run out.
class Unpacker {
public:
    explicit Unpacker(std::string_view packed) : rest_(packed) {}

    std::uint64_t number() {
        std::uint64_t n = 0;
        if (rest_.size() < sizeof n) return fail(), 0;
        std::memcpy(&n, rest_.data(), sizeof n);
        rest_.remove_prefix(sizeof n);
        return n;
    }
    std::string text() {
        const auto size = number();
        if (size > rest_.size()) return fail(), std::string{};
        std::string t{rest_.substr(0, size)};
        rest_.remove_prefix(size);
        return t;
    }
    void rows(std::map<Key, Bytes>& rows) {
        for (auto n = number(); n > 0 && is_whole_; --n) {
            auto table = text(), key = text();
            rows.emplace(Key{std::move(table), std::move(key)}, text());
        }
    }
    bool is_whole() const noexcept { return is_whole_; }
    bool is_at_end() const noexcept { return is_whole_ && rest_.empty(); }

private:
    void fail() { is_whole_ = false; }

    std::string_view rest_;
    bool is_whole_ = true;
};

void pack_journal(Packer& packer, const Belongings& owned) {
    packer.number(owned.state.count);
    packer.number(owned.state.bytes);
    packer.number(owned.state.last_sequence);
    packer.number(owned.journal.size());
    for (const auto& entry : owned.journal) {
        packer.number(entry.sequence);
        packer.number(static_cast<std::uint64_t>(entry.time.time_since_epoch().count()));
        packer.text(entry.id);
        packer.text(entry.stanza);
    }
}

void unpack_journal(Unpacker& unpacker, Belongings& owned) {
    owned.state.count = unpacker.number();
    owned.state.bytes = unpacker.number();
    owned.state.last_sequence = unpacker.number();
    for (auto n = unpacker.number(); n > 0 && unpacker.is_whole(); --n) {
        JournalEntry entry;
        entry.sequence = unpacker.number();
        entry.time = Time{Time::duration{static_cast<Time::rep>(unpacker.number())}};
        entry.id = unpacker.text();
        entry.stanza = unpacker.text();
        owned.journal.push_back(std::move(entry));
    }
}

}   // namespace

Bytes pack(const Owners& owners) {
    Packer packer;
    packer.text(form);
    packer.number(owners.size());
    for (const auto& [owner, owned] : owners) {
        packer.text(owner);
        packer.rows(owned.resident);
        packer.rows(owned.items);
        pack_journal(packer, owned);
    }
    return std::move(packer.out);
}

std::optional<Owners> unpack(std::string_view packed) {
    Unpacker unpacker{packed};
    if (unpacker.text() != form) return std::nullopt;
    Owners owners;
    for (auto n = unpacker.number(); n > 0 && unpacker.is_whole(); --n) {
        auto& owned = owners[unpacker.text()];
        unpacker.rows(owned.resident);
        unpacker.rows(owned.items);
        unpack_journal(unpacker, owned);
    }
    if (!unpacker.is_at_end()) return std::nullopt;
    return owners;
}

}   // namespace tambo::memory
