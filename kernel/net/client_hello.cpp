#include "net/client_hello.hpp"

#include <cstdint>

namespace tambo {

namespace {

constexpr std::uint8_t handshake_record = 22, client_hello = 1;   // RFC 8446 §5.1, §4
constexpr std::size_t version_and_random_bytes = 2 + 32;          // §4.1.2
constexpr std::size_t session_ticket = 35, pre_shared_key = 41;   // §4.2, RFC 5077 §3.2

/// Takes numbers and blocks off the front; once something is missing, everything is.
class Cursor {
public:
    explicit Cursor(std::string_view bytes) noexcept : rest_(bytes) {}

    bool is_good() const noexcept { return is_good_; }
    bool at_end() const noexcept { return rest_.empty(); }
    std::size_t number(std::size_t bytes) noexcept {
        std::size_t value = 0;
        for (const char c : take(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
        return value;
    }
    std::string_view take(std::size_t bytes) noexcept {
        if (bytes > rest_.size()) {
            is_good_ = false;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }
    /// A block behind its length.
    std::string_view block(std::size_t length_bytes) noexcept { return take(number(length_bytes)); }

private:
    std::string_view rest_;
    bool is_good_ = true;
};

bool has_ticket(Cursor extensions) noexcept {
    while (extensions.is_good() && !extensions.at_end()) {
        const auto type = extensions.number(2);
        const auto content = extensions.block(2);
        if (!extensions.is_good()) return false;
        // An empty one only says that the client would like to have a ticket.
        if ((type == pre_shared_key || type == session_ticket) && !content.empty()) return true;
    }
    return false;
}

}   // namespace

bool offers_resumption(std::string_view record) noexcept {
    Cursor outer{record};
    if (outer.number(1) != handshake_record) return false;
    outer.take(2);   // a version that means nothing
    Cursor message{outer.block(2)};
    if (!outer.is_good() || message.number(1) != client_hello) return false;
    Cursor hello{message.block(3)};
    if (!message.is_good()) return false;
    hello.take(version_and_random_bytes);
    hello.block(1);   // legacy_session_id
    hello.block(2);   // cipher_suites
    hello.block(1);   // legacy_compression_methods
    const auto extensions = hello.block(2);
    return hello.is_good() && has_ticket(Cursor{extensions});
}

}   // namespace tambo
