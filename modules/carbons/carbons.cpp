// XEP-0280 (1.0.1): every device of a user sees both sides of every conversation.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "../shared/message.hpp"

namespace {

using namespace tambo;
using namespace tambo::shared;

constexpr std::string_view rules_feature = "urn:xmpp:carbons:rules:0";
constexpr std::string_view markers_space = "urn:xmpp:chat-markers:0";
constexpr std::string_view receipts_space = "urn:xmpp:receipts";
constexpr std::string_view room_user_space = "http://jabber.org/protocol/muc#user";
constexpr std::string_view invitation_space = "jabber:x:conference";

struct Wish {
    static constexpr int version = 1;
    bool is_enabled = false;
};

enum class Direction : std::uint8_t { sent, received };

bool is_invitation(const Stanza& message) {   // XEP-0249; XEP-0045 §7.8.2
    return message.has("x", invitation_space) || static_cast<bool>(message.child("x", room_user_space).child("invite"));
}

bool has_chat_payload(const Stanza& message) {
    constexpr std::array spaces{receipts_space, states_space, markers_space};
    for (const auto space : spaces)
        if (message.xml().child_in(space)) return true;
    return false;
}

/// §6.1, without its rule for errors.
bool is_eligible(const Stanza& message, Direction direction) {
    const auto type = message.type();
    if (type == "groupchat" || message.is_error()) return false;
    if (message.has("private", carbons_space) || message.has("no-copy", hints_space)) return false;
    if (is_invitation(message)) return true;
    // What an occupant says in private comes to each device that is in the room by itself.
    if (direction == Direction::received && message.from().is_full() && message.has("x", room_user_space)) return false;
    if (type == "chat" || has_chat_payload(message)) return true;
    return type != "headline" && message.has("body", ns::client);   // RFC 6121 §5.2.2: whatever else is "normal"
}

/// The last few messages of some kind, by an address and their id, in the bytes of a slot. Without an id they can not
/// be told apart, so those are left out.
class Marks {
public:
    explicit Marks(std::string& bytes) noexcept : bytes_(bytes) {}

    void add(std::string_view address, std::string_view id) {
        if (id.empty() || has(address, id)) return;
        const auto mark = mark_of(address, id);
        if (bytes_.size() >= remembered * sizeof mark) bytes_.erase(0, sizeof mark);
        bytes_.append(reinterpret_cast<const char*>(&mark), sizeof mark);
    }
    bool has(std::string_view address, std::string_view id) const { return find(address, id) != bytes_.size(); }

private:
    static constexpr std::size_t remembered = 64;

    // FNV-1a: the same in every version of this module.
    static std::uint64_t mark_of(std::string_view address, std::string_view id) {
        std::uint64_t mark = 0xcbf29ce484222325;
        const auto mix = [&mark](std::string_view text) {
            for (const char c : text) mark = (mark ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        };
        mix(address);
        mix("\n");
        mix(id);
        return mark;
    }

    std::size_t find(std::string_view address, std::string_view id) const {
        const auto wanted = mark_of(address, id);
        std::size_t at = 0;
        while (at < bytes_.size() && std::memcmp(bytes_.data() + at, &wanted, sizeof wanted) != 0) at += sizeof wanted;
        return at;
    }

    std::string& bytes_;
};

/// What a session sent that was eligible. An error need not repeat what it is about (RFC 6120 §8.3.1), so addressee and
/// id have to tell.
Marks sent_by(Session& session) { return Marks{session.slot("carbons-sent-1")}; }

class Carbons final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Carbons::enable>(carbons_space, "enable", this, Scope::account);
        w.iq<&Carbons::disable>(carbons_space, "disable", this, Scope::account);
        w.on<&Carbons::forged_by_client>(Event::stanza_in, this, priority::first);
        w.on<&Carbons::arriving>(Event::deliver, this, priority::first);
        // Late: after those who may refuse the message, and when it is an entry of the journal (offline), if it will
        // be; before it queues up there.
        w.on<&Carbons::sent>(Event::stanza_in, this, priority::late + 10);
        w.on<&Carbons::received>(Event::deliver, this, priority::late + 10);
        w.feature(carbons_space);
        w.feature(rules_feature);
    }

private:
    // --- §4, §5: who wants them

    Reply enable(Iq& iq) { return wish(iq, true); }
    Reply disable(Iq& iq) { return wish(iq, false); }

    Reply wish(Iq& iq, bool is_enabled) {
        if (!iq.is_own()) return Error{Condition::not_allowed};
        if (!iq.is_set()) return Error{Condition::bad_request};
        wishes_(*iq.session()).is_enabled = is_enabled;
        return Iq::result();
    }

