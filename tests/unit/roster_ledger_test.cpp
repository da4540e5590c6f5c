#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "modules/roster/ledger.hpp"

namespace {

using namespace tambo;
using namespace tambo::roster;

Jid jid(std::string_view text) { return Jid::parse(text).value(); }

// An account with rows and contacts, and nothing behind it.
class PaperAccount final : public Account {
public:
    const Jid& jid() const noexcept override { return jid_; }
    bool exists() const noexcept override { return true; }
    std::span<Session* const> sessions() noexcept override { return {}; }
    void deliver_bare(Stanza&) override {}
    void send(Stanza) override {}
    std::span<const Contact> contacts() const noexcept override { return contacts_; }
    void set_contact(const Contact& contact) override {
        remove_contact(contact.jid);
        contacts_.push_back(contact);
    }
    void remove_contact(const Jid& bare) override {
        std::erase_if(contacts_, [&](const Contact& c) { return c.jid == bare; });
    }
    const std::string* row(std::string_view table, std::string_view key) const noexcept override {
        const auto at = rows.find({std::string{table}, std::string{key}});
        return at == rows.end() ? nullptr : &at->second;
    }
    void put_row(std::string_view table, std::string_view key, std::string value) override {
        rows[{std::string{table}, std::string{key}}] = std::move(value);
    }
    void erase_row(std::string_view table, std::string_view key) override {
        rows.erase({std::string{table}, std::string{key}});
    }
    void each_row(std::string_view table,
                  const std::function<void(std::string_view, const std::string&)>& see) const override {
        for (const auto& [name, value] : rows)
            if (name.first == table) see(name.second, value);
    }
    std::string& slot(std::string_view) override { return slot_; }

