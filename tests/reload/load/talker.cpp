#include "talker.hpp"

#include <charconv>
#include <string_view>
#include <utility>

namespace load {

namespace {

/// "17 q 5": the 17th message in this direction, question 5.
struct Spoken {
    std::uint64_t order = 0, number = 0;
    char kind = 0;
};

Spoken understand(std::string_view text) {
    Spoken spoken;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), spoken.order);
    const auto* last = text.data() + text.size();
    if (error != std::errc{} || last - end < 4) throw std::runtime_error{"not what anybody said: " + std::string{text}};
    spoken.kind = end[1];
    std::from_chars(end + 3, last, spoken.number);
    return spoken;
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}   // namespace

Talker::Talker(World& world, std::string user, std::string resource, TalkerHabits habits, unsigned seed)
    : Client(world, std::move(user), std::move(resource), habits.wire),
      habits_(habits),
      from_me_(world.ledger, "from " + name()),
      dice_(seed) {}

tambo::Task<void> Talker::arrive() {
    auto binding = bind();
    co_await std::move(binding);
    if (habits_.messages_per_resumption != 0) {
        auto enabling = enable_resumption();
        co_await std::move(enabling);
    }
    auto rosters = ask("get", "<query xmlns='jabber:iq:roster'/>");
    co_await std::move(rosters);
    send("<presence/>");
    is_away_ = false;
    for (; !owed_.empty(); owed_.pop_front()) say('a', owed_.front());
    is_ready_ = true;
}

tambo::Task<void> Talker::script() {
    auto logging_in = log_in();
    co_await std::move(logging_in);
    auto arriving = arrive();
    co_await std::move(arriving);
    while (!is_over()) {
        auto waiting = next();
        const auto node = co_await std::move(waiting);
        hear(node);
        if (!wants_to_break()) continue;
        since_break_ = 0;
        auto breaking = habits_.goes_away ? go_away() : resume();
        co_await std::move(breaking);
    }
    auto leaving = log_out();
    co_await std::move(leaving);
}

bool Talker::is_over() const { return world_.is_ending && is_quiet() && partner_->is_quiet(); }

bool Talker::wants_to_break() {
    if (world_.is_ending || (!habits_.goes_away && habits_.messages_per_resumption == 0)) return false;
    if (next_break_ == 0)
        next_break_ = habits_.goes_away ? 1 + dice_() % 12 : 1 + dice_() % (2 * habits_.messages_per_resumption);
    if (++since_break_ < next_break_) return false;
    next_break_ = 0;
    return true;
}

/// Long enough for what is said meanwhile to be kept for it.
tambo::Task<void> Talker::go_away() {
    is_away_ = true;
    auto leaving = log_out();
    co_await std::move(leaving);
    auto sleeping = world_.loop.after(std::chrono::milliseconds{dice_() % 200});
    co_await std::move(sleeping);
    auto returning = log_in(Mechanism::scram);
    co_await std::move(returning);
    auto arriving = arrive();
    co_await std::move(arriving);
    ++world_.ledger.returns;
}

void Talker::tick(Clock::time_point now) {
    if (!is_ready_ || !partner_->is_ready() || !is_connected() || is_away_) return;
    if (world_.is_ending) {
        if (is_over() && !std::exchange(has_said_goodbye_, true))   // the answer wakes the script
            send("<iq type='get' id='last' to='" + world_.domain + "'><ping xmlns='urn:xmpp:ping'/></iq>");
        return;
    }
    if (habits_.goes_away) return;   // only answers, so that nothing is on its way to it that it has to wait for
    while (questions_.size() < habits_.window && now >= next_question_) {
        next_question_ = std::max(next_question_ + habits_.pause, now - habits_.pause);
        questions_.push_back({++asked_, now});
        say('q', asked_);
    }
}

void Talker::say(char kind, std::uint64_t what) {
    const auto to = partner_->habits_.goes_away ? partner_->bare() : partner_->jid();
    send("<message type='chat' to='" + to + "'><body>" + number(from_me_.next()) + " " + kind + " " + number(what) +
         "</body></message>");
}

void Talker::hear(const Node& node) {
    if (node.name != "message") return;
    const auto* type = node.attribute("type");
    const auto* body = node.child("body");
    if (type != nullptr && *type == "error") {
        world_.ledger.complain(world_.ledger.refused, name() + " got an error: " + node.str());
        return;
    }
    if (body == nullptr) return;   // a receipt or the like: nothing of ours
    const auto spoken = understand(body->text);
    partner_->from_me_.arrive(spoken.order);
    ++world_.ledger.messages;
    if (spoken.kind == 'q') return heard_question(spoken.number);
    if (questions_.empty() || questions_.front().number != spoken.number) return;   // told by the order already
    auto& times = world_.is_reloading ? world_.ledger.reloading : world_.ledger.quiet;
    if (!partner_->habits_.goes_away && habits_.messages_per_resumption == 0)
        times.add(Clock::now() - questions_.front().asked);
    questions_.pop_front();
}

void Talker::heard_question(std::uint64_t question) {
    if (is_away_ || !is_connected())
        owed_.push_back(question);
    else
        say('a', question);
}

}   // namespace load
