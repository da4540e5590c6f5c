// Host::kept(): told when the store has all that was written before, whichever way it took.
#include <string>

#include <gtest/gtest.h>

#include "one_shard.hpp"

namespace {

using namespace tambo;

class Quiet final : public Module {
public:
    void wire(Wiring&) override {}
};

class Kept : public testing::Test {
protected:
    static bool is_stored(OneShard& house) {
        bool is = false;
        house.kernel().store.run([&](StoreDriver& d) { is = d.journal_state("romeo@localhost").count == 1; });
        return is;
    }

    OneShard house;
    LocalAccount& romeo = house.account("romeo@localhost");
    Instance& module = house.make("quiet", [] { return new Quiet; });
};

TEST_F(Kept, is_true_at_once_when_nothing_was_written) { EXPECT_TRUE(module.kept().await_ready()); }

TEST_F(Kept, waits_for_what_the_journal_has_only_gathered) {
    auto message = *Stanza::parse("<message from='juliet@localhost/a' to='romeo@localhost'><body>O</body></message>");
    auto& journal = house.shard().journal;
    journal.set_down(romeo, journal.append(romeo, message, Time{}, journal.next_id()));
    ASSERT_FALSE(is_stored(house)) << "it is gathered, which makes this test worth while";
    auto kept = module.kept();
    while (!kept.await_ready()) house.work();
    EXPECT_TRUE(kept.await_resume().has_value());
    EXPECT_TRUE(is_stored(house));
}

}   // namespace