    std::map<std::pair<std::string, std::string>, std::string> rows;

private:
    Jid jid_ = ::jid("romeo@montague.lit");
    std::vector<Contact> contacts_;
    std::string slot_;
};

const Ledger ledger;

std::vector<std::string> names(const std::vector<Change>& changes) {
    std::vector<std::string> all;
    for (const auto& c : changes) all.push_back((c.item ? "+" : "-") + c.contact);
    return all;
}

using Names = std::vector<std::string>;

TEST(RosterLedger, tells_the_kernel_whom_a_loaded_account_knows) {
    PaperAccount before, after;
    ledger.put(before, jid("juliet@capulet.lit"), {.state = {.to = true, .from = true}});
    ledger.put(before, jid("paris@verona.lit"), {.state = {.out = true}});
    after.rows = before.rows;
    after.rows[{"roster", "broken@verona.lit"}] = "not an item";
    EXPECT_EQ(ledger.announce(after), 1u) << "the broken one is counted and left alone";
    ASSERT_EQ(after.contacts().size(), 2u);
    EXPECT_TRUE(after.contacts()[0].from && after.contacts()[0].to);
    EXPECT_FALSE(after.contacts()[1].from || after.contacts()[1].to);
}

TEST(RosterLedger, keeps_a_request_without_making_a_roster_item_of_it) {
    PaperAccount account;
    const auto request = Stanza::parse(
        "<presence type='subscribe' from='paris@verona.lit' to='romeo@montague.lit'>"
        "<status>&lt;hi></status><x xmlns='urn:extra'/></presence>");
    ledger.put_request(account, jid("paris@verona.lit"), *request);
    const auto standing = ledger.look(account, jid("paris@verona.lit"));
    EXPECT_FALSE(standing.is_listed);
    EXPECT_TRUE(standing.item.state.in);
    EXPECT_TRUE(account.contacts().empty());
    EXPECT_EQ(ledger.version(account), "0") << "nobody has to be told";
    ASSERT_EQ(ledger.requests(account).size(), 1u);
    EXPECT_EQ(ledger.requests(account)[0].str(), request->str()) << "RFC 6121 §3.1.3: complete, with extended content";
    ledger.erase_request(account, jid("paris@verona.lit"));
    EXPECT_FALSE(ledger.look(account, jid("paris@verona.lit")).item.state.in);
}

TEST(RosterLedger, keeps_only_the_addresses_of_a_request_that_is_out_of_proportion) {
    PaperAccount account;
    auto request = Stanza::presence(jid("paris@verona.lit"), account.jid(), "subscribe");
    request.set_inner("<status>" + std::string(100'000, 'x') + "</status>");
    ledger.put_request(account, jid("paris@verona.lit"), request);
    ASSERT_EQ(ledger.requests(account).size(), 1u);
    EXPECT_EQ(ledger.requests(account)[0].from(), jid("paris@verona.lit"));
    EXPECT_TRUE(ledger.requests(account)[0].inner().empty());
}

TEST(RosterLedger, names_what_changed_since_a_version_in_the_order_of_the_changes) {
    PaperAccount account;
    ledger.put(account, jid("a@x.lit"), {});
    const auto one = ledger.version(account);
    ledger.put(account, jid("c@x.lit"), {});
    ledger.put(account, jid("b@x.lit"), {});
    ledger.put(account, jid("c@x.lit"), {.name = "again"});
    const auto four = ledger.version(account);
    ledger.remove(account, jid("a@x.lit"));

    EXPECT_EQ(names(ledger.changes_since(account, one).value()), (Names{"+b@x.lit", "+c@x.lit", "-a@x.lit"}));
    EXPECT_EQ(names(ledger.changes_since(account, four).value()), (Names{"-a@x.lit"}));
    EXPECT_EQ(ledger.changes_since(account, four)->back().name, ledger.version(account));
    EXPECT_TRUE(ledger.changes_since(account, ledger.version(account))->empty());
}

TEST(RosterLedger, forgets_a_removal_when_the_contact_comes_back) {
    PaperAccount account;
    ledger.put(account, jid("a@x.lit"), {});
    const auto before = ledger.version(account);
    ledger.remove(account, jid("a@x.lit"));
    ledger.put(account, jid("a@x.lit"), {});
    EXPECT_EQ(names(ledger.changes_since(account, before).value()), (Names{"+a@x.lit"}));
}

TEST(RosterLedger, does_not_know_versions_that_it_never_gave_out) {
    PaperAccount account;
    EXPECT_FALSE(ledger.changes_since(account, "").has_value());
    EXPECT_FALSE(ledger.changes_since(account, "0").has_value());
    ledger.put(account, jid("a@x.lit"), {});
    const auto version = ledger.version(account);
    const auto epoch = version.substr(0, version.rfind('-'));
    for (const auto& made_up : {std::string{}, std::string{"0"}, std::string{"-"}, epoch, epoch + "-", epoch + "-2",
                                epoch + "--1", epoch + "-1x", std::string{"other-1"}, epoch + "-99999999999999999999"})
        EXPECT_FALSE(ledger.changes_since(account, made_up).has_value()) << made_up;
}

TEST(RosterLedger, does_not_believe_a_client_that_remembers_an_older_account_of_the_same_name) {
    PaperAccount first, second;
    ledger.put(first, jid("a@x.lit"), {});
    ledger.put(second, jid("b@x.lit"), {});
    EXPECT_NE(ledger.version(first), ledger.version(second));
    EXPECT_FALSE(ledger.changes_since(second, ledger.version(first)).has_value());
}

TEST(RosterLedger, remembers_removals_within_bounds_and_gives_the_whole_roster_beyond) {
    PaperAccount account;
    ledger.put(account, jid("first@x.lit"), {});
    const auto before = ledger.version(account);
    std::string recent;
    for (int i = 0; i < 200; ++i) {
        const auto contact = jid("c" + std::to_string(i) + "@x.lit");
        ledger.put(account, contact, {});
        if (i == 190) recent = ledger.version(account);
        ledger.remove(account, contact);
    }
    EXPECT_LT(account.rows.size(), 100u);
    EXPECT_FALSE(ledger.changes_since(account, before).has_value()) << "a removal may be missing";
    EXPECT_EQ(ledger.changes_since(account, recent)->size(), 10u);
}

}   // namespace
