// XEP-0115 (1.6.0): what clients can do, learnt once for all that announce the same; and what the server can.
//
// Other modules find it in the slot "caps" of a session, if its client announced anything: lines of text, each ended by
// '\n'. The first is the state:
//     waiting     the client was asked, or another one that announced the same
//     verified    what follows gives the hash that was announced
//     claimed     it does not, or we do not know the algorithm: only this client's word
//     unknown     nothing can be said
// The second is what was announced: algorithm, verification string and node, with a blank between them. Then come
// "identity=CATEGORY/TYPE/LANG/NAME" and "feature=VAR", a line for each. So this asks whether it wants avatars:
//     const auto* can = session.find_slot("caps");
//     can != nullptr && can->find("\nfeature=urn:xmpp:avatar:metadata+notify\n") != can->npos
#include <algorithm>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "verification.hpp"

namespace {

using namespace tambo;

constexpr std::string_view caps_space = "http://jabber.org/protocol/caps";
constexpr std::string_view info_space = "http://jabber.org/protocol/disco#info";
constexpr std::string_view slot_name = "caps";
constexpr std::size_t max_announcement_bytes = 1024;
constexpr Duration patience{30'000};

/// `<c hash='…' ver='…' node='…'/>` in one line, as the slot has it.
struct Announcement {
    std::string hash, ver, node;
    std::string line() const { return fmt::format("{} {} {}", hash, ver, node); }
    /// All clients that announce these can do the same; the node only names their software.
    std::string key() const { return fmt::format("{} {}", hash, ver); }
};

bool is_word(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x20; });
}

bool is_line(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
}

/// nullopt: nothing that we could check. Without `hash` it is the legacy format, which says nothing to us (§11).
std::optional<Announcement> announced(const Stanza& presence) {
    const auto c = presence.child("c", caps_space);
    const auto hash = c.attribute("hash"), ver = c.attribute("ver"), node = c.attribute("node");
    if (!is_word(hash) || !is_word(ver) || !is_line(node)) return std::nullopt;
    if (hash.size() + ver.size() + node.size() > max_announcement_bytes) return std::nullopt;
    return Announcement{std::string{hash}, std::string{ver}, std::string{node}};
}

/// The slot, read and written.
std::string_view line_at(std::string_view text, std::size_t number) {
    for (; number > 0; --number) text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
    return text.substr(0, text.find('\n'));
}

std::optional<Announcement> announcement_of(std::string_view slot) {
    const auto line = line_at(slot, 1);
    const auto first = line.find(' ');
    const auto second = line.find(' ', first + 1);
    if (first == line.npos || second == line.npos) return std::nullopt;
    return Announcement{std::string{line.substr(0, first)}, std::string{line.substr(first + 1, second - first - 1)},
                        std::string{line.substr(second + 1)}};
}

std::string slot_text(std::string_view state, const Announcement& announcement, std::string_view description = {}) {
    return fmt::format("{}\n{}\n{}", state, announcement.line(), description);
}

/// The lines that say what a client is and can.
std::string describe(const caps::Capabilities& all) {
    std::string lines;
    for (const auto& [category, type, lang, name] : all.identities)
        lines += fmt::format("identity={}/{}/{}/{}\n", category, type, lang, name);
    for (const auto& feature : all.features) lines += fmt::format("feature={}\n", feature);
    return lines;
}

/// What was learnt, in as many places as may be kept: each hash has one place, and the latest to want it gets it. So
/// the limit needs no book-keeping, neither here nor in the store.
class Known {
public:
    explicit Known(std::size_t places) : places_(places) {}
    std::string place(const std::string& key) const { return std::to_string(std::hash<std::string>{}(key) % places_); }
    const std::string* find(const std::string& key) const {
        const auto at = held_.find(place(key));
        return at == held_.end() || at->second.first != key ? nullptr : &at->second.second;
    }
    void put(const std::string& key, std::string lines) { held_[place(key)] = {key, std::move(lines)}; }

private:
    std::size_t places_;
    std::unordered_map<std::string, std::pair<std::string, std::string>> held_;
};

