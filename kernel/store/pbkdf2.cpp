#include "store/pbkdf2.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

// The compression functions by themselves are deprecated since OpenSSL 3.0, and have no other name there.
#define OPENSSL_SUPPRESS_DEPRECATED   // NOLINT: OpenSSL asks for it in this way
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace tambo {

namespace {

struct Sha1 {
    using State = SHA_CTX;
    using Word = SHA_LONG;
    static constexpr std::size_t block_bytes = SHA_CBLOCK, words = 5, length_bytes = 8;
    static void init(State& s) { SHA1_Init(&s); }
    static void update(State& s, const void* bytes, std::size_t size) { SHA1_Update(&s, bytes, size); }
    static void finish(State& s, unsigned char* out) { SHA1_Final(out, &s); }
    static void compress(State& s, const unsigned char* block) { SHA1_Transform(&s, block); }
    static std::array<Word, words> take(const State& s) { return {s.h0, s.h1, s.h2, s.h3, s.h4}; }
};

struct Sha256 {
    using State = SHA256_CTX;
    using Word = SHA_LONG;
    static constexpr std::size_t block_bytes = SHA256_CBLOCK, words = 8, length_bytes = 8;
    static void init(State& s) { SHA256_Init(&s); }
    static void update(State& s, const void* bytes, std::size_t size) { SHA256_Update(&s, bytes, size); }
    static void finish(State& s, unsigned char* out) { SHA256_Final(out, &s); }
    static void compress(State& s, const unsigned char* block) { SHA256_Transform(&s, block); }
    static std::array<Word, words> take(const State& s) { return std::to_array(s.h); }
};

struct Sha512 {
    using State = SHA512_CTX;
    using Word = SHA_LONG64;
    static constexpr std::size_t block_bytes = SHA512_CBLOCK, words = 8, length_bytes = 16;
    static void init(State& s) { SHA512_Init(&s); }
    static void update(State& s, const void* bytes, std::size_t size) { SHA512_Update(&s, bytes, size); }
    static void finish(State& s, unsigned char* out) { SHA512_Final(out, &s); }
    static void compress(State& s, const unsigned char* block) { SHA512_Transform(&s, block); }
    static std::array<Word, words> take(const State& s) { return std::to_array(s.h); }
};

/// HMAC (RFC 2104) of one password, many times. What it holds is wiped when it goes.
template <class Sha>
class Hmac {
public:
    static constexpr std::size_t hash_bytes = Sha::words * sizeof(typename Sha::Word);
    using Block = std::array<unsigned char, Sha::block_bytes>;

    explicit Hmac(std::string_view password) {
        Block key{};
        if (password.size() > key.size()) {
            typename Sha::State hashed;
            Sha::init(hashed);
            Sha::update(hashed, password.data(), password.size());
            Sha::finish(hashed, key.data());
        } else {
            std::ranges::copy(password, key.begin());
        }
        begin(inner_, key, 0x36);
        begin(outer_, key, 0x5c);
        OPENSSL_cleanse(key.data(), key.size());
        // What follows a pad is always one hash, in a block with the padding of a message of that length.
        message_[hash_bytes] = 0x80;
        constexpr std::size_t bits = (Sha::block_bytes + hash_bytes) * 8;
        message_[Sha::block_bytes - 2] = bits >> 8;
        message_[Sha::block_bytes - 1] = bits & 0xff;
    }
    ~Hmac() {
        OPENSSL_cleanse(&inner_, sizeof inner_);
        OPENSSL_cleanse(&outer_, sizeof outer_);
        OPENSSL_cleanse(message_.data(), message_.size());
    }
    Hmac(const Hmac&) = delete;
    Hmac& operator=(const Hmac&) = delete;

    /// Of any text; the result is where last() says.
    void of(std::string_view salt, std::string_view number) {
        auto state = inner_;
        Sha::update(state, salt.data(), salt.size());
        Sha::update(state, number.data(), number.size());
        Sha::finish(state, message_.data());
        end_outer();
    }
    void of_last() {
        auto state = inner_;
        Sha::compress(state, message_.data());
        put(state);
        end_outer();
    }
    const unsigned char* last() const noexcept { return message_.data(); }

private:
    static void begin(typename Sha::State& state, Block pad, unsigned char with) {
        for (auto& byte : pad) byte = static_cast<unsigned char>(byte ^ with);
        Sha::init(state);
        Sha::update(state, pad.data(), pad.size());
        OPENSSL_cleanse(pad.data(), pad.size());
    }

    void end_outer() {
        auto state = outer_;
        Sha::compress(state, message_.data());
        put(state);
    }

    /// Big-endian, as all of them have it.
    void put(const typename Sha::State& state) {
        std::size_t at = 0;
        for (const auto word : Sha::take(state))
            for (std::size_t i = sizeof(typename Sha::Word); i-- > 0;)
                message_[at++] = static_cast<unsigned char>(word >> (8 * i));
    }

    typename Sha::State inner_, outer_;
    Block message_{};
};

template <class Sha>
std::string derive(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    using namespace std::literals;
    Hmac<Sha> hmac{password};
    hmac.of(salt, "\0\0\0\1"sv);
    std::string sum(reinterpret_cast<const char*>(hmac.last()), Hmac<Sha>::hash_bytes);
    for (std::uint32_t i = 1; i < iterations; ++i) {
        hmac.of_last();
        for (std::size_t b = 0; b < sum.size(); ++b) sum[b] = static_cast<char>(sum[b] ^ hmac.last()[b]);
    }
    return sum;
}

}   // namespace

std::string pbkdf2(std::string_view hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
    if (hash == "SHA-1") return derive<Sha1>(password, salt, iterations);
    if (hash == "SHA-256") return derive<Sha256>(password, salt, iterations);
    if (hash == "SHA-512") return derive<Sha512>(password, salt, iterations);
    throw std::invalid_argument{fmt::format("no SCRAM hash is called \"{}\"", hash)};
}

}   // namespace tambo
