#include "outbox.hpp"

#include <memory>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "folder.hpp"

namespace {

using namespace tambo::funxmpp;
using Stanzas = std::vector<std::string>;

class OutboxTest : public testing::Test {
protected:
    void open(const Outbox::Bounds& bounds = {}) {
        outbox.reset();
        outbox = std::make_unique<Outbox>(folder.file("outbox"), bounds);
    }
    const Folder folder;
    std::unique_ptr<Outbox> outbox;
};

}   // namespace

TEST_F(OutboxTest, keeps_order_and_counts_over_a_restart) {
    open();
    auto sitting = outbox->sit_down("balcony");
    for (const auto* each : {"<a/>", "<b/>", "<c/>", "<d/>"}) ASSERT_TRUE(outbox->add(sitting.id, each));
    sitting.sm_id = "session";
    sitting.handled = 4'000'000'000;
    outbox->note(sitting);
    outbox->acknowledge(sitting, 1, 1);
    open();
    const auto again = outbox->sittings();
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0].resource, "balcony");
    EXPECT_EQ(again[0].sm_id, "session");
    EXPECT_EQ(again[0].heard, 1U);
    EXPECT_EQ(again[0].handled, 4'000'000'000U);
    EXPECT_EQ(outbox->read(sitting.id, 0, 10), (Stanzas{"<b/>", "<c/>", "<d/>"}));
    EXPECT_EQ(outbox->read(sitting.id, 1, 1), Stanzas{"<c/>"});
}

TEST_F(OutboxTest, what_was_added_is_there_after_the_process_was_killed) {
    if (const auto child = ::fork(); child == 0) {
        Outbox mine{folder.file("outbox"), {}};
        const auto sitting = mine.sit_down("balcony");
        for (int i = 0; i < 20; ++i) mine.add(sitting.id, std::to_string(i));
        ::kill(::getpid(), SIGKILL);
    } else {
        ::waitpid(child, nullptr, 0);
    }
    open();
    ASSERT_EQ(outbox->sittings().size(), 1U);
    const auto stanzas = outbox->read(outbox->sittings()[0].id, 0, 100);
    ASSERT_EQ(stanzas.size(), 20U);
    EXPECT_EQ(stanzas.front(), "0");
    EXPECT_EQ(stanzas.back(), "19");
}

TEST_F(OutboxTest, is_bounded_and_has_room_again_when_something_left) {
    open({.stanzas = 2, .bytes = 100});
    auto sitting = outbox->sit_down("balcony");
    EXPECT_TRUE(outbox->add(sitting.id, "<a/>"));
    EXPECT_TRUE(outbox->add(sitting.id, "<b/>"));
    EXPECT_FALSE(outbox->add(sitting.id, "<c/>"));
    outbox->acknowledge(sitting, 1, 1);
    EXPECT_FALSE(outbox->add(sitting.id, std::string(97, 'x'))) << "too many bytes";
    EXPECT_TRUE(outbox->add(sitting.id, std::string(96, 'x')));
    open({.stanzas = 2, .bytes = 100});
    EXPECT_FALSE(outbox->add(sitting.id, "<d/>")) << "what was there before counts, too";
}

TEST_F(OutboxTest, puts_what_a_new_session_needs_first_before_all_others) {
    open();
    const auto sitting = outbox->sit_down("balcony");
    ASSERT_TRUE(outbox->add(sitting.id, "<c/>"));
    outbox->add_first(sitting.id, {"<a/>", "<b/>"});
    ASSERT_TRUE(outbox->add(sitting.id, "<d/>"));
    EXPECT_EQ(outbox->read(sitting.id, 0, 10), (Stanzas{"<a/>", "<b/>", "<c/>", "<d/>"}));
    outbox->leave(sitting.id);
    EXPECT_EQ(outbox->count(sitting.id), 0U);
    EXPECT_TRUE(outbox->sittings().empty());
}

TEST_F(OutboxTest, nobody_else_may_read_it_or_use_it) {
    open();
    struct stat found{};
    ASSERT_EQ(::stat(folder.file("outbox").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 077U, 0U);
    EXPECT_THROW((Outbox{folder.file("outbox"), {}}), std::runtime_error);
}
