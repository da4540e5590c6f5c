// What can happen in the model of the journal. Each function does what its namesake does in kernel/route.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "state.hpp"

namespace journal_model {

/// The server and its clients in one state; the functions are named as the kernel names them.
struct World : State {
    World(const State& state, const Bounds& bounds) : State(state), b(&bounds) {}
    const Bounds* b;

    bool obeys(Rule rule) const { return !b->off[static_cast<std::size_t>(rule)]; }
    bool waits_for_commit() const { return !b->is_fast && obeys(Rule::deliver_after_commit); }
    Entry* find(Byte sequence) {
        return std::ranges::find(entries, sequence, [](const Entry& e) { return e.data.sequence; });
    }

    // --- the sender's shard

    void settled(Byte number) {
        auto& s = sender;
        s.ahead |= bit(number);
        while ((s.ahead & bit(s.accepted + 1)) != 0) s.ahead &= static_cast<Byte>(~bit(++s.accepted));
        s.is_listed = 1;
    }
    Byte accepted() const { return obeys(Rule::tell_what_is_on_disk) ? sender.kept : sender.accepted; }
    bool receive() {
        auto& s = sender;
        if (!s.is_connected || !is_loaded || s.written == s.queue.size) return false;
        const auto stanza = s.queue.at[s.written++];
        const bool is_known = stanza != presence && (s.known & bit(stanza)) != 0;
        if (is_known) s.known &= static_cast<Byte>(~bit(stanza));
        if (++s.received >= s.known_until) s.known = s.known_until = 0;
        if (stanza == presence || (is_known && obeys(Rule::recognise_what_comes_again)))
            settled(s.received);
        else
            arrive(stanza, s.received);
        return true;
    }
    bool tell() {
        auto& s = sender;
        if (!s.is_connected || s.told == accepted()) return false;
        return hear(accepted()), true;
    }
    void hear(Byte h) {
        auto& s = sender;
        if (h < s.told) fault = Fault::count_fell;
        if (h > s.told + s.queue.size) fault = Fault::count_too_high;
        if (fault != Fault::none) return;
        for (; s.told < h; ++s.told) {
            s.queue.pop_front();
            if (s.written > 0) --s.written;
        }
    }
    bool sender_resumes() {
        auto& s = sender;
        if (!s.is_loaded || s.is_connected || (obeys(Rule::resume_when_counted) && accepted() < s.received))
            return false;
        hear(accepted());
        // Some clients send messages again, and nothing else.
        for (Byte sent = std::exchange(s.written, 0), at = 0; sent > 0; --sent)
            if (s.queue.at[at] != presence)
                ++at;
            else
                s.queue.erase_if([&, gone = s.queue.begin() + at](const Byte& one) { return &one == gone; });
        return s.is_connected = 1, true;
    }
    bool sender_begins() {
        auto& s = sender;
        if (!s.is_listed || s.batch) return false;
        return s.is_listed = 0, s.batch = 1, s.batch_accepted = s.accepted, true;
    }
    bool sender_commits() {
        auto& s = sender;
        if (!s.batch) return false;
        s.on_disk = s.batch_accepted;
        s.kept = std::max(s.kept, s.batch_accepted);
        return s.batch = s.batch_accepted = 0, true;
    }

    // --- the recipient's shard: entries

    void arrive(Byte message, Byte number) {
        const bool is_somebody_there = std::ranges::any_of(to, [](const Device& d) { return d.session == Is::live; });
        const bool is_in_line = std::ranges::any_of(entries, [](const Entry& e) { return e.is_waiting; });
        Entry entry{};
        entry.data = {++last_sequence, message, number, 0, {}};
        entry.is_listed = entry.has_trail = entry.has_origin = 1;
        entries.push(entry);
        auto* e = find(last_sequence);
        if (!obeys(Rule::count_after_commit)) accept(*e);
        if (is_somebody_there && !(is_in_line && obeys(Rule::queue_behind_what_waits)))
            send_to_all(last_sequence);
        else
            e->is_waiting = 1;
    }
    void send_to_all(Byte sequence) {
        const auto message = find(sequence)->data.message;
        for (Byte d = 0; d < devices && find(sequence) != entries.end(); ++d)
            if (to[d].session == Is::live) send(d, message, sequence);
        if (auto* e = find(sequence); e != entries.end()) settle(*e);
    }
    void accept(Entry& e) {
        if (std::exchange(e.has_trail, 0)) settled(e.data.origin_number);
    }
    void settle(Entry& e) {
        if (e.is_held() || e.is_waiting || e.is_gone) return;
        if (e.is_done) return finish(e);
        e.is_waiting = 1;
        if (e.stored == Stored::yes && !e.is_listed) e.has_origin = 0;   // not in `pending` any more
    }
    void finish(Entry& e) {
        e.is_waiting = 0;
        e.is_gone = 1;
        accept(e);
        if (e.stored == Stored::no) entries.erase_if([&](const Entry& one) { return &one == &e; });
    }
    void acknowledged(Entry& e, Byte d) {
        if (e.is_gone) return;
        e.held[d] = {};
        e.is_kept[d] = 0;
        const bool is_news = !std::exchange(e.is_done, 1);
        accept(e);
        if (!e.is_held()) return finish(e);
        if (is_news) e.is_listed = 1;
    }
    bool hand_over() {
        const auto* e = std::ranges::find_if(entries, [](const Entry& one) { return one.is_waiting; });
        if (e == entries.end() || e->stored != Stored::yes) return false;
        if (std::ranges::none_of(to, [](const Device& d) { return d.session == Is::live && d.is_connected; }))
            return false;
        auto& taken = *find(e->data.sequence);
        taken.is_waiting = 0;
        return send_to_all(taken.data.sequence), true;
    }

