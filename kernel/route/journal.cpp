#include "route/journal.hpp"

#include <algorithm>

#include "route/account.hpp"

namespace tambo {

namespace {

LocalAccount& local(Account& account) noexcept { return static_cast<LocalAccount&>(account); }
const LocalAccount& local(const Account& account) noexcept { return static_cast<const LocalAccount&>(account); }
std::string owner(const Account& account) { return std::string{account.jid().text()}; }

}   // namespace

std::uint64_t ShardJournal::count(const Account& account) const noexcept { return local(account).journal.count; }
std::uint64_t ShardJournal::bytes(const Account& account) const noexcept { return local(account).journal.bytes; }

Later<Result<std::uint64_t>> ShardJournal::append(Account& account, const Stanza& message, Time accepted,
                                                  std::string id) {
    auto xml = message.str();
    const auto size = xml.size();
    auto& state = local(account).journal;
    ++state.count;
    state.bytes += size;
    const auto asked = store_.asked();
    auto appended = store_.journal_append(owner(account), accepted, std::move(id), std::move(xml));
    // What could not be kept does not count against the account.
    store_.when_kept(asked, [this, size, jid = account.jid()](const std::string& error) {
        auto* known = error.empty() ? nullptr : find_(jid);
        if (known == nullptr || known->journal.count == 0) return;
        --known->journal.count;
        known->journal.bytes -= std::min<std::uint64_t>(known->journal.bytes, size);
    });
    return appended;
}

Later<Result<std::vector<JournalEntry>>> ShardJournal::read(Account& account, std::uint64_t after, std::size_t limit) {
    return store_.journal_read(owner(account), after, limit);
}

Later<Result<Nothing>> ShardJournal::erase(Account& account, std::uint64_t up_to, std::uint64_t entries,
                                           std::uint64_t bytes) {
    auto& state = local(account).journal;
    state.count -= std::min(state.count, entries);
    state.bytes -= std::min(state.bytes, bytes);
    return store_.journal_erase(owner(account), up_to);
}

}   // namespace tambo
