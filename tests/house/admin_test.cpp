// XEP-0133, as far as it is about time: who is idle, and when the server ends.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

using namespace std::chrono_literals;

class Admin : public testing::Test {
protected:
    Admin() {
        play::Cast cast;
        cast.settings = {{"server", "admins", "juliet@localhost"}, {"module admin", "idle_after", "10m"}};
        stage = play::in_process(cast);
        for (auto* client : {&juliet, &romeo}) {
            stage->add_user(client->user(), "secret");
            play::Wishes silent;
            silent.presence = false;
            client->connect(stage->connect(), silent);
        }
    }

    play::Node give(const std::string& name, const std::string& attributes = {}, const std::string& content = {}) {
        juliet.send(
            "<iq type='set' to='localhost' id='give'><command xmlns='http://jabber.org/protocol/commands' "
            "node='http://jabber.org/protocol/admin#" +
            name + "'" + attributes + ">" + content + "</command></iq>");
        return juliet.receive();
    }
    std::string figure(const std::string& name) {
        const auto answer = give(name);
        for (const auto& field : answer.child("command")->child("x")->children)
            if (field.name == "field" && *field.attribute("var") != "FORM_TYPE") return field.child("value")->text;
        return answer.str();
    }

    std::unique_ptr<play::Stage> stage;
    play::Client juliet{"juliet", "juliet", "localhost"}, romeo{"romeo", "romeo", "localhost"};
};

/// §4.17, §4.18. Acknowledgements and white space are no sign of life, but there are none here anyway.
TEST_F(Admin, sees_who_sent_nothing_for_a_while) {
    EXPECT_EQ(figure("get-active-users-num"), "2");
    EXPECT_EQ(figure("get-idle-users-num"), "0");
    EXPECT_EQ(figure("get-registered-users-num"), "2");
    stage->pass(11min);
    EXPECT_EQ(figure("get-active-users-num"), "1");
    EXPECT_EQ(figure("get-idle-users-num"), "1");
    EXPECT_EQ(figure("get-online-users-num"), "2");
    romeo.sync();
    EXPECT_EQ(figure("get-active-users-num"), "2");
}

/// §4.31. The module that was told is another one by then.
TEST_F(Admin, shuts_down_at_the_right_time_although_the_module_was_swapped) {
    const auto form = give("shutdown");
    const auto answer = give("shutdown", " sessionid='" + *form.child("command")->attribute("sessionid") + "'",
                             "<x xmlns='jabber:x:data' type='submit'><field var='delay'><value>60</value></field></x>");
    ASSERT_EQ(*answer.attribute("type"), "result") << answer.str();
    stage->pass(30s);
    ASSERT_TRUE(stage->server()->reload("admin").done);
    stage->pass(20s);
    juliet.sync();   // it lives
    stage->pass(20s);
    stage->server()->wait();   // or the test ends by its timeout
    juliet.await_end();
}

}   // namespace
