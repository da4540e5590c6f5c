// Who hears an event, in which order, and what becomes of those who throw: hooks of modules that are part of this test.
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "one_shard.hpp"
#include "route/account.hpp"
#include "server/crash_note.hpp"

namespace {

using namespace tambo;
using Names = std::vector<std::string>;

enum class Manner : std::uint8_t { passes, handles, watches, throws, throws_an_int };

struct Part {
    std::string name;
    int priority = 0;
    Manner manner = Manner::passes;
};

constexpr std::string_view actor_space = "urn:tambo:test:actor";

/// Hears one event and asks for one of everything else.
class Actor final : public Module {
public:
    Actor(Part part, Names& heard) : part_(std::move(part)), heard_(heard) {}

    void wire(Wiring& w) override {
        if (part_.manner == Manner::watches)
            w.on<&Actor::watch>(Event::stanza_in, this, part_.priority);
        else
            w.on<&Actor::hear>(Event::stanza_in, this, part_.priority);
        w.on<&Actor::hear_of_account>(Event::deliver, this, part_.priority);
        w.iq<&Actor::answer>(actor_space, part_.name, this, Scope::server);
        w.element<&Actor::take_element>(space(), this);
        w.negotiate<&Actor::advertise, &Actor::step>(Phase::before_bind, space(), part_.priority, this);
        w.timer<&Actor::ring>(part_.name, this);
        w.feature(space());
        w.identity({"client", "bot", part_.name});
    }

private:
    std::string space() const { return std::string{actor_space} + ':' + part_.name; }
    Verdict act() {
        heard_.push_back(part_.name);
        if (part_.manner == Manner::throws) throw std::runtime_error{"forgot the lines"};
        if (part_.manner == Manner::throws_an_int) throw 1;
        return part_.manner == Manner::handles ? Verdict::handled : Verdict::pass;
    }
    Verdict hear(Session&, Stanza&) { return act(); }
    void watch(Session&, Stanza&) { act(); }
    Verdict hear_of_account(Account&, Stanza&) { return act(); }
    Reply answer(Iq&) { return {}; }
    void take_element(Session&, const Stanza&) {}
    void advertise(const StreamInfo&, Writer&) {}
    Task<void> step(Handshake&, Stanza) { co_return; }
    void ring(Session&) {}

    const Part part_;
    Names& heard_;
};

class HooksTest : public testing::Test {
protected:
    HooksTest()
        : account_(house_.account("romeo@localhost")),
          session_(account_.add_session(*account_.jid().with_resource("orchard"))) {}

    /// A module that listens from now on.
    Instance& enter(const Part& part) {
        auto& instance = house_.make(part.name, [this, part] { return new Actor{part, heard_}; });
        hooks_.merge(instance.wires());
        return instance;
    }

    /// Who heard it.
    Names fire() {
        heard_.clear();
        auto stanza = *Stanza::parse("<message><body>Soft!</body></message>");
        outcome_ = hooks_.fire(Event::stanza_in, session_, &stanza);
        return heard_;
    }

