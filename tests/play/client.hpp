// One character of a play on the wire: a small XMPP client that waits for bytes and never for time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "wire.hpp"
#include "xml_tree.hpp"

namespace play {

/// What a client does by itself when it connects.
struct Wishes {
    std::optional<int> priority;      ///< of its initial presence
    bool presence = true;             ///< becomes available
    bool roster = true;               ///< asks for the roster first (RFC 6121 §2.1.6: only then it gets pushes)
    bool stream_management = false;   ///< XEP-0198 with resumption
};

/// Blocking, for one thread. Whatever takes longer than `patience` is a failure: std::runtime_error with a sentence.
class Client {
public:
    static constexpr std::chrono::seconds patience{20};

    Client(std::string user, std::string resource, std::string domain);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // --- coming and going ---
    void connect(std::unique_ptr<Wire> wire, const Wishes& wishes);
    void open(std::unique_ptr<Wire> wire);      ///< stream header and features, no more
    void log_in(const std::string& password);   ///< SASL PLAIN, and the stream restarts; features were read
    void restart();                             ///< a new stream header on the same connection
    void resume(std::unique_ptr<Wire> wire);    ///< XEP-0198 §5; what the server had not counted is sent again
    void refused_resumption(std::unique_ptr<Wire> wire);   ///< asks for it and wants <failed/>
    void disconnect();                                     ///< </stream:stream>, and waits for the server's
    void drop();                                           ///< the cable is cut
    void await_end();                                      ///< until the server closed; see stream_error()

    // --- talking ---
    void send(const std::string& xml);                        ///< counts the stanzas in it
    void send_part(const std::string& bytes, bool is_last);   ///< a piece of XML; finish it before anything else
    /// A round trip to the server: all that it had for this client before is in the inbox afterwards. Does nothing for
    /// a stream that is not bound, half-sent or closed.
    void sync();
    /// Asks twice and is content with one answer: for those whose stanzas a fault may cost.
    void sync_despite_a_fault();

    // --- listening ---
    Node receive();                         ///< the next one, waits
    std::optional<Node> poll_inbox();       ///< the next one that is already here
    Node receive_ack();                     ///< the next XEP-0198 <a/>
    void acknowledge();                     ///< tells a server with XEP-0198 what was received so far
    void ignore(const std::string& kind);   ///< "presence" or "roster pushes"; also what is in the inbox

    bool has_never_connected() const noexcept { return !wire_ && jid_.empty(); }
    bool is_connected() const noexcept { return wire_ != nullptr; }
    const std::string& user() const noexcept { return user_; }
    const std::string& jid() const noexcept { return jid_; }   ///< full, as the server gave it; stays after the end
    const Node* stream_error() const noexcept { return error_ ? &*error_ : nullptr; }
    std::uint32_t sent() const noexcept { return sent_; }   ///< stanzas since <enable/>
    std::string unread() const;                             ///< the inbox, for people

private:
    struct Letter {
        Node node;
        std::uint32_t number;   ///< XEP-0198: the how many-th stanza it was; 0 if not counted
    };

    void write(std::string_view bytes);
    bool read_more();   // false: the connection ended
    void sort_in(Node node);
    void sort_in_stanza(Node node);
    bool is_ignored(const Node& stanza) const;
    bool is_own_presence(const Node& stanza) const;
    Node take(std::string_view name);   // the first of that name, others stay
    void sync_unnoticed();
    std::string ask(const std::string& type, const std::string& payload, const std::string& to);   // gives the id
    Node request(const std::string& type, const std::string& payload, const std::string& to);
    void compress();
    void bind();
    void become_available(std::optional<int> priority);
    void start_over(std::unique_ptr<Wire> wire);
    void close();
    std::uint32_t received() const noexcept;   // XEP-0198's h

    std::string user_, resource_, domain_, jid_;
    std::unique_ptr<Wire> wire_;
    StreamReader reader_;
    std::deque<Letter> inbox_;
    std::deque<Node> acks_;
    std::map<std::string, Node> replies_;   // to our own requests, by id
    std::set<std::string> ignored_;
    std::optional<Node> error_;
    bool is_bound_ = false, is_half_sent_ = false, awaits_echo_ = false, has_ended_ = false;
    bool is_inactive_ = false;         // XEP-0352
    bool was_refused_count_ = false;   // <r/> was answered by <failed/>
    std::uint32_t requests_ = 0;

    // XEP-0198
    bool counts_in_ = false, counts_out_ = false;
    std::uint32_t arrived_ = 0, sent_ = 0, confirmed_ = 0;
    std::deque<std::string> unconfirmed_;
    std::string resumption_id_;
};

}   // namespace play
