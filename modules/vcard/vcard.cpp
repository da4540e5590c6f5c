// XEP-0054 (1.3.0): visiting cards. XEP-0153 (1.1.1) and XEP-0398 (1.0.0) §4: the picture's hash in presence, kept true
// by the server.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "avatar.hpp"

namespace {

using namespace tambo;
using namespace tambo::vcard;

constexpr std::string_view key_card = "card", key_picture = "picture";

class VCard final : public Module {
public:
    VCard() {
        if (*visible_to_ != "everyone" && *visible_to_ != "contacts")
            throw std::runtime_error{"\"visible_to = " + *visible_to_ + "\": expected everyone or contacts"};
    }

    void wire(Wiring& w) override {
        w.iq<&VCard::answer>(card_space, "vCard", this, Scope::account);
        w.on<&VCard::correct>(Event::stanza_in, this);
        w.on<&VCard::write_out>(Event::exported, this);
        w.on<&VCard::read_in>(Event::imported, this);
        w.keeps("vcard", "the visiting card (XEP-0054) and the hash of the picture in it");
        w.feature(card_space, Scope::both);
    }

private:
    // --- XEP-0054 §3

    Reply answer(Iq& iq) {
        if (iq.is_get()) return get(iq);
        if (iq.is_own()) return set(*iq.account(), iq.payload());
        // §3.2. Whoever may know that the account exists is told that it is somebody else's.
        return Error{iq.account()->may_see_presence(iq.from()) ? Condition::forbidden : Condition::service_unavailable};
    }

    /// §3.3: an account without a card answers strangers like one that does not exist.
    Reply get(const Iq& iq) const {
        const auto& account = *iq.account();
        if (iq.is_own()) {
            const auto* card = rows_.get(account, key_card);
            return card != nullptr ? Reply{}.raw(*card) : Reply{Error{Condition::item_not_found}};
        }
        const bool may_see = *visible_to_ == "everyone" || account.may_see_presence(iq.from());
        const auto* card = may_see ? rows_.get(account, key_card) : nullptr;
        return card != nullptr ? Reply{}.raw(*card) : Reply{Error{Condition::service_unavailable}};
    }

    Reply set(Account& account, Element card) {
        if (card.xml().size() > max_bytes_->bytes) return Error{Condition::policy_violation, "the vCard is too large"};
        if (put(account, card)) host().spawn(tell_when_kept(account.jid()));
        return {};
    }

    /// False if the picture is the one that was there.
    bool put(Account& account, Element card) const {
        rows_.put(account, key_card, card.standalone());
        auto hash = picture_hash(card);
        if (hash == hash_of(account)) return false;
        if (hash.empty())
            rows_.erase(account, key_picture);
        else
            rows_.put(account, key_picture, std::move(hash));
        return true;
    }

    // --- XEP-0227 §4.6

    void write_out(Account& account, Stanza& user) const {
        if (const auto* card = rows_.get(account, key_card)) user.append(*card);
    }

    void read_in(Account& account, Stanza& user) {
        const auto card = user.child("vCard", card_space);
        if (!card) return;
        if (put(account, card)) host().spawn(tell_when_kept(account.jid()));
        user.remove(card);
    }

    // --- XEP-0153

    std::string hash_of(const Account& account) const {
        const auto* hash = rows_.get(account, key_picture);
        return hash != nullptr ? *hash : std::string{};
    }

    /// XEP-0398 §4: the server fills in the hash, also where presence is directed to a chat room. A client that is not
    /// ready, or that wants no picture shown, has its way.
    void correct(Session& session, Stanza& stanza) {
        if (!stanza.is_presence() || !stanza.type().empty()) return;
        const auto claim = claim_of(stanza);
        if (claim == Claim::nothing || claim == Claim::picture) announce(stanza, hash_of(session.account()));
    }

    Task<void> tell_when_kept(Jid owner) {
        auto keeping = host().kept();
        if (const auto kept = co_await std::move(keeping); !kept) co_return;   // the store has said why
        if (auto* account = host().find_account(owner)) tell(*account);
    }

    /// The picture has changed: the presence of each resource is sent anew. What a resource said about the old one
    /// counts no longer, except that it is not ready.
    void tell(Account& account) {
        const auto hash = hash_of(account);
        for (auto* session : account.sessions()) {
            if (!session->is_available()) continue;
            Stanza presence = *session->presence();
            if (claim_of(presence) == Claim::not_ready || !announce(presence, hash)) continue;
            session->set_available(presence, session->priority());
            broadcast(account, presence);
        }
    }

    static void broadcast(Account& account, const Stanza& presence) {
        std::vector<Jid> watchers;
        for (const auto* session : account.sessions())
            if (session->is_available()) watchers.push_back(session->jid());
        for (const auto& contact : account.contacts())
            if (contact.from) watchers.push_back(contact.jid);
        for (const auto& watcher : watchers) {
            Stanza copy = presence;
            copy.set_to(watcher);
            account.send(std::move(copy));
        }
    }

    Option<std::string> visible_to_{"visible_to", "everyone", "who may see a user's vCard: everyone or contacts"};
    Option<Size> max_bytes_{"max_bytes", Size{std::uint64_t{64} << 10},
                            "longest vCard, picture included; it is in memory while its owner is"};
    Table rows_{"vcard"};   ///< "card" → the element; "picture" → SHA-1 of the picture in it
};

}   // namespace

TAMBO_MODULE(VCard, "vcard", "0.1.0", 1)
