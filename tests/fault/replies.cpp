// What a fault costs: the stanza its error reply, or the one stream; and what the log says of it.
#include "faults_fixture.hpp"

namespace {

using namespace fault;

class Replies : public Faults {
protected:
    static std::string message(const std::string& event, const std::string& attributes = "type='chat'") {
        return "<message to='juliet@localhost/j' id='m1' " + attributes +
               "><body>a secret</body><throw xmlns='urn:tambo:test:moody' at='" + event + "'/></message>";
    }
    static std::string condition(const play::Node& stanza) {
        const auto* error = stanza.child("error");
        return error == nullptr || error->children.empty() ? "" : error->children.front().name;
    }
    void hears_nothing(play::Client& who) {
        who.sync();
        stage_->settle();
        who.sync();
        EXPECT_EQ(who.unread(), "");
    }
};

TEST_F(Replies, a_stanza_whose_handler_throws_is_answered_with_an_error) {
    raise();
    for (const auto* event : {"stanza_in", "deliver"}) {
        SCOPED_TRACE(event);
        romeo_.send(message(event));
        EXPECT_EQ(condition(romeo_.receive()), "internal-server-error");
        hears_nothing(juliet_);
        EXPECT_TRUE(has(stage_->log(), std::string{"in "} + event + " (stanza m1): out of sorts")) << stage_->log();
    }
    EXPECT_FALSE(has(stage_->log(), "a secret")) << "what people say is in the log";
}

TEST_F(Replies, an_error_is_not) {
    raise();
    for (const auto* event : {"stanza_in", "deliver"}) {
        SCOPED_TRACE(event);
        romeo_.send(message(event, "type='error'"));
        hears_nothing(romeo_);
        hears_nothing(juliet_);
    }
}

TEST_F(Replies, who_only_looks_at_what_leaves_does_not_keep_it) {
    raise();
    romeo_.send(message("stanza_out"));
    EXPECT_EQ(juliet_.receive().child("body")->text, "a secret");
    hears_nothing(romeo_);
    EXPECT_EQ(info().faults, 1U);
}

TEST_F(Replies, an_iq_is_answered_by_a_task_that_throws_later_too) {
    raise();
    romeo_.send("<iq type='get' to='localhost' id='q2'><later xmlns='urn:tambo:test:moody'/></iq>");
    romeo_.sync();
    stage_->pass(std::chrono::seconds{2});
    EXPECT_EQ(condition(romeo_.receive()), "internal-server-error");
    EXPECT_TRUE(has(stage_->log(), "in iq urn:tambo:test:moody (stanza q2): not tomorrow either")) << stage_->log();
}

TEST_F(Replies, an_element_of_the_stream_costs_that_stream) {
    raise();
    juliet_.send("<anything xmlns='urn:tambo:test:moody'/>");
    juliet_.await_end();
    ASSERT_NE(juliet_.stream_error(), nullptr);
    EXPECT_NE(juliet_.stream_error()->child("internal-server-error"), nullptr) << juliet_.stream_error()->str();
    romeo_.sync();
    EXPECT_EQ(ask().type, "result");
}

}   // namespace
