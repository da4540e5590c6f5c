// From a fresh connection to a bound session, from the client's side, without a socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sasl.hpp"
#include "xmpp_stream.hpp"

namespace tambo::funxmpp {

/// How FunXMPP is entered.
enum class Entry : std::uint8_t {
    xml,        ///< not at all
    compress,   ///< as a stream feature, once authenticated (XEP-0138)
    direct,     ///< from the first byte
};

/// A session that a lost connection left behind (XEP-0198 §5).
struct Resumption {
    std::string id;
    std::uint32_t handled = 0;   ///< our h
};

struct LoginWish {
    Credentials credentials;
    std::string resource;   ///< empty: the server's choice
    Entry entry = Entry::direct;
    Dialect dialect = Dialect::page;
    bool wants_starttls = false;
    bool may_be_plain = false;   ///< a password may be said without TLS
    std::optional<Resumption> resumption;
};

/// What came of it.
struct Bound {
    std::string jid;
    std::string mechanism;   ///< of SASL
    std::string sm_id;       ///< empty: no acknowledgements; without is_resumable: no resumption
    bool is_resumable = false;
    bool is_resumed = false;
    std::optional<std::uint32_t> heard;   ///< h of the old session, if the server told it, resumed or not
    std::vector<std::string> early;       ///< stanzas that came before the session was ready, uncounted
};

/// Reads what the server says until there is a session. Afterwards the stream is the owner's.
class Login {
public:
    enum class Step : std::uint8_t { onward, start_tls, bound, failed };

    Login(XmppStream& stream, LoginWish wish) : stream_(stream), wish_(std::move(wish)) {}

    /// The connection is there, or TLS has begun on it: what to say first. `tls_exporter`: RFC 9266, or empty.
    void open(std::string& out, bool is_encrypted, std::string tls_exporter = {});
    Step element(const Tape& tape, const std::string& xml, std::string& out);

    const Bound& bound() const noexcept { return bound_; }
    const std::string& why() const noexcept { return why_; }
    /// It would fail again.
    bool is_hopeless() const noexcept { return is_hopeless_; }

private:
    enum class Awaits : std::uint8_t { features, proceed, sasl, compressed, resumed, bound, enabled };

    Step features(Element features, std::string& out);
    Step authenticate(Element features, std::string& out);
    Step sasl(Element said, std::string& out);
    Step compress(Element features, std::string& out);
    Step bind(std::string& out);
    Step on_bound(Element said, std::string& out);
    Step on_resumed(Element said, std::string& out);
    Step on_enabled(Element said);
    Step early(const std::string& stanza);
    Step fail(std::string why, bool is_hopeless = false);
    Step stream_error(Element error);
    void say(std::string& out, std::string_view element) { stream_.write(out, element); }
    void restart(std::string& out);
    bool is_our_page(Element features, Element compression) const;

    XmppStream& stream_;
    LoginWish wish_;
    Awaits awaits_ = Awaits::features;
    bool is_encrypted_ = false, is_authenticated_ = false, has_management_ = false;
    std::string tls_exporter_;
    std::optional<SaslExchange> exchange_;
    bool is_proven_ = false;   // the server's last SASL message was right
    Bound bound_;
    std::string why_;
    bool is_hopeless_ = false;
};

}   // namespace tambo::funxmpp