/// A session that waits for an answer about what it announced.
struct Turn {
    static constexpr int version = 1;
    std::int64_t since_ms = 0;   ///< uptime
    bool is_taken = false;
};

/// What our own hash is made of, as the kernel has it.
struct Offer {
    std::vector<std::string> features, forms;
    std::vector<caps::Named> identities;
    friend bool operator==(const Offer&, const Offer&) = default;
};

class Caps final : public Module {
public:
    Caps() {
        if (*max_hashes_ < 1 || *max_hashes_ > 1'000'000)
            throw std::runtime_error{
                fmt::format("\"max_hashes = {}\": expected a number from 1 to 1000000", *max_hashes_)};
    }

    void wire(Wiring& w) override {
        w.negotiate<&Caps::advertise, &Caps::nothing_to_do>(Phase::before_bind, caps_space, 80, this);
        w.on<&Caps::heard>(Event::stanza_in, this, priority::early);
        w.feature(caps_space);
        w.keeps("caps", "what programs can do, by the hash that they announce; nothing about users");
    }

private:
    // --- the server's own (§6.3)

    void advertise(const StreamInfo&, Writer& features) {
        features.element("c", caps_space).attribute("hash", "sha-1").attribute("node", caps::server_node);
        features.attribute("ver", own_ver()).end();
    }

    /// The hash of what the modules offer; computed when that has changed, not for each client that comes.
    const std::string& own_ver() {
        Offer offer{host().features(Scope::server), host().forms(Scope::server), {}};
        for (auto& [category, type, name] : host().identities(Scope::server))
            offer.identities.push_back({std::move(category), std::move(type), {}, std::move(name)});
        if (own_ver_.empty() || offer != offer_) {
            own_ver_ = *caps::verification(caps::of(host(), Scope::server), "sha-1");
            offer_ = std::move(offer);
        }
        return own_ver_;
    }

    Task<void> nothing_to_do(Handshake& h, Stanza) {
        h.close(StreamCondition::unsupported_stanza_type, "capabilities are announced, not negotiated");
        co_return;
    }

    // --- the clients'

    void heard(Session& session, Stanza& presence) {
        if (!presence.is_presence() || !presence.type().empty() || !presence.to().empty()) return;
        const auto announcement = announced(presence);
        if (!announcement) return;
        auto& slot = session.slot(slot_name);
        if (line_at(slot, 1) != announcement->line()) slot = slot_text("waiting", *announcement);
        find_out(session);
    }

    /// One question at a time for each session, however often it announces something else.
    void find_out(Session& session) {
        auto& slot = session.slot(slot_name);
        const auto announcement = announcement_of(slot);
        if (!announcement || line_at(slot, 0) != "waiting") return;
        const auto key = announcement->key();
        if (const auto* lines = known_.find(key)) {
            slot = slot_text("verified", *announcement, *lines);
            return;
        }
        auto& turn = turns_(session);
        if (turn.is_taken && host().uptime().count() - turn.since_ms < 2 * patience.count()) return;
        turn = {host().uptime().count(), true};
        auto& queue = queues_[key];
        queue.push_back(session.jid());
        if (queue.size() == 1) host().spawn(learn(key));
    }

