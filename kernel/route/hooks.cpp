#include "route/hooks.hpp"

#include <algorithm>

#include "module/breadcrumbs.hpp"
#include "module/failure.hpp"
#include "module/instance.hpp"

namespace tambo {

namespace {

template <class Event>
using Names = std::array<std::string_view, static_cast<std::size_t>(Event::count)>;
constexpr Names<SessionEvent> session_events{"stanza_in", "stanza_out", "sent",    "bound",    "resumed", "detached",
                                             "unbound",   "online",     "offline", "accepted", "restored"};
constexpr Names<AccountEvent> account_events{"deliver",  "undelivered", "loaded",   "removed",
                                             "outgoing", "exported",    "imported", "created"};
static_assert(!session_events.back().empty() && !account_events.back().empty(), "each has a name");

// A handler that throws costs its own stanza. The next handler still runs.
template <class Handler, class Subject>
Verdict call(const Handler& h, std::string_view event, Subject& subject, Stanza* stanza, bool& faulted) noexcept {
    try {
        return h.call(h.self, subject, stanza);
    } catch (const std::exception& e) {
        h.owner->fault(event, e.what(), stanza);   // the text only: e's type may be unloaded tomorrow
    } catch (...) {
        h.owner->fault(event, unknown_exception, stanza);
    }
    faulted = true;
    return Verdict::pass;
}

template <class Handlers, class Subject>
Hooks::Outcome walk(const Handlers& handlers, std::string_view event, Subject& subject, Stanza* stanza) noexcept {
    Hooks::Outcome outcome;
    if (handlers.empty()) return outcome;
    Breadcrumbs here{handlers.front().owner->home()};
    for (const auto& h : handlers) {
        here.at(*h.owner);
        if (call(h, event, subject, stanza, outcome.faulted) == Verdict::handled) {
            outcome.handled = true;
            break;
        }
    }
    return outcome;
}

bool covers(Scope offered, Scope wanted) noexcept {
    return (static_cast<unsigned>(offered) & static_cast<unsigned>(wanted)) != 0;
}

}   // namespace

Hooks::Outcome Hooks::fire(SessionEvent event, Session& session, Stanza* stanza) const noexcept {
    const auto index = static_cast<std::size_t>(event);
    return walk(on_session[index], session_events[index], session, stanza);
}

Hooks::Outcome Hooks::fire(AccountEvent event, Account& account, Stanza* stanza) const noexcept {
    const auto index = static_cast<std::size_t>(event);
    return walk(on_account[index], account_events[index], account, stanza);
}

void Hooks::fire(Account& account, const JournalNotice& notice) const noexcept {
    const auto what = JournalNotice::only(notice.what);
    for (const auto& h : on_journal) {
        if ((h.wanted & what) == 0) continue;
        const Breadcrumb here{*h.owner};
        try {
            h.call(h.self, account, notice);
        } catch (const std::exception& e) {
            h.owner->fault("journal", e.what());
        } catch (...) {
            h.owner->fault("journal", unknown_exception);
        }
    }
}

const Hooks::OnIq* Hooks::find_iq(const Element& payload, Scope scope) const noexcept {
    for (const auto& h : on_iq)
        if (covers(h.scope, scope) && payload.is(h.name, h.space)) return &h;
    return nullptr;
}

const Hooks::OnElement* Hooks::find_element(std::string_view space) const noexcept {
    for (const auto& h : on_element)
        if (h.space == space) return &h;
    return nullptr;
}

const Hooks::Step* Hooks::find_step(Phase phase, std::string_view space) const noexcept {
    for (const auto& s : steps)
        if (s.phase == phase && s.space == space) return &s;
    return nullptr;
}

const Hooks::OnTimer* Hooks::find_timer(std::string_view name) const noexcept {
    for (const auto& t : on_timer)
        if (t.name == name) return &t;
    return nullptr;
}

const Hooks::OnCommand* Hooks::find_command(std::string_view node) const noexcept {
    for (const auto& c : commands)
        if (c.declared.node == node) return &c;
    return nullptr;
}

const Hooks::Route* Hooks::find_route(std::string_view path) const noexcept {
    const Route* best = nullptr;
    for (const auto& r : routes) {
        const bool fits = r.path == path || (r.path.ends_with('/') && path.starts_with(r.path));
        if (fits && (best == nullptr || r.path.size() > best->path.size())) best = &r;
    }
    return best;
}

bool Hooks::keeps(std::string_view table) const noexcept {
    return std::ranges::any_of(kept, [table](const Kept& k) { return k.table == table; });
}

namespace {

template <class List>
void append(List& to, const List& from) {
    to.insert(to.end(), from.begin(), from.end());
}

template <class List>
void drop(List& list, const Instance* owner) {
    std::erase_if(list, [owner](const auto& entry) { return entry.owner == owner; });
}

}   // namespace

void Hooks::merge(const Hooks& other) {
    const auto by_priority = [](const auto& a, const auto& b) { return a.priority > b.priority; };
    for (std::size_t e = 0; e < on_session.size(); ++e) {
        append(on_session[e], other.on_session[e]);
        std::ranges::stable_sort(on_session[e], by_priority);
    }
    for (std::size_t e = 0; e < on_account.size(); ++e) {
        append(on_account[e], other.on_account[e]);
        std::ranges::stable_sort(on_account[e], by_priority);
    }
    append(on_iq, other.on_iq);
    append(on_element, other.on_element);
    append(steps, other.steps);
    std::ranges::stable_sort(steps, [](const Step& a, const Step& b) { return a.rank < b.rank; });
    append(on_timer, other.on_timer);
    append(features, other.features);
    append(identities, other.identities);
    append(forms, other.forms);
    append(commands, other.commands);
    append(routes, other.routes);
    append(kept, other.kept);
    append(on_journal, other.on_journal);
    append(durable_slots, other.durable_slots);
}

void Hooks::remove(const Instance* owner) {
    for (auto& list : on_session) drop(list, owner);
    for (auto& list : on_account) drop(list, owner);
    drop(on_iq, owner);
    drop(on_element, owner);
    drop(steps, owner);
    drop(on_timer, owner);
    drop(features, owner);
    drop(identities, owner);
    drop(forms, owner);
    drop(commands, owner);
    drop(routes, owner);
    drop(kept, owner);
    drop(on_journal, owner);
    drop(durable_slots, owner);
}

}   // namespace tambo
