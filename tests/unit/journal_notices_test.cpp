// What modules hear of entries, and the ids that these have.
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "one_shard.hpp"
#include "route/local_session.hpp"

namespace {

using namespace tambo;
using What = JournalNotice::What;

class Listener final : public Module {
public:
    Listener(std::vector<std::string>& heard, JournalNotice::Mask wanted) : heard_(heard), wanted_(wanted) {}
    void wire(Wiring& w) override { w.journal<&Listener::noticed>(this, wanted_); }

private:
    void noticed(Account&, const JournalNotice& notice) {
        heard_.push_back(std::to_string(static_cast<int>(notice.what)) + (notice.accepts ? "+" : ""));
    }
    std::vector<std::string>& heard_;
    JournalNotice::Mask wanted_;
};

std::string word(What what) { return std::to_string(static_cast<int>(what)); }

class JournalNotices : public testing::Test {
protected:
    void listen(const char* name, std::vector<std::string>& heard, JournalNotice::Mask wanted) {
        auto& instance = house.make(name, [&heard, wanted] { return new Listener{heard, wanted}; });
        house.shard().hooks.merge(instance.wires());
    }
    std::uint64_t append() {
        auto message =
            *Stanza::parse("<message from='juliet@localhost/a' to='romeo@localhost'><body>O</body></message>");
        return house.shard().journal.append(romeo, message, Time{}, house.shard().journal.next_id());
    }

    OneShard house;
    LocalAccount& romeo = house.account("romeo@localhost");
};

TEST_F(JournalNotices, go_to_those_who_want_them) {
    std::vector<std::string> all, few;
    listen("all", all, JournalNotice::all);
    listen("few", few, JournalNotice::only(What::delivered, What::dropped));
    const auto sequence = append();
    house.shard().journal.set_down(romeo, sequence);
    house.work();
    house.work();
    EXPECT_EQ(all, std::vector{word(What::accepted)}) << "it was committed";
    EXPECT_TRUE(few.empty());
}

TEST_F(JournalNotices, ids_are_all_different_also_of_two_servers_in_one_process) {
    OneShard neighbour;
    std::set<std::string> ids;
    constexpr std::size_t many = 10'000, digits = 32;
    for (std::size_t i = 0; i < many; ++i) {
        const auto id = house.shard().journal.next_id();
        EXPECT_EQ(id.size(), digits);
        EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
        ids.insert(id);
        ids.insert(neighbour.shard().journal.next_id());
    }
    EXPECT_EQ(ids.size(), 2 * many);
}

}   // namespace
