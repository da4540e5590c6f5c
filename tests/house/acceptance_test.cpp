// XEP-0198 §4: "handled" is what the server has committed. Who asks is answered at once, and told the rest without
// asking again.
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/client.hpp>
#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

class Acceptance : public testing::Test {
protected:
    Acceptance() : stage_(play::in_process({})) {
        for (const auto* user : {"juliet", "romeo"}) stage_->add_user(user, "secret");
    }
    std::unique_ptr<play::Stage> stage_;
};

/// Notes each h that it is told.
class Asker {
public:
    explicit Asker(tambo::Server& server, const std::string& first_words = {})
        : client_{server,
                  *tambo::Jid::parse("juliet@localhost/balcony"),
                  {.on_element = [this](const tambo::Stanza& element) { heard(element); }}} {
        EXPECT_TRUE(client_.ready());
        if (!first_words.empty()) say(first_words);
        say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    }
    void say(const std::string& xml) { EXPECT_TRUE(client_.send(xml)); }
    std::vector<std::string> told() {
        const std::lock_guard lock{mutex_};
        return told_;
    }

private:
    void heard(const tambo::Stanza& element) {
        const std::lock_guard lock{mutex_};
        if (element.name() == "a") told_.emplace_back(element.xml().attribute("h"));
    }
    std::mutex mutex_;   // elements come on a shard's thread
    std::vector<std::string> told_;
    tambo::Client client_;
};

TEST_F(Acceptance, of_what_waits_for_the_disk_is_told_when_it_is_there) {
    play::Client juliet{"juliet", "balcony", "localhost"};
    play::Wishes wishes;
    wishes.stream_management = true;
    juliet.connect(stage_->connect(), wishes);
    juliet.send(
        "<message to='romeo@localhost' type='chat'><body>one</body></message>"
        "<message to='romeo@localhost' type='chat'><body>two</body></message><r xmlns='urn:xmpp:sm:3'/>");
    const auto all = std::to_string(juliet.sent());
    int answers = 1;
    while (*juliet.receive_ack().attribute("h") != all) ++answers;
    EXPECT_LE(answers, juliet.sent() + 1) << "at once, and then as often as more is committed";
}

TEST_F(Acceptance, is_not_told_to_who_does_not_ask) {
    Asker juliet{*stage_->server()};
    juliet.say("<message to='romeo@localhost' type='chat'><body>one</body></message>");
    stage_->settle();
    EXPECT_TRUE(juliet.told().empty());
}

TEST_F(Acceptance, counts_from_where_it_was_enabled_whatever_is_still_on_its_way_from_before) {
    Asker juliet{*stage_->server(), "<message to='romeo@localhost' type='chat'><body>before</body></message>"};
    juliet.say("<r xmlns='urn:xmpp:sm:3'/>");
    stage_->settle();
    juliet.say("<r xmlns='urn:xmpp:sm:3'/>");
    stage_->settle();
    for (const auto& h : juliet.told()) EXPECT_EQ(h, "0");
    EXPECT_EQ(juliet.told().size(), 2U);
}

}   // namespace
