#include "retrieval.hpp"

#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "hand_over.hpp"

namespace tambo::offline {

namespace {

constexpr std::string_view info_space = "http://jabber.org/protocol/disco#info";
constexpr std::string_view items_space = "http://jabber.org/protocol/disco#items";
constexpr std::size_t batch_entries = 100;
constexpr std::size_t max_chosen = 1000;
constexpr std::size_t most_kept = 1000;   // unacknowledged, before more of them are shown
constexpr Duration breath = std::chrono::milliseconds{200};

}   // namespace

std::string node_of(std::uint64_t sequence) { return fmt::format("{:020}", sequence); }

std::optional<std::uint64_t> sequence_of(std::string_view node) {
    std::uint64_t sequence = 0;
    const auto [end, error] = std::from_chars(node.data(), node.data() + node.size(), sequence);
    if (error != std::errc{} || end != node.data() + node.size() || node != node_of(sequence)) return std::nullopt;
    return sequence;
}

std::optional<std::vector<std::uint64_t>> chosen(const Element& wish, std::string_view action) {
    std::vector<std::uint64_t> all;
    for (const auto item : wish.children()) {
        if (item.name() != "item" || item.attribute("action") != action) return std::nullopt;
        all.push_back(sequence_of(item.attribute("node")).value_or(0));
    }
    if (all.empty() || all.size() > max_chosen) return std::nullopt;
    return all;
}

std::string number_of_messages(std::uint64_t count) {
    return Writer{}
        .element("query", info_space)
        .attribute("node", retrieval_space)
        .element("identity")
        .attribute("category", "automation")
        .attribute("type", "message-list")
        .end()
        .element("feature")
        .attribute("var", retrieval_space)
        .end()
        .element("x", "jabber:x:data")
        .attribute("type", "result")
        .element("field")
        .attribute("var", "FORM_TYPE")
        .attribute("type", "hidden")
        .element("value")
        .text(retrieval_space)
        .end()
        .end()
        .element("field")
        .attribute("var", "number_of_messages")
        .element("value")
        .text(std::to_string(count))
        .take();
}

/// What waits, without what devices have been given.
Task<Result<std::vector<JournalEntry>>> Retrieval::read(Jid owner, std::uint64_t after, std::size_t limit) {
    auto* account = host_.find_account(owner);
    if (account == nullptr) co_return fail(Condition::item_not_found);
    for (;;) {
        auto reading = host_.journal().read(*account, after, limit);
        auto batch = co_await std::move(reading);
        if (!batch || batch->empty()) co_return std::move(batch);
        after = batch->back().sequence;
        std::erase_if(*batch, [](const JournalEntry& entry) { return !entry.holders.empty(); });
        account = host_.find_account(owner);
        if (!batch->empty() || account == nullptr) co_return std::move(batch);
    }
}

Task<Result<std::string>> Retrieval::headers(Jid owner) {
    Writer list;
    list.element("query", items_space).attribute("node", retrieval_space);
    for (std::uint64_t after = 0;;) {
        auto reading = read(owner, after, batch_entries);
        const auto batch = co_await std::move(reading);
        if (!batch) co_return std::unexpected{batch.error()};
        if (batch->empty()) co_return list.take();
        for (const auto& entry : *batch) {
            after = entry.sequence;
            const auto message = Stanza::parse(entry.stanza);
            if (!message) continue;
            list.element("item")
                .attribute("jid", owner.text())
                .attribute("node", node_of(entry.sequence))
                .attribute("name", message->from().text())
                .end();
        }
    }
}

/// All of them, or item-not-found.
Task<Result<std::vector<JournalEntry>>> Retrieval::find(Jid owner, std::vector<std::uint64_t> sequences) {
    std::vector<JournalEntry> found;
    for (const auto sequence : sequences) {
        if (sequence == 0) co_return fail(Condition::item_not_found);
        auto reading = read(owner, sequence - 1, 1);
        auto batch = co_await std::move(reading);
        if (!batch) co_return std::unexpected{batch.error()};
        if (batch->empty() || batch->front().sequence != sequence) co_return fail(Condition::item_not_found);
        found.push_back(std::move(batch->front()));
    }
    co_return std::move(found);
}

Task<Result<Nothing>> Retrieval::view(Jid device, std::vector<std::uint64_t> sequences) {
    auto finding = find(device.bare(), std::move(sequences));
    const auto found = co_await std::move(finding);
    if (!found) co_return std::unexpected{found.error()};
    for (const auto& entry : *found) {
        auto waiting = has_room(device);
        if (!co_await std::move(waiting) || !show(device, entry)) break;
    }
    co_return Nothing{};
}

Task<Result<Nothing>> Retrieval::fetch(Jid device) {
    for (std::uint64_t after = 0;;) {
        auto reading = read(device.bare(), after, batch_entries);
        const auto batch = co_await std::move(reading);
        if (!batch) co_return std::unexpected{batch.error()};
        if (batch->empty()) co_return Nothing{};
        auto waiting = has_room(device);
        if (!co_await std::move(waiting)) co_return Nothing{};
        for (const auto& entry : *batch) {
            after = entry.sequence;
            if (!show(device, entry)) co_return Nothing{};
        }
    }
}

/// A device that acknowledges gets no more than it can have unacknowledged. False if it has gone.
Task<bool> Retrieval::has_room(Jid device) {
    for (;;) {
        auto* account = host_.find_account(device.bare());
        const auto* session = account != nullptr ? account->find(device.resource()) : nullptr;
        if (session == nullptr) co_return false;
        if (session->kept() < most_kept) co_return true;
        auto waiting = host_.after(breath);
        co_await std::move(waiting);
    }
}

/// §2.4: with its node, so that the client can tell which one it is. False if there is nobody to see it.
bool Retrieval::show(const Jid& device, const JournalEntry& entry) {
    auto* account = host_.find_account(device.bare());
    auto* session = account != nullptr ? account->find(device.resource()) : nullptr;
    if (session == nullptr) return false;
    auto message = Stanza::parse(entry.stanza);
    if (!message) return true;
    HandOvers::add_delay(*message, device.domain(), entry.time);
    message->append(
        Writer{}.element("offline", retrieval_space).element("item").attribute("node", node_of(entry.sequence)).take());
    session->send(*message);
    return true;
}

/// All of them, or none: the second reading is for those that went meanwhile, which is what was asked for.
Task<Result<Nothing>> Retrieval::remove(Jid owner, std::vector<std::uint64_t> sequences) {
    auto finding = find(owner, sequences);
    const auto found = co_await std::move(finding);
    if (!found) co_return std::unexpected{found.error()};
    for (const auto sequence : sequences) {
        auto reading = read(owner, sequence - 1, 1);
        const auto entry = co_await std::move(reading);
        if (!entry) co_return std::unexpected{entry.error()};
        if (entry->empty() || entry->front().sequence != sequence) continue;
        auto dropping = drop(owner, *entry);
        const auto dropped = co_await std::move(dropping);
        if (!dropped) co_return std::unexpected{dropped.error()};
    }
    co_return Nothing{};
}

Task<Result<Nothing>> Retrieval::purge(Jid owner) {
    for (;;) {
        auto reading = read(owner, 0, batch_entries);
        const auto batch = co_await std::move(reading);
        if (!batch) co_return std::unexpected{batch.error()};
        if (batch->empty()) co_return Nothing{};
        auto dropping = drop(owner, *batch);
        const auto dropped = co_await std::move(dropping);
        if (!dropped) co_return std::unexpected{dropped.error()};
    }
}

/// What was read in this turn.
Later<Result<Nothing>> Retrieval::drop(const Jid& owner, const std::vector<JournalEntry>& entries) {
    auto* account = host_.find_account(owner);
    if (account == nullptr) return Later<Result<Nothing>>{fail(Condition::item_not_found)};
    return host_.journal().drop(*account, entries);
}

}   // namespace tambo::offline
