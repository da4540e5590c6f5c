// While a module is out without which nobody can log in, newcomers are asked for patience; who is here stays.
#include "faults_fixture.hpp"

namespace {

using namespace fault;

class Required : public Faults {
protected:
    void is_asked_for_patience(play::Client& who) {
        who.await_end();
        ASSERT_NE(who.stream_error(), nullptr);
        EXPECT_NE(who.stream_error()->child("resource-constraint"), nullptr) << who.stream_error()->str();
        const auto* text = who.stream_error()->child("text");
        ASSERT_NE(text, nullptr);
        EXPECT_TRUE(has(text->text, "try again later")) << text->text;
    }
    play::Client mercutio_{"mercutio", "m", "localhost"};
};

TEST_F(Required, newcomers_are_asked_for_patience_and_come_in_later) {
    raise({{"module moody", "needed", "true"}});
    fail(limit + 1);
    mercutio_.open(stage_->connect());
    is_asked_for_patience(mercutio_);
    everything_else_goes_on();
    await_rebuild();
    enter(mercutio_);
    EXPECT_EQ(ask(mercutio_).type, "result");
}

TEST_F(Required, so_are_those_who_saw_it_announced) {
    raise({{"module moody", "needed", "true"}});
    mercutio_.open(stage_->connect());
    mercutio_.receive();   // the features
    fail(limit + 1);
    mercutio_.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-nothing' mechanism='PLAIN'/>");
    is_asked_for_patience(mercutio_);
}

TEST_F(Required, who_can_do_without_it_does) {
    raise();
    fail(limit + 1);
    enter(mercutio_);
}

TEST_F(Required, one_that_an_operator_swaps_is_there_again) {
    raise({{"module moody", "needed", "true"}, {"kernel", "restarts", "0"}});
    fail(limit + 1);
    ASSERT_TRUE(server().reload("moody").done);
    enter(mercutio_);
}

}   // namespace
