#include "route/outbox.hpp"

#include <algorithm>
#include <utility>

namespace tambo {

namespace {

constexpr std::uint64_t overhead_bytes = 256;   // of one stanza in memory, about

// As it was sent, or as the journal has it; one of them is there.
const std::string& text(const Outbox::Kept& kept) noexcept {
    static const std::string nothing;
    if (kept.own && !kept.own->xml.empty()) return kept.own->xml;
    return kept.entry ? kept.entry->data.stanza : nothing;
}

}   // namespace

std::uint64_t Outbox::weight(const Kept& kept) noexcept { return text(kept).size() + overhead_bytes; }

std::uint64_t Outbox::push(const Stanza& stanza, std::shared_ptr<Entry> entry, bool leaves) {
    const auto number = is_restored_ ? unnumbered : ++last_;
    Kept kept{number, std::move(entry), {}};
    // As it is sent: a late one has a stamp (XEP-0203) that is not in the journal.
    const bool is_as_kept = kept.entry && stanza.is_as_kept();
    if (blocked_ == 0 && !leaves && !is_restored_) blocked_ = number;
    if (!is_as_kept || blocked_ != 0) kept.own = std::make_unique<Own>();
    if (!is_as_kept) stanza.write(kept.own->xml);
    if (blocked_ != 0) kept.own->waits = stanza;
    bytes_ += weight(kept);
    kept_.push_back(std::move(kept));
    return is_restored_ ? 0 : number;
}

std::optional<Stanza> Outbox::release(const std::function<bool(const Entry&)>& may_leave) {
    if (blocked_ == 0) return std::nullopt;
    const auto at = std::ranges::lower_bound(kept_, blocked_, {}, &Kept::number);
    if (at == kept_.end()) return blocked_ = 0, std::nullopt;
    if (at->entry && !may_leave(*at->entry)) return blocked_ = at->number, std::nullopt;
    blocked_ = at->number == last_ ? 0 : at->number + 1;
    if (at->own && at->own->waits) return std::exchange(at->own->waits, {});
    auto stanza = Stanza::parse(text(*at));
    if (!stanza) return release(may_leave);   // what we wrote ourselves can be read
    return std::move(*stanza);
}

void Outbox::restore(std::uint64_t acknowledged, std::vector<Kept> kept) {
    is_restored_ = true;
    acknowledged_ = acknowledged;
    last_ = acknowledged;
    for (auto& one : kept) {
        if (one.number < unnumbered) last_ = std::max(last_, one.number);
        bytes_ += weight(one);
        kept_.push_back(std::move(one));
    }
}

void Outbox::renumber(const std::function<bool(const Kept&)>& numbered) {
    is_restored_ = false;
    last_ = acknowledged_;
    blocked_ = 0;
    for (auto& kept : kept_) {
        kept.number = ++last_;
        if (!numbered(kept) && blocked_ == 0) blocked_ = kept.number;
    }
}

void Outbox::each_written(const std::function<void(const Stanza&)>& see) const {
    for (const auto& kept : kept_) {
        if (blocked_ != 0 && kept.number >= blocked_) return;
        if (const auto stanza = Stanza::parse(text(kept))) see(*stanza);
    }
}

std::vector<Stanza> Outbox::take_loose() {
    std::vector<Stanza> loose;
    for (const auto& kept : kept_) {
        if (kept.entry) continue;
        if (auto stanza = Stanza::parse(text(kept))) loose.push_back(std::move(*stanza));
    }
    return loose;
}

}   // namespace tambo
