// relay: what is left of an XMPP server without XML, addressing rules, storage and features, so the floor for all of
// them.
//
// It answers a canned handshake (STARTTLS, PLAIN with any password, bind, XEP-0198, empty results for IQs), gives
// presence back to whom it came from, and forwards <message/> byte by byte to the user whose number stands in `to`.
// With --fault it spoils some of them, to show that the clients notice.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <deque>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "commands.hpp"
#include "xml.hpp"

namespace bench {

namespace {

constexpr std::string_view message_end = "</message>";
constexpr std::string_view mechanisms =
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>";

volatile std::sig_atomic_t is_to_stop = 0;

class Peer;

struct House {
    explicit House(const Options& options) : options(options), to(" to='" + options.prefix), tls(server_tls()) {}

    Peer* find(std::string_view message) const;
    void move_in(std::uint32_t user, Peer& peer);
    void move_out(std::uint32_t user, const Peer& peer);

    const Options& options;
    const std::string to;   // what stands in front of a recipient's number
    TlsContext tls;
    Loop loop;
    std::vector<Peer*> users;
    std::deque<Peer> peers;
    std::vector<Peer*> unused;
    std::uint64_t forwarded = 0;
};

class Peer final : public Connection {
public:
    explicit Peer(House& house) : Connection(house.loop), house_(house) {}

    void begin(int fd) {
        user_ = nobody;
        handled_ = 0;
        adopt(fd);
    }

private:
    static constexpr std::uint32_t nobody = ~0U;

    std::size_t came(std::string_view bytes) override {
        std::size_t used = 0;
        while (is_open() && used < bytes.size()) {
            if (bytes[used] != '<') {
                ++used;
                continue;
            }
            const auto length = take(bytes.substr(used));
            if (length == 0) break;
            used += length;
        }
        return used;
    }

    void lost(Loss) override {
        if (user_ != nobody) house_.move_out(user_, *this);
        house_.unused.push_back(this);
    }

    /// Length of what is at the front, which has been done; 0 if it isn't all there.
    std::size_t take(std::string_view bytes) {
        if (bytes.starts_with("<m")) {
            const auto end = bytes.find(message_end);
            if (end == std::string_view::npos) return 0;
            forward(bytes.substr(0, end + message_end.size()));
            return end + message_end.size();
        }
        if (bytes.size() > 1 && (bytes[1] == '?' || bytes[1] == '/' || bytes.starts_with("<stream:")))
            return stream(bytes);
        const auto length = element_length(bytes);
        if (length > 0) element(bytes.substr(0, length));
        return length;
    }

    std::size_t stream(std::string_view bytes) {
        const auto length = tag_length(bytes);
        if (length == 0 || bytes[1] == '?') return length;
        if (bytes[1] == '/') {
            put("</stream:stream>");
            flush();
            if (is_open()) {   // it may be lost already
                close();
                lost(Loss::reset);
            }
            return length;
        }
        put(
            fmt::format("<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='r' from='{}' version='1.0' "
                        "xmlns:stream='http://etherx.jabber.org/streams'><stream:features>{}</stream:features>",
                        house_.options.domain, features()));
        return length;
    }

    std::string features() const {
        if (user_ != nobody) return "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>";
        const auto* const offer = is_secure() ? "" : "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        return fmt::format("{}{}", offer, mechanisms);
    }

    void forward(std::string_view message) {
        ++handled_;
        auto* to = house_.find(message);
        if (to == nullptr) return;
        const bool is_faulty = house_.options.fault_every > 0 && ++house_.forwarded % house_.options.fault_every == 0;
        if (!is_faulty) {
            to->put(message);
            to->put(std::exchange(to->held_, {}));
        } else if (house_.options.fault == "repeat") {
            to->put(message);
            to->put(message);
        } else if (house_.options.fault == "swap") {
            to->held_ = message;   // until another one has gone
        }
    }

    void element(std::string_view xml) {
        if (is_element(xml, "iq")) {
            ++handled_;
            iq(xml);
        } else if (is_element(xml, "presence")) {
            ++handled_;
            put(fmt::format("<presence from='{}'{}", jid(), xml.substr(std::string_view{"<presence"}.size())));
        } else if (is_element(xml, "auth")) {
            authenticate(xml);
        } else if (is_element(xml, "enable")) {
            handled_ = 0;
            put("<enabled xmlns='urn:xmpp:sm:3'/>");
        } else if (is_element(xml, "r")) {
            put(fmt::format("<a xmlns='urn:xmpp:sm:3' h='{}'/>", handled_));
        } else if (is_element(xml, "starttls")) {
            put("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
            start_tls(*house_.tls, true, nullptr);
        }
    }

    void iq(std::string_view xml) {
        const auto type = attribute(xml, "type");
        if (type == "result" || type == "error") return;
        const auto id = attribute(xml, "id");
        if (xml.find("<bind") == std::string_view::npos) return put(fmt::format("<iq type='result' id='{}'/>", id));
        put(fmt::format(
            "<iq type='result' id='{}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{}</jid></bind></iq>", id,
            jid()));
    }

    void authenticate(std::string_view xml) {
        const auto message = from_base64(text_of(xml, "<auth"));   // NUL, name, NUL, password
        const auto number = std::min(message.size(), 1 + house_.options.prefix.size());
        user_ = 0;
        std::from_chars(message.data() + number, message.data() + message.size(), user_);
        house_.move_in(user_, *this);
        put("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    }

    std::string jid() const {
        return fmt::format("{}{}@{}/bench", house_.options.prefix, user_, house_.options.domain);
    }

    House& house_;
    std::uint32_t user_ = nobody, handled_ = 0;
    std::string held_;
};

Peer* House::find(std::string_view message) const {
    const auto at = message.find(to);
    std::uint32_t user = 0;
    if (at == std::string_view::npos) return nullptr;
    const auto* const digits = message.data() + at + to.size();
    std::from_chars(digits, message.data() + message.size(), user);
    return user < users.size() ? users[user] : nullptr;
}

void House::move_in(std::uint32_t user, Peer& peer) {
    constexpr std::uint32_t most = 1U << 20;
    if (user >= most) return;
    if (user >= users.size()) users.resize(user + user / 2 + 1);
    users[user] = &peer;
}

void House::move_out(std::uint32_t user, const Peer& peer) {
    if (user < users.size() && users[user] == &peer) users[user] = nullptr;
}

class Door final : public Connection {
public:
    Door(House& house, int fd) : Connection(house.loop), house_(house), fd_(fd) { adopt(fd); }

private:
    void handle(std::uint32_t) override {
        constexpr int at_once = 256;
        for (int i = 0; i < at_once; ++i) {
            const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            if (house_.unused.empty()) house_.unused.push_back(&house_.peers.emplace_back(house_));
            auto* peer = house_.unused.back();
            house_.unused.pop_back();
            peer->begin(fd);
        }
    }
    std::size_t came(std::string_view) override { return 0; }
    void lost(Loss) override {}

    House& house_;
    const int fd_;
};

}   // namespace

bool relay(const Options& options) {
    const auto stop = [](int) { is_to_stop = 1; };
    std::signal(SIGTERM, stop);
    std::signal(SIGINT, stop);
    House house{options};
    const Door door{house, listen_on(server_address(options))};
    while (is_to_stop == 0) house.loop.turn(std::chrono::seconds{1});
    return true;
}

}   // namespace bench
