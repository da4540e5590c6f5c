// The Journal of one shard: counts in memory, entries in the store.
#pragma once

#include <functional>

#include <tambo/journal.hpp>

#include "store/store_service.hpp"

namespace tambo {

class LocalAccount;

class ShardJournal final : public Journal {
public:
    using Find = std::function<LocalAccount*(const Jid& bare)>;
    ShardJournal(StoreService::Front& store, Find find) : store_(store), find_(std::move(find)) {}

    std::uint64_t count(const Account& account) const noexcept override;
    std::uint64_t bytes(const Account& account) const noexcept override;
    Later<Result<std::uint64_t>> append(Account& account, const Stanza& message, Time accepted,
                                        std::string id) override;
    Later<Result<std::vector<JournalEntry>>> read(Account& account, std::uint64_t after, std::size_t limit) override;
    Later<Result<Nothing>> erase(Account& account, std::uint64_t up_to, std::uint64_t entries,
                                 std::uint64_t bytes) override;

private:
    StoreService::Front& store_;
    Find find_;
};

}   // namespace tambo
