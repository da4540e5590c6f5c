// SCRAM-SHA-1 (RFC 5802) with keys that are computed once: what is measured is the server, not 4,096 rounds of the
// client.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bench {

std::string to_base64(std::string_view bytes);
std::string from_base64(std::string_view text);

/// The clients' keys, by user number.
class ScramKeys {
public:
    using Hash = std::array<unsigned char, 20>;
    struct Keys {
        std::string salt;
        int iterations = 0;
        Hash client{}, server{};
    };

    const Keys& of(std::uint32_t user, std::string_view password, std::string_view salt, int iterations);
    void load(const std::string& file);
    void save(const std::string& file) const;

private:
    std::unordered_map<std::uint32_t, Keys> keys_;
};

/// One login.
class Scram {
public:
    Scram(std::uint32_t user, std::string_view name);

    std::string first() const;   ///< as it stands in <auth/>
    /// The answer to a <challenge/>; empty if that makes no sense.
    std::string answer(std::string_view challenge, std::string_view password, ScramKeys& keys);
    bool proves(std::string_view success) const;   ///< that the server knows the password, too

private:
    std::uint32_t user_;
    std::string bare_first_, server_signature_;
};

}   // namespace bench
