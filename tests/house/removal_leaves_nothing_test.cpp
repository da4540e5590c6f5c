// XEP-0077 §3.2: an account that is removed leaves no row behind, whatever module kept it, and who takes its name later
// finds nothing of it.
#include <filesystem>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "client.hpp"
#include "folder.hpp"
#include "stage.hpp"

namespace {

class RemovalLeavesNothing : public testing::Test {
protected:
    RemovalLeavesNothing() {
        play::Cast cast;   // every module
        cast.settings = {{"server", "data", data_.path().string()},
                         {"server", "plugins", "store_sqlite, auth_store"},
                         {"module register", "iterations", "5000"}};   // a change takes longer than a removal
        stage_ = play::in_process(cast);
        stage_->add_user("juliet", "secret");
        stage_->add_user("romeo", "secret");
    }

    /// What the store has of this owner, table by table.
    std::set<std::string> tables_of(const std::string& owner) const {
        sqlite3* db = nullptr;
        if (sqlite3_open_v2((data_.path() / "tambo.db").c_str(), &db, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK)
            throw std::runtime_error{sqlite3_errmsg(db)};
        const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> closing{db, sqlite3_close};
        sqlite3_stmt* all = nullptr;
        constexpr auto query =
            "SELECT tbl FROM resident WHERE owner = ?1 UNION SELECT tbl FROM items WHERE owner = ?1 "
            "UNION SELECT 'journal' FROM journal_owner JOIN journal ON journal.owner = number WHERE "
            "journal_owner.owner = ?1 UNION SELECT 'session' FROM session WHERE owner = ?1";
        if (sqlite3_prepare_v2(db, query, -1, &all, nullptr) != SQLITE_OK) throw std::runtime_error{sqlite3_errmsg(db)};
        const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> finalizing{all, sqlite3_finalize};
        sqlite3_bind_text(all, 1, owner.c_str(), -1, SQLITE_TRANSIENT);
        std::set<std::string> tables;
        while (sqlite3_step(all) == SQLITE_ROW)
            tables.emplace(reinterpret_cast<const char*>(sqlite3_column_text(all, 0)));
        return tables;
    }

    void connect(play::Client& client, bool presence = true) {
        client.connect(stage_->connect(), play::Wishes{.priority = {}, .presence = presence});
        client.ignore("presence");
        client.ignore("roster pushes");
    }

    /// The answer to an iq; whatever else comes must not come.
    static play::Node ask(play::Client& client, const std::string& type, const std::string& payload) {
        client.send("<iq type='" + type + "' id='q'>" + payload + "</iq>");
        return client.receive();
    }

    static std::string change_password(const std::string& user) {
        return "<iq type='set' id='new'><query xmlns='jabber:iq:register'><username>" + user +
               "</username><password>other</password></query></iq>";
    }

    /// As much of a life as there are modules for.
    void live(play::Client& juliet, play::Client& romeo) {
        connect(juliet);
        connect(romeo);
        for (const auto* payload :
             {"<query xmlns='jabber:iq:roster'><item jid='tybalt@localhost'/></query>",
              "<query xmlns='jabber:iq:roster'><item jid='tybalt@localhost' subscription='remove'/></query>",
              "<query xmlns='jabber:iq:roster'><item jid='nurse@localhost' name='Nurse'/></query>",
              "<vCard xmlns='vcard-temp'><FN>Juliet</FN><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>",
              "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><url/></storage></query>",
              "<block xmlns='urn:xmpp:blocking'><item jid='paris@localhost'/></block>"})
            ASSERT_EQ(*ask(juliet, "set", payload).attribute("type"), "result") << payload;
        romeo.send("<presence type='subscribe' to='juliet@localhost'/>");
        romeo.sync();
        juliet.disconnect();
        romeo.send("<message to='juliet@localhost'><body>Where are you?</body></message>");
        romeo.sync();
        stage_->settle();
    }

    void remove(play::Client& juliet) {
        connect(juliet, /*presence=*/false);
        juliet.send("<iq type='set' id='bye'><query xmlns='jabber:iq:register'><remove/></query></iq>");
        ASSERT_EQ(*juliet.receive().attribute("type"), "result");
        juliet.await_end();
        stage_->settle();
    }

    Folder data_;
    std::unique_ptr<play::Stage> stage_;
};

TEST_F(RemovalLeavesNothing, in_any_table) {
    play::Client juliet{"juliet", "j", "localhost"}, romeo{"romeo", "r", "localhost"};
    live(juliet, romeo);
    const auto before = tables_of("juliet@localhost");
    for (const auto* table : {"blocklist", "credentials", "journal", "last-seen", "private", "roster", "roster-removed",
                              "roster-requests", "roster-version", "vcard"})
        EXPECT_TRUE(before.contains(table)) << table;
    remove(juliet);
    EXPECT_EQ(tables_of("juliet@localhost"), std::set<std::string>{});
    EXPECT_TRUE(tables_of("romeo@localhost").contains("credentials")) << "others keep theirs";
}

TEST_F(RemovalLeavesNothing, for_whoever_takes_the_name_next) {
    play::Client juliet{"juliet", "j", "localhost"}, romeo{"romeo", "r", "localhost"};
    live(juliet, romeo);
    remove(juliet);
    stage_->add_user("juliet", "secret");
    play::Client another{"juliet", "a", "localhost"};
    connect(another);
    EXPECT_TRUE(ask(another, "get", "<query xmlns='jabber:iq:roster'/>").child("query")->children.empty());
    EXPECT_NE(ask(another, "get", "<vCard xmlns='vcard-temp'/>").child("error"), nullptr);
    EXPECT_TRUE(ask(another, "get", "<blocklist xmlns='urn:xmpp:blocking'/>").child("blocklist")->children.empty());
    const auto kept =
        ask(another, "get", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>");
    EXPECT_TRUE(kept.child("query")->child("storage")->children.empty());
    another.sync();
    EXPECT_EQ(another.unread(), "") << "no message, no request of the old account";
}

/// The keys of the new password are made on a worker thread; meanwhile the account goes.
TEST_F(RemovalLeavesNothing, to_a_change_of_password_that_is_still_under_way) {
    play::Client juliet{"juliet", "j", "localhost"}, romeo{"romeo", "r", "localhost"};
    connect(juliet, /*presence=*/false);
    juliet.send(change_password("juliet") +
                "<iq type='set' id='bye'><query xmlns='jabber:iq:register'><remove/></query></iq>");
    juliet.await_end();
    // Her keys are ready when his are, which were begun later, one after the other.
    connect(romeo, /*presence=*/false);
    for (int i = 0; i < 3; ++i) {
        romeo.send(change_password("romeo"));
        ASSERT_EQ(*romeo.receive().attribute("type"), "result");
    }
    stage_->settle();
    EXPECT_EQ(tables_of("juliet@localhost"), std::set<std::string>{});
}

}   // namespace
