// What the modules of a shard listen to: flat tables, changed only between two events.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/module.hpp>

namespace tambo {

class Instance;

/// Everything that live instances have asked for, on one shard. Read on every stanza; written by Instance::go_live and
/// Instance::leave, which the loader runs between two events, so nothing here needs a lock.
struct Hooks {
    struct OnSession {
        int priority;
        void* self;
        Wiring::SessionThunk call;
        Instance* owner;
    };
    struct OnAccount {
        int priority;
        void* self;
        Wiring::AccountThunk call;
        Instance* owner;
    };
    struct OnIq {
        std::string space, name;
        Scope scope;
        void* self;
        Wiring::IqThunk call;
        Wiring::IqTaskThunk task;
        Instance* owner;
    };
    struct OnElement {
        std::string space;
        void* self;
        Wiring::ElementThunk call;
        Instance* owner;
    };
    struct Step {
        Phase phase;
        std::string space;
        int rank;
        void* self;
        Wiring::AdvertiseThunk advertise;
        Wiring::StepThunk take;
        Instance* owner;
    };
    struct OnTimer {
        std::string name;
        void* self;
        Wiring::TimerThunk call;
        Instance* owner;
    };
    struct Feature {
        std::string space;
        Scope scope;
        Instance* owner;
    };
    struct Known {
        Identity identity;
        Scope scope;
        Instance* owner;
    };
    struct Form {
        std::string xml;
        Scope scope;
        Instance* owner;
    };
    struct OnCommand {
        Command declared;
        void* self;
        Wiring::CommandThunk call;
        Wiring::PrefillThunk prefill;
        Instance* owner;
    };
    struct Route {
        std::string path;   ///< ends in a slash: all below it, too
        void* self;
        Wiring::HttpThunk call;
        Instance* owner;
    };
    struct OnJournal {
        void* self;
        JournalNotice::Mask wanted;
        Wiring::JournalThunk call;
        Instance* owner;
    };
    struct DurableSlot {
        std::string slot;
        Instance* owner;
    };
    struct Kept {
        std::string table, what;
        Instance* owner;
    };

    std::array<std::vector<OnSession>, static_cast<std::size_t>(SessionEvent::count)> on_session;
    std::array<std::vector<OnAccount>, static_cast<std::size_t>(AccountEvent::count)> on_account;
    std::vector<OnIq> on_iq;
    std::vector<OnElement> on_element;
    std::vector<Step> steps;
    std::vector<OnTimer> on_timer;
    std::vector<Feature> features;
    std::vector<Known> identities;
    std::vector<Form> forms;
    std::vector<OnCommand> commands;
    std::vector<Route> routes;
    std::vector<Kept> kept;
    std::vector<OnJournal> on_journal;
    std::vector<DurableSlot> durable_slots;

    bool hears(SessionEvent event) const noexcept { return !on_session[static_cast<std::size_t>(event)].empty(); }
    bool hears(AccountEvent event) const noexcept { return !on_account[static_cast<std::size_t>(event)].empty(); }

    /// What a walk over the handlers came to. `faulted`: one of them threw; the others ran all the same.
    struct Outcome {
        bool handled = false, faulted = false;
    };
    Outcome fire(SessionEvent event, Session& session, Stanza* stanza) const noexcept;
    Outcome fire(AccountEvent event, Account& account, Stanza* stanza) const noexcept;
    void fire(Account& account, const JournalNotice& notice) const noexcept;

    const OnIq* find_iq(const Element& payload, Scope scope) const noexcept;
    const OnElement* find_element(std::string_view space) const noexcept;
    const Step* find_step(Phase phase, std::string_view space) const noexcept;
    const OnTimer* find_timer(std::string_view name) const noexcept;
    const OnCommand* find_command(std::string_view node) const noexcept;
    const Route* find_route(std::string_view path) const noexcept;   ///< the longest that fits
    bool keeps(std::string_view table) const noexcept;

    /// Adds everything from `other` (an instance's own list), keeping the order of priorities and ranks.
    void merge(const Hooks& other);
    /// Removes everything that `owner` asked for.
    void remove(const Instance* owner);
};

}   // namespace tambo
