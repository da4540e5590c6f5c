// What somebody is busy with: the account's entries, and what a session has not acknowledged.
#include "route/pending.hpp"

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "route/outbox.hpp"

namespace {

using namespace tambo;
using EntryPtr = Pending::EntryPtr;

EntryPtr entry_of(std::uint64_t sequence) {
    auto entry = std::make_shared<Entry>();
    entry->data.sequence = sequence;
    return entry;
}

TEST(Pending, is_what_a_map_would_be_whatever_comes_and_goes) {
    std::mt19937 random{7};
    Pending pending;
    std::map<std::uint64_t, EntryPtr> map;
    std::uint64_t next = 1;
    for (int step = 0; step < 20'000; ++step) {
        const auto any = random() % (next + 2);
        switch (random() % 8) {
            case 0:
            case 1:
            case 2: {   // a new one, mostly the next
                next += random() % 9 == 0 ? 3 : 1;
                const auto entry = entry_of(next);
                pending.add(entry);
                map[next] = entry;
                break;
            }
            case 3: {   // an old one is taken up again
                const auto entry = entry_of(any);
                pending.add(entry);
                map[any] = entry;
                break;
            }
            case 4:   // any goes
                pending.erase(any);
                map.erase(any);
                break;
            default:   // the oldest goes
                if (map.empty()) break;
                pending.erase(map.begin()->first);
                map.erase(map.begin());
        }
        const auto* found = pending.find(any);
        const auto known = map.find(any);
        ASSERT_EQ(found != nullptr, known != map.end()) << any << " at step " << step;
        if (found != nullptr) ASSERT_EQ(*found, known->second);
        ASSERT_EQ(pending.empty(), map.empty());
        if (step % 100 != 0) continue;
        auto at = map.begin();
        for (const auto& entry : pending) ASSERT_EQ(entry, (at++)->second);
        ASSERT_EQ(at, map.end());
    }
}

std::vector<std::uint64_t> acknowledged(Outbox& outbox, std::uint64_t up_to) {
    std::vector<std::uint64_t> numbers;
    outbox.acknowledge(up_to, [&](const Outbox::Kept& kept) { numbers.push_back(kept.number); });
    return numbers;
}

TEST(Outbox, shows_once_and_in_order_what_is_acknowledged) {
    const auto message = *Stanza::parse("<message from='a@b' to='d@e'><body>hi</body></message>");
    Outbox outbox{100};
    for (std::uint64_t number = 1; number <= 50; ++number) EXPECT_EQ(outbox.push(message, nullptr, true), number);
    const auto full = outbox.bytes();
    EXPECT_EQ(acknowledged(outbox, 2), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_EQ(acknowledged(outbox, 2), std::vector<std::uint64_t>{});
    EXPECT_EQ(outbox.bytes(), full / 50 * 48);
    EXPECT_EQ(acknowledged(outbox, 50).size(), 48U);
    EXPECT_EQ(outbox.bytes(), 0U);
    EXPECT_EQ(outbox.push(message, nullptr, true), 51U);
    EXPECT_EQ(acknowledged(outbox, 51), std::vector<std::uint64_t>{51});
}

// A module that hears of an acknowledgement may end the session, which looks at what is left.
TEST(Outbox, is_whole_while_it_shows_what_is_acknowledged) {
    const auto message = *Stanza::parse("<message from='a@b' to='d@e'><body>hi</body></message>");
    Outbox outbox{100};
    for (int i = 0; i < 3; ++i) outbox.push(message, nullptr, true);
    std::vector<std::size_t> left;
    outbox.acknowledge(3, [&](const Outbox::Kept&) { left.push_back(outbox.take_loose().size()); });
    EXPECT_EQ(left, (std::vector<std::size_t>{2, 1, 0}));
    EXPECT_EQ(outbox.acknowledged(), 3U);
}

// As an entry knows it, or as it is sent, if that is something else.
TEST(Outbox, sends_again_what_was_sent) {
    auto message = *Stanza::parse("<message from='a@b' to='d@e'><body>hi</body></message>");
    auto entry = entry_of(1);
    entry->data.stanza = message.str();
    message.set_as_kept();
    Outbox outbox{100};
    outbox.push(message, entry, true);
    message.append("<delay xmlns='urn:xmpp:delay'/>");
    outbox.push(message, entry, true);
    outbox.push(message, entry, false);   // waits for its commit
    std::vector<std::string> written;
    outbox.each_written([&](const Stanza& stanza) { written.push_back(stanza.str()); });
    EXPECT_EQ(written, (std::vector<std::string>{entry->data.stanza, message.str()}));
    const auto released = outbox.release([](const Entry&) { return true; });
    ASSERT_TRUE(released);
    EXPECT_EQ(released->str(), message.str());
    EXPECT_FALSE(outbox.release([](const Entry&) { return true; }));
}

}   // namespace
