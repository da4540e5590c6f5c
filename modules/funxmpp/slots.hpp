// Session tokens: strings that a sender has named once and refers to from then on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "words.hpp"

namespace tambo::funxmpp {

/// One direction of one stream of the page dialect: what stands in each slot. Both ends keep the same, because every
/// definition travels. Bounded: 64 strings of at most 255 bytes.
///
/// It is one string of bytes, empty as long as nothing is defined, so it can be kept, copied and handed on as such; its
/// layout belongs to this build (`layout_version`).
class Slots {
public:
    static constexpr std::uint32_t count = 64;
    static constexpr std::size_t max_bytes = 255;
    static constexpr std::uint32_t none = count;
    static constexpr std::uint32_t layout_version = 1;

    Slots() noexcept : bytes_(&own_) {}
    /// Those in `kept`: bytes of the same layout, or none yet. They stay there.
    explicit Slots(std::string& kept) noexcept : bytes_(&kept) {}
    Slots(const Slots& other) : own_(*other.bytes_), bytes_(&own_) {}
    Slots& operator=(const Slots& other) {
        if (this != &other) *bytes_ = *other.bytes_;
        return *this;
    }
    ~Slots() = default;

    /// Empty if nothing was defined there.
    std::string_view at(std::uint32_t slot) const noexcept {
        if (slot >= known()) return {};
        const auto entry = this->entry(slot);
        return {bytes_->data() + texts() + entry.offset, entry.length};
    }
    void define(std::uint32_t slot, std::string_view text) {
        make_known(slot);
        forget(entry(slot));
        const auto offset = bytes_->size() - texts();
        bytes_->append(text);
        set(slot, {0, static_cast<std::uint16_t>(offset), static_cast<std::uint16_t>(text.size())});
        touch(slot);
    }

    // The sender's side:

    /// The slot that holds this, which then is the one used last; or `none`.
    std::uint32_t find(std::string_view text) noexcept {
        if (text.empty()) return none;
        const auto all = known();
        const char* const said = bytes_->data() + place(all);
        for (std::uint32_t slot = 0; slot < all; ++slot) {
            const auto entry = this->entry(slot);
            if (entry.length != text.size() || !is_same({said + entry.offset, entry.length}, text)) continue;
            touch(slot);
            return slot;
        }
        return none;
    }
    /// The slot that was not used for longest.
    std::uint32_t oldest() const noexcept {
        std::uint32_t found = 0;
        for (std::uint32_t slot = 1; slot < count; ++slot)
            if (used(slot) < used(found)) found = slot;
        return found;
    }

    friend bool operator==(const Slots& a, const Slots& b) noexcept {
        for (std::uint32_t slot = 0; slot < count; ++slot)
            if (a.at(slot) != b.at(slot)) return false;
        return true;
    }

private:
    // The bytes: a head, an entry for each slot up to the last one defined, the texts without gaps.
    struct Head {
        std::uint32_t turn = 0, known = 0;
    };
    struct Entry {
        std::uint32_t used = 0;
        std::uint16_t offset = 0, length = 0;   // among the texts
    };

    template <class T>
    T read(std::size_t where) const noexcept {
        T value;
        std::memcpy(&value, bytes_->data() + where, sizeof value);
        return value;
    }
    template <class T>
    void write(std::size_t where, const T& value) noexcept {
        std::memcpy(bytes_->data() + where, &value, sizeof value);
    }
    Head head() const noexcept { return bytes_->empty() ? Head{} : read<Head>(0); }
    std::uint32_t known() const noexcept { return head().known; }
    std::size_t texts() const noexcept { return place(known()); }
    static std::size_t place(std::uint32_t slot) noexcept { return sizeof(Head) + slot * sizeof(Entry); }
    Entry entry(std::uint32_t slot) const noexcept { return read<Entry>(place(slot)); }
    void set(std::uint32_t slot, const Entry& entry) noexcept { write(place(slot), entry); }
    std::uint32_t used(std::uint32_t slot) const noexcept { return slot < known() ? entry(slot).used : 0; }

    void make_known(std::uint32_t slot) {
        if (bytes_->empty()) bytes_->assign(sizeof(Head), '\0');
        auto head = this->head();
        if (slot < head.known) return;
        bytes_->insert(place(head.known), (slot + 1 - head.known) * sizeof(Entry), '\0');
        head.known = slot + 1;
        write(0, head);
    }
    void forget(const Entry& gone) noexcept {
        if (gone.length == 0) return;
        bytes_->erase(texts() + gone.offset, gone.length);
        for (std::uint32_t slot = 0; slot < known(); ++slot) {
            auto entry = this->entry(slot);
            if (entry.offset <= gone.offset) continue;
            entry.offset = static_cast<std::uint16_t>(entry.offset - gone.length);
            set(slot, entry);
        }
    }
    void touch(std::uint32_t slot) noexcept {
        auto head = this->head();
        if (++head.turn == 0) start_over(head);
        auto entry = this->entry(slot);
        entry.used = head.turn;
        set(slot, entry);
        write(0, head);
    }
    // After four thousand million uses the order begins anew. Only the sender chooses by it, so nobody has to agree.
    void start_over(Head& head) noexcept {
        for (std::uint32_t slot = 0; slot < head.known; ++slot) {
            auto entry = this->entry(slot);
            entry.used = 0;
            set(slot, entry);
        }
        head.turn = 1;
    }

    std::string own_;
    std::string* bytes_;
};

}   // namespace tambo::funxmpp
