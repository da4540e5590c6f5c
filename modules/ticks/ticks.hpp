// urn:tambo:ticks:0 (man/ticks.md): what became of a message, for senders who ask; and its life, for the operator.
//
// Truth arises where the recipient's journal is. A message whose sender asked comes with a mark; what happens to its
// entry is reported by a stanza to the sender's account, whose ledger it is entered in. Clients never see mark or
// report, and cannot make them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

#include "ledger.hpp"
#include "lives.hpp"
#include "protocol.hpp"
#include "telling.hpp"
#include "watched.hpp"

namespace tambo::ticks {

class Ticks final : public Module {
public:
    void wire(Wiring& w) override;
    Bytes save() const override { return watched_.is_in_use() ? "1" : ""; }
    bool load(std::string_view state) override {
        watched_.set_in_use(!state.empty());
        return true;
    }

    /// What has become of a watched message.
    struct News {
        Jid owner, sender;   ///< bare
        Jid about;           ///< the device, or the owner
        Report report;
    };

private:
    using Answer = Task<Result<CommandResult>>;

    /// Who gets changes as they happen.
    struct Listener {
        static constexpr int version = 1;
        static constexpr bool durable = true;
        std::int64_t missed_ms = 0;   ///< since when changes were kept from it, having no connection; 0: none were
        bool is_on = false;
    };

    // --- ticks.cpp: what clients ask
    Reply enable(Iq& iq);
    Reply disable(Iq& iq);
    Reply forget(Iq& iq);
    Reply settings(Iq& iq);
    Reply answer(Iq& iq);
    std::optional<Error> refusal(const Iq& iq) const;
    Answer choose(CommandCall call);
    void show_choice(CommandCall& call);
    Show show(const Account& account) const;
    bool has_asked(Account& account) const;
    bool is_listening(Session& session) const;
    void resumed(Session& session);
    void restored(Session& session);
    void removed(Account& account);
    void look_after();
    Task<void> sweep();

    // --- passing.cpp: stanzas on their way
    Verdict from_client(Session& session, Stanza& stanza);
    Verdict sent(Session& session, Stanza& message);
    Verdict arriving(Account& account, Stanza& message);
    Verdict settling(Account& account, Stanza& message);
    void settled(Account& account, Stanza& message);
    void undelivered(Account& account, Stanza& message);
    void watch(Session& session, Stanza& message);
    bool withholds(const Account& account, const Jid& peer, Stanza& message) const;
    void take_reports(Account& account, const Stanza& message);
    void take_error(Account& account, const Stanza& error);
    void take_read(Account& account, const Jid& from, std::string_view id);
    void push(const Account& account, std::vector<Record> changed);
    Task<void> push_when_kept(Jid owner, std::vector<Record> changed);
    void push(Session& session, const std::string& payload, Time since) const;

    // --- journal.cpp: what happens to entries
    void notice(Account& account, const JournalNotice& notice);
    void handed(Session& session, Stanza& message);
    void take_note(Account& account, const JournalNotice& notice);
    void add(News news);
    void report_news();
    void remember(Account& account, const News& news) const;
    bool may_tell(const Account& account, const News& news) const;
    void begin(Account& account, const Stanza& message);
    Life* has_just_come(const Account& account, const Stanza& message);
    void note(Account& account, const JournalNotice& notice);
    void note_tried(Session& session, const Stanza& message);
    Life* remembered(Account& account, const JournalNotice& notice);
    void note_read(Session& session, const Stanza& marker);
    Answer explain(CommandCall call);
    Answer tell_lives(CommandCall call);
    Task<Result<std::vector<Told>>> waiting(Jid owner, std::string id);

    Option<std::string> show_{"show",
                              "read",
                              "how much senders may learn of their messages: nothing, accepted, delivered or read; "
                              "users may choose less",
                              {"nothing", "accepted", "delivered", "read"}};
    Option<Duration> keep_{"keep", std::chrono::hours{7 * 24},
                           "how long ticks are kept for a sender, and how long after his last wish"};
    Option<std::int64_t> max_messages_{"max_messages", 1000, "messages whose ticks are kept for one sender"};
    Option<std::int64_t> explain_{"explain", 10000,
                                  "messages on each shard whose life tamboctl explain knows; 0: none"};
    const Show most_ = show_of(*show_).value_or(Show::read);
    Ledger ledger_;
    Watched watched_;
    Slot<Listener> listeners_{"ticks"};
    KeyValue owners_ = store("ticks");   ///< a row for each who asked, so that they are found when they are not here
    Lives lives_{static_cast<std::size_t>(*explain_)};
    std::vector<News> news_;   ///< of this turn
};

}   // namespace tambo::ticks