    /// Looks into the store, then asks one client after the other, until one gives what the hash says or none is left
    /// who might.
    Task<void> learn(std::string key) {
        auto looking = stored_.get(Jid{}, known_.place(key));
        const auto found = co_await std::move(looking);
        if (found && *found && line_at(**found, 0) == key) known_.put(key, (*found)->substr(key.size() + 1));
        for (std::size_t next = 0; next < queues_[key].size() && known_.find(key) == nullptr; ++next) {
            const auto who = queues_[key][next];
            const auto announcement = still_waiting(who, key);
            if (!announcement) continue;
            auto asking = host().ask(question(who, *announcement), patience);
            const auto answer = co_await std::move(asking);
            judge(who, *announcement, answer);
        }
        // Who announced something else meanwhile has the next turn; all others know now, or never will.
        for (const auto& who : std::exchange(queues_[key], {}))
            if (auto* session = find(who)) {
                turns_(*session).is_taken = false;
                find_out(*session);
            }
        if (queues_[key].empty()) queues_.erase(key);
    }

    Session* find(const Jid& who) const {
        auto* account = host().find_account(who.bare());
        return account != nullptr ? account->find(who.resource()) : nullptr;
    }

    std::optional<Announcement> still_waiting(const Jid& who, const std::string& key) const {
        const auto* session = find(who);
        const auto* slot = session != nullptr ? session->find_slot(slot_name) : nullptr;
        if (slot == nullptr || line_at(*slot, 0) != "waiting") return std::nullopt;
        auto announcement = announcement_of(*slot);
        return announcement && announcement->key() == key ? announcement : std::nullopt;
    }

    /// §6.2. From the user's own server; it goes to whoever announced it, by the full JID.
    static Stanza question(const Jid& who, const Announcement& announcement) {
        auto iq = Stanza::iq(*Jid::make({}, who.domain()), who, "get", "caps");
        iq.set_inner(Writer{}
                         .element("query", info_space)
                         .attribute("node", fmt::format("{}#{}", announcement.node, announcement.ver))
                         .take());
        return iq;
    }

    /// §5.4.
    void judge(const Jid& who, const Announcement& announcement, const Result<Stanza>& answer) {
        const auto capabilities = understood(answer);
        if (!capabilities) return note(who, announcement, "unknown", {});
        auto lines = describe(*capabilities);
        if (lines.size() > max_bytes_->bytes) return note(who, announcement, "unknown", {});
        if (caps::verification(*capabilities, announcement.hash) != announcement.ver)
            return note(who, announcement, "claimed", lines);
        const auto key = announcement.key();
        host().spawn(keep(key, lines));
        known_.put(key, std::move(lines));
    }

    static Result<caps::Capabilities> understood(const Result<Stanza>& answer) {
        if (!answer) return std::unexpected{answer.error()};
        const auto query = answer->payload();
        if (answer->type() != "result" || !query.is("query", info_space)) return fail(Condition::bad_request);
        return caps::read(query);
    }

    /// Nobody waits for it, and a failure costs a question: the store itself tells the operator.
    Task<void> keep(std::string key, std::string lines) {
        auto keeping = stored_.put(Jid{}, known_.place(key), fmt::format("{}\n{}", key, lines));
        co_await std::move(keeping);
    }

    /// Only about this one. It may have announced something else meanwhile.
    void note(const Jid& who, const Announcement& announcement, std::string_view state, std::string_view lines) {
        auto* session = find(who);
        if (session == nullptr) return;
        auto& slot = session->slot(slot_name);
        if (line_at(slot, 1) == announcement.line()) slot = slot_text(state, announcement, lines);
    }

    Option<std::int64_t> max_hashes_{"max_hashes", 1000, "descriptions of client programs that are remembered"};
    Option<Size> max_bytes_{"max_bytes", Size{std::uint64_t{8} << 10}, "longest description that is taken"};
    Known known_{static_cast<std::size_t>(std::max<std::int64_t>(*max_hashes_, 1))};
    // Who waits for the same answer. Lost in a swap with the task that works it off; the next presence asks again.
    std::unordered_map<std::string, std::vector<Jid>> queues_;
    Slot<Turn> turns_{"caps-turn"};
    KeyValue stored_ = store("caps");
    Offer offer_;
    std::string own_ver_;   // of that
};

}   // namespace

TAMBO_MODULE(Caps, "caps", "0.1.0", 1)