    // --- sessions

    bool may_leave(Byte d, Byte sequence) {
        if (sequence == 0 || !waits_for_commit()) return true;
        const auto* e = find(sequence);
        if (e == entries.end()) return true;
        return e->stored == Stored::yes && (e->is_kept[d] || !obeys(Rule::deliver_after_its_number));
    }
    bool may_speak(const Device& at) const { return at.may_speak || !obeys(Rule::speak_when_the_session_is_on_disk); }
    void write(Byte d, const Sent& sent) {
        if (to[d].is_connected) to[d].wire.push(sent.message);
        if (obeys(Rule::hold_until_acknowledged) || sent.sequence == 0) return;
        if (auto* e = find(sent.sequence); e != entries.end() && e->held[d].is_there) acknowledged(*e, d);
    }
    void send(Byte d, Byte message, Byte sequence) {
        auto& at = to[d];
        if (sequence != 0) find(sequence)->held[d].is_there = 1;
        const bool leaves = may_speak(at) && at.blocked == 0 && may_leave(d, sequence);
        const bool comes_later = at.is_restored && obeys(Rule::number_when_the_client_resumes);
        const Sent sent{comes_later ? unnumbered : ++at.last, sequence, message};
        if (at.blocked == 0 && !leaves && !at.is_restored) at.blocked = sent.number;
        at.outbox.push(sent);
        if (sequence != 0) numbered(*find(sequence), d, comes_later ? 0 : sent.number);
        if (leaves) write(d, sent);
    }
    static void numbered(Entry& e, Byte d, Byte number) {
        e.held[d].number = number;
        e.is_kept[d] = 0;
        e.is_listed = 1;
    }
    void release(Byte d) {
        auto& at = to[d];
        while (at.session == Is::live && may_speak(at) && at.blocked != 0) {
            const auto* next = std::ranges::find_if(at.outbox, [&](const Sent& s) { return s.number >= at.blocked; });
            if (next == at.outbox.end()) return void(at.blocked = 0);
            at.blocked = next->number;
            if (!may_leave(d, next->sequence)) return;
            at.blocked = next->number == at.last ? 0 : next->number + 1;
            write(d, *next);
        }
    }
    void acknowledge(Byte d, Byte up_to) {
        auto& at = to[d];
        const auto before = at.outbox;
        at.outbox.erase_if([&](const Sent& sent) { return sent.number <= up_to; });
        for (const auto& sent : before)
            if (auto* e = find(sent.sequence); sent.number <= up_to && sent.sequence != 0 && e != entries.end())
                acknowledged(*e, d);
        at.acknowledged = std::max(at.acknowledged, up_to);
        at.last = std::max(at.last, up_to);
        at.is_listed = 1;
    }
    Byte written(const Device& at) const { return at.blocked == 0 ? at.last : static_cast<Byte>(at.blocked - 1); }
    bool answer(Byte d) {
        auto& at = to[d];
        if (!at.is_connected || at.h <= at.acknowledged) return false;
        if (at.h > written(at)) fault = Fault::count_too_high;
        return acknowledge(d, at.h), true;
    }
    bool resume(Byte d) {
        auto& at = to[d];
        if (!is_loaded || at.session != Is::live || at.is_connected) return false;
        if (at.h < at.acknowledged) fault = Fault::count_fell;
        if (at.h > written(at) && !at.is_restored) fault = Fault::count_too_high;
        acknowledge(d, at.h);
        at.is_connected = 1;
        if (std::exchange(at.is_restored, 0)) renumber(d);
        const auto kept = at.outbox;
        for (const auto& sent : kept)
            if (at.blocked == 0 || sent.number < at.blocked) write(d, sent);
        return true;
    }
    void renumber(Byte d) {
        auto& at = to[d];
        at.last = at.acknowledged;
        at.blocked = 0;
        for (auto& sent : at.outbox) {
            sent.number = ++at.last;
            if (auto* e = find(sent.sequence); sent.sequence != 0 && e != entries.end()) numbered(*e, d, sent.number);
            if (at.blocked == 0 && !may_leave(d, sent.sequence)) at.blocked = sent.number;
        }
    }
    bool log_in(Byte d) {
        auto& at = to[d];
        if (!is_loaded || at.session != Is::absent) return false;
        at.h = 0;
        at.session = Is::live;
        return at.is_connected = at.is_listed = 1, true;
    }
    bool get(Byte d) {
        auto& at = to[d];
        if (at.wire.size == 0) return false;
        const auto message = at.wire.at[0];
        at.wire.pop_front();
        if (at.is_on_disk) ++at.h;   // <enabled/> says so, and only then its client counts
        if (message == presence) return true;
        // Where delivery does not wait, what somebody had before a crash may come again, to all and behind later ones.
        const bool may_repeat = b->is_fast && has_crashed && ((to[0].seen | to[1].seen) & bit(message)) != 0;
        if (!may_repeat && (at.seen & bit(message)) != 0) fault = Fault::repeated;
        if (!may_repeat && message < at.newest && ((at.seen | returned) & bit(message)) == 0) fault = Fault::disordered;
        at.seen |= bit(message);
        at.newest = std::max(at.newest, message);
        return true;
    }
    static Device what_outlives_it(const Device& session) {
        Device rest{};
        rest.h = session.h;
        rest.seen = session.seen;
        rest.newest = session.newest;
        rest.acknowledged_on_disk = session.acknowledged_on_disk;
        rest.is_on_disk = session.is_on_disk;
        return rest;
    }
    bool give_up(Byte d) {
        auto& at = to[d];
        if (ends == 0 || !is_loaded || at.session != Is::live || at.is_connected) return false;
        --ends;
        at = what_outlives_it(at);
        at.session = Is::ended;
        at.has_to_go = 1;
        for (Byte i = 0; i < entries.size; ++i) {
            auto& e = entries.at[i];
            if (e.is_gone || !e.held[d].is_there) continue;
            e.held[d] = {};
            e.is_kept[d] = 0;
            returned |= bit(e.data.message);
            if (!obeys(Rule::give_back_at_the_end)) e.is_done = 1;
            const auto size = entries.size;
            settle(e);
            if (entries.size < size) --i;
        }
        return true;
    }