    Names heard_;
    OneShard house_;
    Hooks hooks_;
    Hooks::Outcome outcome_;
    LocalAccount& account_;
    LocalSession& session_;
};

TEST_F(HooksTest, are_asked_by_priority_and_among_equals_in_the_order_in_which_they_came) {
    EXPECT_FALSE(hooks_.hears(Event::stanza_in));
    enter({"second", priority::normal});
    enter({"last", priority::last});
    enter({"first", priority::first});
    enter({"third", priority::normal});
    EXPECT_TRUE(hooks_.hears(Event::stanza_in));
    EXPECT_EQ(fire(), (Names{"first", "second", "third", "last"}));
    EXPECT_FALSE(outcome_.handled);
    EXPECT_FALSE(outcome_.faulted);
}

TEST_F(HooksTest, end_the_walk_with_the_first_who_handled_it) {
    enter({"before", priority::early});
    enter({"judge", priority::normal, Manner::handles});
    enter({"after", priority::late});
    EXPECT_EQ(fire(), (Names{"before", "judge"}));
    EXPECT_TRUE(outcome_.handled);
}

TEST_F(HooksTest, name_each_module_while_it_runs_and_then_whoever_ran_before) {
    struct Witness final : Module {
        explicit Witness(Names& seen) : seen_(seen) {}
        void wire(Wiring& w) override { w.on<&Witness::look>(Event::stanza_in, this); }
        void look(Session&, Stanza&) { seen_.emplace_back(on_this_thread.module); }
        Names& seen_;
    };
    Names seen;
    for (const auto* name : {"first", "second"})
        hooks_.merge(house_.make(name, [&seen] { return new Witness{seen}; }).wires());
    const ThreadCrumb outer{"outer"};
    const auto entries = house_.shard().entries.load();
    fire();
    EXPECT_EQ(seen, (Names{"first", "second"}));
    EXPECT_STREQ(on_this_thread.module, "outer");
    EXPECT_EQ(house_.shard().crumb.load(), nullptr);
    EXPECT_EQ(house_.shard().running, nullptr);
    EXPECT_EQ(house_.shard().entries.load(), entries + 2) << "the watchdog tells two calls from one";
}

TEST_F(HooksTest, go_on_after_one_who_only_watches) {
    enter({"watcher", priority::first, Manner::watches});
    enter({"next"});
    EXPECT_EQ(fire(), (Names{"watcher", "next"}));
    EXPECT_FALSE(outcome_.handled);
}

TEST_F(HooksTest, count_who_throws_and_ask_the_next) {
    auto& forgetful = enter({"forgetful", priority::first, Manner::throws});
    auto& wild = enter({"wild", priority::early, Manner::throws_an_int});
    auto& judge = enter({"judge", priority::normal, Manner::handles});
    EXPECT_EQ(fire(), (Names{"forgetful", "wild", "judge"}));
    EXPECT_TRUE(outcome_.faulted);
    EXPECT_TRUE(outcome_.handled) << "a fault of one is not the decision of another";
    fire();
    EXPECT_EQ(forgetful.faults(), 2U);
    EXPECT_EQ(wild.faults(), 2U);
    EXPECT_EQ(judge.faults(), 0U);
}

TEST_F(HooksTest, hear_of_accounts_in_the_same_order) {
    enter({"second", priority::late});
    enter({"first", priority::early, Manner::throws});
    auto stanza = *Stanza::parse("<message/>");
    const auto outcome = hooks_.fire(Event::deliver, account_, &stanza);
    EXPECT_EQ(heard_, (Names{"first", "second"}));
    EXPECT_TRUE(outcome.faulted);
    EXPECT_FALSE(outcome.handled);
}

TEST_F(HooksTest, are_found_by_what_they_asked_for_and_gone_when_their_owner_is) {
    auto& goes = enter({"goes", 1});
    enter({"stays", 2});
    const auto has = [this](const std::string& name) {
        const auto space = std::string{actor_space} + ':' + name;
        const auto payload = *parse_xml("<" + name + " xmlns='" + std::string{actor_space} + "'/>");
        const auto count = (hooks_.find_iq(Element{payload, 0}, Scope::server) != nullptr ? 1 : 0) +
                           (hooks_.find_element(space) != nullptr ? 1 : 0) +
                           (hooks_.find_step(Phase::before_bind, space) != nullptr ? 1 : 0) +
                           (hooks_.find_timer(name) != nullptr ? 1 : 0);
        EXPECT_TRUE(count == 0 || count == 4) << count << " of " << name;
        EXPECT_EQ(hooks_.find_iq(Element{payload, 0}, Scope::account), nullptr) << "asked for the server's only";
        EXPECT_EQ(hooks_.find_step(Phase::before_auth, space), nullptr) << "asked for the other phase";
        return count == 4;
    };
    EXPECT_TRUE(has("goes"));
    EXPECT_TRUE(has("stays"));
    EXPECT_FALSE(has("nobody"));
    EXPECT_EQ(hooks_.features.size(), 2U);
    hooks_.remove(&goes);
    EXPECT_FALSE(has("goes"));
    EXPECT_TRUE(has("stays"));
    EXPECT_EQ(fire(), Names{"stays"});
    EXPECT_EQ(hooks_.features.size(), 1U);
    EXPECT_EQ(hooks_.identities.size(), 1U);
    EXPECT_EQ(hooks_.identities.front().identity.name, "stays");
}

TEST_F(HooksTest, offer_steps_by_rank_the_lowest_first) {
    enter({"late", 30});
    enter({"soon", 10});
    enter({"then", 20});
    Names spaces;
    for (const auto& step : hooks_.steps) spaces.push_back(step.owner->name());
    EXPECT_EQ(spaces, (Names{"soon", "then", "late"}));
}

}   // namespace
