// Session tokens: strings that a sender has named once and refers to from then on.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tambo::funxmpp {

/// One direction of one stream of the page dialect: what stands in each slot. Both ends keep the same, because every
/// definition travels. Bounded: 64 strings of at most 255 bytes. Plain data, so it can be copied and compared.
class Slots {
public:
    static constexpr std::uint32_t count = 64;
    static constexpr std::size_t max_bytes = 255;
    static constexpr std::uint32_t none = count;

    /// Empty if nothing was defined there.
    std::string_view at(std::uint32_t slot) const noexcept { return texts_[slot]; }
    void define(std::uint32_t slot, std::string_view text) {
        texts_[slot] = text;
        touch(slot);
    }

    // The sender's side:

    /// The slot that holds this, which then is the one used last; or `none`.
    std::uint32_t find(std::string_view text) noexcept {
        for (std::uint32_t slot = 0; slot < count; ++slot) {
            if (texts_[slot] != text || text.empty()) continue;
            touch(slot);
            return slot;
        }
        return none;
    }
    /// The slot that was not used for longest.
    std::uint32_t oldest() const noexcept {
        std::uint32_t found = 0;
        for (std::uint32_t slot = 1; slot < count; ++slot)
            if (used_[slot] < used_[found]) found = slot;
        return found;
    }

    friend bool operator==(const Slots& a, const Slots& b) noexcept { return a.texts_ == b.texts_; }

private:
    void touch(std::uint32_t slot) noexcept { used_[slot] = ++turn_; }

    std::array<std::string, count> texts_;
    std::array<std::uint64_t, count> used_{};
    std::uint64_t turn_ = 0;
};

}   // namespace tambo::funxmpp
