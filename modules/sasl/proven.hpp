// PLAIN logins that were right before, so that the next one costs no PBKDF2.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include <tambo/tambo.hpp>

#include "exchange.hpp"

namespace tambo::sasl {

/// Holds no password, only what a secret of this instance makes of account, stored key and password together, to 128
/// bits: a changed password is forgotten by itself.
class ProvenPlain {
public:
    explicit ProvenPlain(std::size_t capacity) : capacity_(capacity) {}

    bool knows(const Jid& account, const ScramKeys& keys, std::string_view password) const {
        const auto found = seals_.find(account.bare_hash());
        return found != seals_.end() && equal(found->second, seal(account, keys, password));
    }

    void remember(const Jid& account, const ScramKeys& keys, std::string_view password) {
        if (capacity_ == 0) return;
        if (seals_.size() >= capacity_ && !seals_.contains(account.bare_hash())) seals_.erase(seals_.begin());
        seals_.insert_or_assign(account.bare_hash(), seal(account, keys, password));
    }

private:
    using Seal = std::array<char, 16>;

    Seal seal(const Jid& account, const ScramKeys& keys, std::string_view password) const {
        std::string all{account.bare_text()};
        all.append(1, '\0').append(keys.hash).append(1, '\0').append(keys.stored_key).append(password);
        const auto whole = mac(secret_, all);
        Seal cut{};
        std::copy_n(whole.begin(), cut.size(), cut.begin());
        return cut;
    }

    static bool equal(const Seal& a, const Seal& b) { return same({a.data(), a.size()}, {b.data(), b.size()}); }

    const std::size_t capacity_;
    const Bytes secret_ = random_bytes(32);
    std::unordered_map<std::uint64_t, Seal> seals_;   // by bare_hash(): whose it is, the seal says
};

}   // namespace tambo::sasl
