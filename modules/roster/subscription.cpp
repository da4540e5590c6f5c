// RFC 6121 Appendix A, written as what each stanza does to the flags of a state. tests/data/subscription.tsv holds the
// tables row by row.
#include "subscription.hpp"

namespace tambo::roster {

namespace {

Outcome stays(State s) noexcept { return {.state = s}; }

// A.2.1: always routed, so that a request whose answer got lost can be repeated.
Outcome ask(State s) noexcept {
    s.out = !s.to;
    return {.state = s, .passes = true};
}

// A.2.2: always routed, so that two servers which disagree can be brought together again.
Outcome renounce(State s) noexcept {
    s.to = s.out = false;
    return {.state = s, .passes = true};
}

// A.2.3. Said to one who asked it is an answer, said to one who did not it is a pre-approval (§3.4.2).
Outcome grant(State s) noexcept {
    if (s.from) return stays(s);
    if (!s.in) {
        s.approved = true;
        return stays(s);
    }
    s.in = false;
    s.from = true;
    return {.state = s, .passes = true, .begins_presence = true};
}

// A.2.4. Takes back a pre-approval too (§3.4.2).
Outcome refuse(State s) noexcept {
    const bool was_seen = s.from;
    const bool concerns_contact = s.from || s.in;
    s.from = s.in = s.approved = false;
    return {.state = s, .passes = concerns_contact, .ends_presence = was_seen};
}

// A.3.1
Outcome asked(State s) noexcept {
    // The contact believes that it is not subscribed: tell it, and let it have what it missed.
    if (s.from) return {.state = s, .answers = true, .begins_presence = true};
    if (s.approved) {
        s.approved = s.in = false;   // a pre-approval answers one request (§3.4.2)
        s.from = true;
        return {.state = s, .answers = true, .begins_presence = true};
    }
    const bool is_news = !s.in;
    s.in = true;
    return {.state = s, .passes = is_news};
}

// A.3.2
Outcome renounced(State s) noexcept {
    const bool was_seen = s.from;
    const bool concerns_user = s.from || s.in;
    s.from = s.in = false;
    return {.state = s, .passes = concerns_user, .ends_presence = was_seen};
}

// A.3.3: only an answer to a question counts; anything else would let strangers into the roster.
Outcome granted(State s) noexcept {
    if (!s.out) return stays(s);
    s.out = false;
    s.to = true;
    return {.state = s, .passes = true};
}

// A.3.4
Outcome refused(State s) noexcept {
    const bool concerns_user = s.to || s.out;
    s.to = s.out = false;
    return {.state = s, .passes = concerns_user};
}

}   // namespace

std::optional<Act> act_of(std::string_view presence_type) noexcept {
    if (presence_type == "subscribe") return Act::subscribe;
    if (presence_type == "subscribed") return Act::subscribed;
    if (presence_type == "unsubscribe") return Act::unsubscribe;
    if (presence_type == "unsubscribed") return Act::unsubscribed;
    return std::nullopt;
}

std::string_view subscription_name(State s) noexcept {
    if (s.to) return s.from ? "both" : "to";
    return s.from ? "from" : "none";
}

Outcome outbound(Act act, State before) noexcept {
    switch (act) {
        case Act::subscribe:
            return ask(before);
        case Act::unsubscribe:
            return renounce(before);
        case Act::subscribed:
            return grant(before);
        case Act::unsubscribed:
            return refuse(before);
    }
    return stays(before);
}

Outcome inbound(Act act, State before) noexcept {
    switch (act) {
        case Act::subscribe:
            return asked(before);
        case Act::unsubscribe:
            return renounced(before);
        case Act::subscribed:
            return granted(before);
        case Act::unsubscribed:
            return refused(before);
    }
    return stays(before);
}

bool looks_different(State before, State after) noexcept {
    before.in = after.in = false;   // A.1: "Pending In" is not shown
    return before != after;
}

}   // namespace tambo::roster