    // --- the recipient's commit

    bool may_erase(const Entry& e) const {
        if (!obeys(Rule::erase_after_the_origins_counter)) return true;
        if (!e.has_origin && !obeys(Rule::know_the_origin_of_what_was_read)) return sender.is_loaded;
        return sender.is_loaded && sender.kept >= e.data.origin_number;
    }
    bool is_underway() const {
        return std::ranges::any_of(entries, [](const Entry& e) { return e.batch != Batch::none; }) ||
               std::ranges::any_of(to, [](const Device& d) { return d.batch != 0; });
    }
    bool begins() {
        if (is_underway()) return false;
        bool has_work = false;
        for (auto& e : entries) {
            if (e.is_gone && e.stored == Stored::yes) {
                end(e);
                has_work |= e.batch != Batch::none;
            }
            if (!std::exchange(e.is_listed, 0)) continue;
            has_work = true;
            if (!e.is_gone) gather(e);
        }
        for (auto& at : to) {
            if (!std::exchange(at.is_listed, 0) && !at.has_to_go) continue;
            has_work = true;
            at.batch = 1;
            at.batch_acknowledged = at.acknowledged;
        }
        return has_work;
    }
    void end(Entry& e) const {
        if (may_erase(e)) {
            e.batch = Batch::erase;
        } else if (!e.data.is_done && obeys(Rule::keep_that_it_is_done)) {
            e.batch = Batch::hold;
            e.data.is_done = 1;
        }
    }
    static void gather(Entry& e) {
        const bool is_new = e.stored == Stored::no;
        bool is_known = true;
        for (Byte d = 0; d < devices; ++d) is_known &= !e.held[d].is_there || e.is_kept[d];
        const Byte is_done = e.is_done && e.is_held();
        if (!is_new && is_known && e.data.holders == e.held && e.data.is_done == is_done) return;
        e.data.holders = e.held;
        e.data.is_done = is_done;
        e.batch = is_new ? Batch::append : Batch::hold;
        if (is_new) e.stored = Stored::underway;
    }
    bool commits() {
        if (!is_underway()) return false;
        for (auto& at : to) {
            if (!std::exchange(at.batch, 0)) continue;
            at.acknowledged_on_disk = std::exchange(at.batch_acknowledged, 0);
            at.is_on_disk = at.session == Is::live;
            at.may_speak = at.is_on_disk;
            at.has_to_go = 0;
        }
        for (const auto& e : entries) {
            if (e.batch == Batch::none) continue;
            disk.erase_if([&](const Kept& kept) { return kept.sequence == e.data.sequence; });
            if (e.batch != Batch::erase) disk.push(e.data);
        }
        std::ranges::sort(disk, {}, &Kept::sequence);
        entries.erase_if([](const Entry& e) { return e.batch == Batch::erase; });
        for (auto& e : entries)
            if (std::exchange(e.batch, Batch::none) != Batch::none) committed(e);
        for (Byte d = 0; d < devices; ++d) release(d);
        return true;
    }
    void committed(Entry& e) {
        e.stored = Stored::yes;
        if (e.is_gone) return;
        for (Byte d = 0; d < devices; ++d) e.is_kept[d] = e.held[d].number != 0 && e.held[d] == e.data.holders[d];
        accept(e);
        if (e.is_waiting && !e.is_listed) e.has_origin = 0;   // not in `pending` any more
    }

