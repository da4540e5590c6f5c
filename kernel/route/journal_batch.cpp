#include "route/journal_batch.hpp"

namespace tambo {

std::size_t JournalBatch::bytes() const noexcept {
    std::size_t sum = 0;
    for (const auto& entry : appends) sum += entry->data.stanza.size();
    for (const auto& put : sessions) sum += put.session.state.size();
    return sum;
}

// A session before what it holds, and an entry before its end.
void JournalBatch::write(StoreDriver& driver) const {
    for (const auto& put : sessions) driver.session_put(put.owner.text(), put.session);
    for (const auto& count : counts) driver.session_count(count.device, count.accepted, count.acknowledged);
    for (const auto& entry : appends) driver.journal_append(entry->owner.text(), entry->data);
    for (const auto& entry : holds) driver.journal_hold(entry->owner.text(), entry->data.sequence, entry->data.holders);
    for (const auto& erase : erases) driver.journal_erase(erase.owner.text(), erase.sequences);
    for (const auto device : ended) driver.session_erase(device);
}

}   // namespace tambo
