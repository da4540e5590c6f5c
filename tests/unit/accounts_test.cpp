#include "route/accounts.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "one_shard.hpp"

namespace tambo {
namespace {

class AccountsTest : public ::testing::Test {
protected:
    static constexpr int many = 3000;

    static Jid user(int i) { return *Jid::parse("user" + std::to_string(i) + "@localhost/r"); }
    void settle_all() {
        for (int i = 0; i < many; ++i) accounts.add(std::make_unique<LocalAccount>(house.shard(), user(i).bare()));
    }

    OneShard house;
    Accounts accounts;
};

TEST_F(AccountsTest, finds_by_the_bare_part) {
    EXPECT_EQ(accounts.find(user(1)), nullptr);
    settle_all();
    for (int i = 0; i < many; ++i) {
        auto* found = accounts.find(user(i));
        ASSERT_NE(found, nullptr) << i;
        EXPECT_EQ(found->jid(), user(i).bare());
        EXPECT_EQ(accounts.find(user(i).bare()), found);
    }
    EXPECT_EQ(accounts.find(user(many)), nullptr);
}

TEST_F(AccountsTest, others_are_found_when_some_have_gone) {
    settle_all();
    for (int i = 0; i < many; i += 3) accounts.erase(*accounts.find(user(i)));
    for (int i = 0; i < many; ++i) EXPECT_EQ(accounts.find(user(i)) != nullptr, i % 3 != 0) << i;
    for (int i = 0; i < many; i += 3) accounts.add(std::make_unique<LocalAccount>(house.shard(), user(i).bare()));
    for (int i = 0; i < many; ++i) EXPECT_NE(accounts.find(user(i)), nullptr) << i;
}

TEST_F(AccountsTest, each_is_seen_once_and_those_that_are_to_go_do) {
    settle_all();
    std::map<const LocalAccount*, int> seen;
    accounts.each([&](const LocalAccount& account) { ++seen[&account]; });
    EXPECT_EQ(seen.size(), many);
    for (const auto& [account, times] : seen) EXPECT_EQ(times, 1) << account->jid().text();

    accounts.erase_if([](const LocalAccount& account) { return account.jid().local().ends_with('7'); });
    for (int i = 0; i < many; ++i) EXPECT_EQ(accounts.find(user(i)) != nullptr, i % 10 != 7) << i;
    accounts.clear();
    EXPECT_EQ(accounts.find(user(1)), nullptr);
}

}   // namespace
}   // namespace tambo