    // --- crash, and what comes back

    bool crash() {
        if (crashes == 0) return false;
        --crashes;
        has_crashed = 1;
        is_loaded = last_sequence = 0;
        entries = {};
        const auto was = std::exchange(sender, {});
        sender.queue = was.queue;
        sender.written = was.written;
        sender.told = was.told;
        sender.on_disk = was.on_disk;
        for (auto& at : to) {
            const auto old = std::exchange(at, what_outlives_it(at));
            at.session = old.is_on_disk ? Is::live : old.session == Is::ended ? Is::ended : Is::absent;
        }
        return true;
    }
    bool load_sender() {
        auto& s = sender;
        if (s.is_loaded) return false;
        s.is_loaded = 1;
        s.received = s.accepted = s.kept = s.on_disk;
        for (const auto& kept : disk) {
            if (kept.origin_number <= s.on_disk) continue;
            s.known |= bit(kept.message);
            s.known_until = std::max(s.known_until, kept.origin_number);
        }
        return true;
    }
    bool load() {
        if (is_loaded) return false;
        is_loaded = 1;
        for (auto& at : to)
            if (at.session == Is::live) {
                at.is_restored = at.may_speak = 1;
                at.last = at.acknowledged = at.acknowledged_on_disk;
            }
        for (const auto& kept : disk) restore(kept);
        for (auto& at : to) {
            std::ranges::stable_sort(at.outbox, {}, &Sent::number);
            for (const auto& sent : at.outbox)
                if (sent.number != unnumbered) at.last = std::max(at.last, sent.number);
        }
        for (auto& e : entries) settle(e);
        return true;
    }
    void restore(const Kept& kept) {
        Entry e{};
        e.data = kept;
        e.stored = Stored::yes;
        e.is_done = kept.is_done;
        last_sequence = kept.sequence;
        for (Byte d = 0; d < devices; ++d) {
            const auto& holder = kept.holders[d];
            if (!holder.is_there || to[d].session != Is::live) continue;
            if (holder.number != 0 && holder.number <= to[d].acknowledged) {
                e.is_done = 1;
                continue;
            }
            e.held[d] = holder;
            e.is_kept[d] = 1;
            to[d].outbox.push({holder.number != 0 ? holder.number : unnumbered, kept.sequence, kept.message});
        }
        entries.push(e);
    }

    // --- the rest of the world

    bool cut(Byte d) {
        if (cuts == 0 || !to[d].is_connected || !to[d].is_on_disk) return false;
        --cuts;
        to[d].is_connected = 0;
        to[d].wire = {};
        return true;
    }
    bool cut_sender() {
        if (cuts == 0 || !sender.is_connected) return false;
        return --cuts, sender.is_connected = 0, true;
    }
    bool see_presence(Byte d) {
        if (presences == 0 || !is_loaded || to[d].session != Is::live) return false;
        return --presences, send(d, presence, 0), true;
    }
};

}   // namespace journal_model
