#include "belongings.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

namespace tambo::memory {

namespace {

// Of what follows; another form gets another name. The first one had no sessions, and of an entry no more than a
// message.
constexpr std::string_view first_form = "memory-1", form = "memory-2";

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

void pack_entry(Packer& packer, const JournalEntry& entry) {
    packer.number(entry.sequence);
    packer.number(static_cast<std::uint64_t>(entry.time.time_since_epoch().count()));
    packer.text(entry.id);
    packer.text(entry.stanza);
    packer.number(entry.origin);
    packer.number(entry.origin_number);
    packer.number(entry.holders.size());
    for (const auto& [device, number] : entry.holders) {
        packer.number(device);
        packer.number(number);
    }
}

JournalEntry unpack_entry(Unpacker& unpacker, bool is_first_form) {
    JournalEntry entry;
    entry.sequence = unpacker.number();
    entry.time = Time{Time::duration{static_cast<Time::rep>(unpacker.number())}};
    entry.id = unpacker.text();
    entry.stanza = unpacker.text();
    if (is_first_form) return entry;
    entry.origin = unpacker.number();
    entry.origin_number = unpacker.number();
    for (auto n = unpacker.number(); n > 0 && unpacker.is_whole(); --n) {
        const auto device = unpacker.number(), number = unpacker.number();
        entry.holders.push_back({device, number});
    }
    return entry;
}

void pack_journal(Packer& packer, const Belongings& owned) {
    packer.number(owned.state.count);
    packer.number(owned.state.bytes);
    packer.number(owned.state.last_sequence);
    packer.number(owned.journal.size());
    for (const auto& [sequence, entry] : owned.journal) pack_entry(packer, entry);
}

void unpack_journal(Unpacker& unpacker, Belongings& owned, bool is_first_form) {
    owned.state.count = unpacker.number();
    owned.state.bytes = unpacker.number();
    owned.state.last_sequence = unpacker.number();
    for (auto n = unpacker.number(); n > 0 && unpacker.is_whole(); --n) {
        auto entry = unpack_entry(unpacker, is_first_form);
        owned.journal.emplace(entry.sequence, std::move(entry));
    }
}

void pack_sessions(Packer& packer, const Belongings& owned) {
    packer.number(owned.sessions.size());
    for (const auto& [device, session] : owned.sessions) {
        packer.number(device);
        packer.text(session.resource);
        packer.number(session.accepted);
        packer.number(session.acknowledged);
        packer.text(session.state);
    }
}

void unpack_sessions(Unpacker& unpacker, Belongings& owned) {
    for (auto n = unpacker.number(); n > 0 && unpacker.is_whole(); --n) {
        KeptSession session;
        session.device = unpacker.number();
        session.resource = unpacker.text();
        session.accepted = unpacker.number();
        session.acknowledged = unpacker.number();
        session.state = unpacker.text();
        owned.sessions.emplace(session.device, std::move(session));
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
        pack_sessions(packer, owned);
    }
    return std::move(packer.out);
}

std::optional<Owners> unpack(std::string_view packed) {
    Unpacker unpacker{packed};
    const auto found = unpacker.text();
    const bool is_first_form = found == first_form;
    if (found != form && !is_first_form) return std::nullopt;
    Owners owners;
    for (auto n = unpacker.number(); n > 0 && unpacker.is_whole(); --n) {
        auto& owned = owners[unpacker.text()];
        unpacker.rows(owned.resident);
        unpacker.rows(owned.items);
        unpack_journal(unpacker, owned, is_first_form);
        if (!is_first_form) unpack_sessions(unpacker, owned);
    }
    if (!unpacker.is_at_end()) return std::nullopt;
    return owners;
}

}   // namespace tambo::memory
