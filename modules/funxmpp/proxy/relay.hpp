// Between the local client and the server: what is sent on, what is kept, what counts as received. Without sockets.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "link.hpp"
#include "outbox.hpp"

namespace tambo::funxmpp {

/// The ways out of the relay.
class Doors {
public:
    virtual ~Doors() = default;
    /// One stanza for the local client; when its socket has taken it, Relay::client_took follows. Empty: nothing to
    /// write, but it takes its turn.
    virtual void to_client(const std::string& stanza) = 0;
    virtual void tell_client(const std::string& stanza) = 0;   ///< of our own; nothing follows
    virtual void close_client(std::string_view condition, std::string_view text) = 0;
    virtual void to_server(const std::string& element) = 0;
    virtual void finish_server() = 0;   ///< the stream is to end in order
    virtual void drop_server() = 0;     ///< the server is out of its mind; server_lost() follows
};

/// Each login of a local client is a sitting, with a session of its own at the server. It ends when the client has left
/// and the server has all that it said; until then no later sitting gets a session, so the order is kept.
///
/// Everything the client says goes through the outbox. What the server says counts as received (XEP-0198) when the
/// client's socket has taken it; what no client takes stays with the server, which keeps it for later.
///
/// If a session can't be resumed, a new one is told what the old one knew: that the roster is of interest, carbons, the
/// last presence. The client hears of its roster and of its contacts as they are now, and its unanswered requests are
/// answered with an error; otherwise it notices nothing.
class Relay {
public:
    Relay(Outbox& outbox, std::string bare_jid, Doors& doors);

    // The client's side.
    void client_bound(const std::string& resource);
    void client_said(Element stanza, const std::string& xml);
    void client_took(std::uint32_t stanzas);
    void client_left();

    // The server's side.
    bool wants_link() const noexcept { return current_ && !is_linked_ && !is_leaving_ && in_flight_ == 0; }
    std::string wanted_resource() const { return current_->resource; }
    std::optional<Resumption> resumption() const;
    void server_bound(const Bound& bound);
    void server_said(Element element, const std::string& xml);
    void server_lost();

    bool is_waiting_for_ack() const noexcept { return is_linked_ && is_asking_; }
    std::uint64_t unsent();   ///< stanzas that the server is not known to have, of the sitting that is served

private:
    struct Request {
        std::string id, to;
        std::int64_t number;   // among all that this sitting said
    };
    struct Setup {
        bool wants_roster = false, wants_carbons = false;
        std::string presence;
    };

    bool serves_client() const noexcept { return current_ && client_ && current_->id == *client_; }
    void choose();
    void pump();
    void ask();
    void leave_if_done();
    void abandon_session();
    void heard(std::uint32_t h);
    bool acknowledge(std::uint32_t h);
    void answer_acknowledgement();
    void for_client(const std::string& stanza);
    void refuse(Element stanza);
    void send_stanza_error(std::string_view name, const Request& request, std::string_view condition);

    // relay_anew.cpp: what a session that is lost would have to be told again, and who waits for what.
    static bool answers_us(Element stanza);
    void remember(Element stanza, const std::string& xml);
    void remember_request(Element iq);
    void forget_request(Element answer);
    void notice(Element stanza);
    void notice_contact(Element presence);
    void begin_anew(const Bound& bound);
    void refuse_lost_requests();
    void forget_contacts();
    std::vector<std::string> prelude();
    void push_roster(Element answer);

    Outbox& outbox_;
    const std::string bare_jid_;
    Doors& doors_;

    std::optional<Sitting> current_;       // whom the server's session belongs to
    std::optional<std::int64_t> client_;   // the sitting of the client that is here
    bool was_bound_ = false;               // it had a session, of which its client knows
    bool is_linked_ = false, is_leaving_ = false;
    std::uint64_t written_ = 0;   // of the outbox, on this connection
    bool is_asking_ = false;

    std::uint32_t in_flight_ = 0;               // on the way into the client's socket
    std::optional<std::uint32_t> answer_due_;   // at this h an <a/> is owed
    std::optional<std::uint32_t> told_;         // the h of the last <a/>
    bool has_unhandled_ = false;                // the server said something that no client took

    Setup setup_;
    std::deque<Request> requests_;
    std::set<std::string> contacts_;   // full JIDs that are available, as the client believes
    std::int64_t said_ = 0, acked_ = 0;
};

}   // namespace tambo::funxmpp
