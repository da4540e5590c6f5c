// Who may log in: what an auth plugin answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/result.hpp>
#include <tambo/task.hpp>

namespace tambo {

/// RFC 5802 §3: what a server keeps instead of a password, for one hash.
struct ScramKeys {
    std::string hash;   ///< "SHA-1", "SHA-256", "SHA-512"
    std::string salt;   ///< raw bytes
    std::uint32_t iterations = 0;
    std::string stored_key;   ///< raw bytes
    std::string server_key;   ///< raw bytes
};

struct Credentials {
    std::vector<ScramKeys> keys;   ///< one entry per hash
    const ScramKeys* find(std::string_view hash) const noexcept {
        for (const auto& k : keys)
            if (k.hash == hash) return &k;
        return nullptr;
    }
};

/// Provided by exactly one plugin (`w.provide(this)`); one instance per shard, called on that shard. Modules get the
/// kernel's door to it (Host::auth), which stays while the plugin behind it is swapped: a question that was asked
/// before is answered by the version that it was asked of. item-not-found means: no such account. Any other error
/// means: could not be asked.
class TAMBO_API AuthProvider {
public:
    virtual Task<Result<Credentials>> look_up(Jid bare) = 0;
    virtual Task<Result<bool>> exists(Jid bare) = 0;
    /// Creates the account or replaces its keys; done when it is kept. With `only_new`, conflict if it exists.
    virtual Task<Result<Nothing>> set(Jid bare, Credentials credentials, bool only_new) = 0;
    virtual Task<Result<Nothing>> remove(Jid bare) = 0;
    /// Bare JIDs of accounts, in order, behind `after`.
    virtual Task<Result<std::vector<std::string>>> accounts(std::string after, std::size_t limit) = 0;

protected:
    ~AuthProvider() = default;
};

/// Derives the keys of a prepared password (RFC 5802 §3: PBKDF2). Slow by design: call it inside Host::offload.
TAMBO_API ScramKeys derive_scram(std::string_view hash, std::string_view password, std::string_view salt,
                                 std::uint32_t iterations);
/// Fresh random salts, for SHA-1 and SHA-256. Slow likewise.
TAMBO_API Credentials derive_credentials(std::string_view prepared_password, std::uint32_t iterations);

}   // namespace tambo
