// Who holds a shard is named: read from a pipe that the test writes to when it has seen the line.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults_fixture.hpp"

namespace {

using namespace fault;

class WatchdogTest : public Faults {
protected:
    /// Its log, and nothing else, tells what the watchdog has seen.
    void await_line(const std::string& text) const {
        constexpr std::chrono::milliseconds glance{10};
        for (auto left = play::Client::patience / glance; left > 0 && !has(stage_->log(), text); --left)
            ::poll(nullptr, 0, static_cast<int>(glance.count()));
        EXPECT_TRUE(has(stage_->log(), text)) << stage_->log();
    }
    void hold_the_shard_until(const std::string& line) {
        const auto pipe = stage_->data() / "pipe";
        if (::mkfifo(pipe.c_str(), 0600) != 0 && errno != EEXIST) FAIL() << "no pipe";
        romeo_.send("<iq type='get' to='localhost' id='h'><hold xmlns='urn:tambo:test:moody' pipe='" + pipe.string() +
                    "'/></iq>");
        await_line(line);
        ::close(::open(pipe.c_str(), O_WRONLY | O_CLOEXEC));
        EXPECT_EQ(*romeo_.receive().attribute("type"), "result");
    }
};

TEST_F(WatchdogTest, names_who_holds_a_shard_and_counts_the_next_time_as_a_fault) {
    raise({{"kernel", "slow_handler", "300ms"}});
    hold_the_shard_until("module moody has held shard 0 for ");
    await_line("module moody lets go of shard 0, after ");
    stage_->settle();
    EXPECT_EQ(info().faults, 0U) << "it may have been an accident";
    hold_the_shard_until("in a handler: it has held the shard for ");
    stage_->settle();
    EXPECT_EQ(info().faults, 1U);
    EXPECT_EQ(ask().type, "result");
}

}   // namespace
