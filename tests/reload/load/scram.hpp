// RFC 5802, the client's side, with SHA-256 and without channel binding.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace load {

class Scram {
public:
    Scram(std::string user, std::string password);

    std::string first() const;   ///< client-first-message
    /// client-final-message for this server-first-message. Throws std::runtime_error if that makes no sense.
    std::string answer(std::string_view challenge);
    bool is_proven(std::string_view success) const;   ///< the server knows the keys, too

private:
    std::string user_, password_, nonce_, signature_;
};

}   // namespace load
