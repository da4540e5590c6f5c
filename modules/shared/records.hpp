// A short list in the bytes of a slot: plain data, so it survives a swap of the module that keeps it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tambo::shared {

/// Texts with a key and a time each, oldest first. Searches are linear: keep it short.
/// The layout is part of the slot's name: who changes it changes the name ("…-1").
class Records {
public:
    struct Record {
        std::int64_t time_ms;
        std::string_view key, value;
    };

    explicit Records(std::string& bytes) noexcept : bytes_(bytes) {}

    bool empty() const noexcept { return bytes_.empty(); }
    std::size_t bytes() const noexcept { return bytes_.size(); }
    std::size_t count() const noexcept {
        std::size_t found = 0;
        each([&](const Record&) { ++found; });
        return found;
    }

    void push(const Record& record) {
        const Head head{record.time_ms, static_cast<std::uint32_t>(record.key.size()),
                        static_cast<std::uint32_t>(record.value.size())};
        bytes_.append(reinterpret_cast<const char*>(&head), sizeof head).append(record.key).append(record.value);
    }

    /// Do not change the list from inside.
    template <class F>
    void each(F&& see) const {
        for (std::size_t at = 0; at < bytes_.size(); at = end_of(at)) see(record(at));
    }

    /// Takes out those for which `is_meant` says so.
    template <class F>
    void erase_if(F&& is_meant) {
        for (std::size_t at = 0; at < bytes_.size();) {
            if (is_meant(record(at)))
                bytes_.erase(at, end_of(at) - at);
            else
                at = end_of(at);
        }
    }
    void erase_first() {
        if (!bytes_.empty()) bytes_.erase(0, end_of(0));
    }
    void erase(std::string_view key) {
        erase_if([key](const Record& record) { return record.key == key; });
    }

private:
    struct Head {
        std::int64_t time_ms;
        std::uint32_t key_bytes, value_bytes;
    };

    Head head(std::size_t at) const noexcept {
        Head head;
        std::memcpy(&head, bytes_.data() + at, sizeof head);
        return head;
    }
    Record record(std::size_t at) const noexcept {
        const auto [time_ms, key_bytes, value_bytes] = head(at);
        const auto* key = bytes_.data() + at + sizeof(Head);
        return {time_ms, {key, key_bytes}, {key + key_bytes, value_bytes}};
    }
    std::size_t end_of(std::size_t at) const noexcept {
        const auto [time_ms, key_bytes, value_bytes] = head(at);
        return at + sizeof(Head) + key_bytes + value_bytes;
    }

    std::string& bytes_;
};

}   // namespace tambo::shared
