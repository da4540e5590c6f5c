#include "route/text_hash.hpp"

#include <bit>
#include <cstddef>
#include <cstring>
#include <random>

namespace tambo {

namespace {

struct Key {
    std::uint64_t first, second;
};

// Drawn once, then constant: all servers of a process may share it.
const Key& process_key() {
    static const Key key = [] {
        std::random_device device;
        const auto word = [&device] { return std::uint64_t{device()} << 32 | device(); };
        return Key{word(), word()};
    }();
    return key;
}

struct SipState {
    std::uint64_t v0, v1, v2, v3;

    explicit SipState(const Key& key) noexcept
        : v0(0x736f6d6570736575U ^ key.first),
          v1(0x646f72616e646f6dU ^ key.second),
          v2(0x6c7967656e657261U ^ key.first),
          v3(0x7465646279746573U ^ key.second) {}

    void round() noexcept {
        v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
        v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
        v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
    }

    void take(std::uint64_t word) noexcept {
        v3 ^= word;
        round();
        v0 ^= word;
    }

    std::uint64_t finish() noexcept {
        v2 ^= 0xff;
        round(), round(), round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

}   // namespace

std::uint64_t text_hash(std::string_view text) noexcept {
    SipState state{process_key()};
    const std::size_t size = text.size();
    while (text.size() >= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), sizeof word);
        state.take(word);
        text.remove_prefix(sizeof word);
    }
    std::uint64_t tail = 0;
    if (!text.empty()) std::memcpy(&tail, text.data(), text.size());
    state.take(tail | std::uint64_t{size} << 56);
    return state.finish();
}

}   // namespace tambo