    // --- §11: only the server makes carbons, and it hands them to sessions directly: what arrives is none

    Verdict forged_by_client(Session&, Stanza& stanza) { return strip(stanza); }

    Verdict arriving(Account&, Stanza& stanza) { return strip(stanza); }

    static Verdict strip(Stanza& message) {
        if (!message.is_message() || !message.xml().child_in(carbons_space)) return Verdict::pass;   // nearly all
        if (!carbon_in(message.xml())) return Verdict::pass;
        while (const auto carbon = carbon_in(message.xml())) message.remove(carbon);
        return has_content(message.xml()) ? Verdict::pass : Verdict::handled;
    }

    // --- §8: what this user says

    void sent(Session& session, Stanza& message) {
        auto& account = session.account();
        // An error about what nobody else saw is nothing to them either.
        if (!message.is_message() || !others_want(account, &session) || !is_eligible(message, Direction::sent)) return;
        // To oneself: the other devices see it arrive.
        if (message.to().empty() || message.to().bare_text() == account.jid().text()) return;
        sent_by(session).add(message.to().bare_text(), message.id());
        for (const auto& device : wanting(account))
            if (device != session.jid()) copy(account, device, message, Direction::sent);
    }

    // --- §7: what others say to this user

    void received(Account& account, Stanza& message) {
        if (!message.is_message()) return;
        const bool is_error = message.is_error();
        if (others_want(account) &&
            (is_error ? is_about_a_copied_one(message, account) : is_eligible(message, Direction::received)))
            copy_to_others(account, message);
        if (!is_error) remove_private(message);
    }

    /// §6.1: the devices that saw what was sent should see as well that it did not arrive.
    static bool is_about_a_copied_one(const Stanza& error, Account& account) {
        auto* sender = error.to().is_full() ? account.find(error.to().resource()) : nullptr;
        return sender != nullptr && sent_by(*sender).has(error.from().bare_text(), error.id());
    }

    void copy_to_others(Account& account, const Stanza& message) {
        const auto* addressee = message.to().is_full() ? account.find(message.to().resource()) : nullptr;
        for (const auto& device : wanting(account)) {
            const auto* session = account.find(device.resource());
            if (session == nullptr || device == message.from() || gets_original(*session, addressee)) continue;
            copy(account, device, message, Direction::received);
        }
    }

    /// As RFC 6121 §8.5.2 and §8.5.3 have it: by name, or with everyone who listens.
    static bool gets_original(const Session& session, const Session* addressee) {
        if (addressee != nullptr) return &session == addressee;
        return session.is_available() && session.priority() >= 0;
    }

    /// §9: it has done its work.
    static void remove_private(Stanza& message) {
        while (const auto wish = message.child("private", carbons_space)) message.remove(wish);
    }

    // --- the copies

    bool wants(Session& session) const { return wishes_.has(session) && wishes_(session).is_enabled; }

    /// Mostly there are none, and nothing further is looked at.
    bool others_want(Account& account, const Session* sender = nullptr) const {
        return std::ranges::any_of(account.sessions(), [&](Session* s) { return s != sender && wants(*s); });
    }

    /// By name: sending can end a session.
    std::vector<Jid> wanting(Account& account) const {
        std::vector<Jid> devices;
        for (auto* session : account.sessions())
            if (wants(*session)) devices.push_back(session->jid());
        return devices;
    }

    /// Straight to the session: kept for one that may be resumed, gone with one that ends. What is received is an entry
    /// of the journal, of which the copy is another form: who has the one has the other, and needs none of them again.
    void copy(Account& account, const Jid& device, const Stanza& message, Direction direction) {
        auto* session = account.find(device.resource());
        if (session == nullptr) return;
        auto carbon = Stanza::message(account.jid(), device, message.type());
        carbon.set_inner(Writer{}
                             .element(direction == Direction::sent ? "sent" : "received", carbons_space)
                             .element("forwarded", forward_space)
                             .element("delay", delay_space)   // XEP-0297 §3
                             .attribute("stamp", format_time(now()))
                             .end()
                             .raw(forwarded(message))
                             .take());
        if (direction == Direction::received) carbon.set_sequence(message.sequence());
        session->send(carbon);
    }

    /// XEP-0297 §3: in its own namespace, which is not that of what it stands in.
    static std::string forwarded(const Stanza& message) {
        constexpr std::string_view tag = "<message";
        auto xml = message.str();
        return xml.insert(tag.size(), " xmlns='jabber:client'");
    }

    Slot<Wish> wishes_{"carbons"};
};

}   // namespace

TAMBO_MODULE(Carbons, "carbons", "0.1.0", 1)
