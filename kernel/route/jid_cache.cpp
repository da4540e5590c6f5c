#include "route/jid_cache.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "route/text_hash.hpp"

namespace tambo {

JidCache::JidCache(std::size_t slots) : pairs_(std::bit_ceil(std::max<std::size_t>(slots, 2)) / 2) {}

bool JidCache::Slot::holds(std::uint64_t wanted_hash, std::string_view text) const noexcept {
    if (hash != wanted_hash || jid.empty()) return false;
    return raw ? *raw == text : jid.text() == text;
}

Result<Jid> JidCache::get(std::string_view text) {
    if (text.size() > max_text_bytes) return Jid::parse(text);
    const auto hash = text_hash(text);
    Pair& pair = pairs_[hash & (pairs_.size() - 1)];
    if (pair.recent.holds(hash, text)) return pair.recent.jid;
    if (pair.older.holds(hash, text)) {
        std::swap(pair.recent, pair.older);
        return pair.recent.jid;
    }
    auto jid = Jid::parse(text);
    if (!jid) return jid;
    pair.older = std::move(pair.recent);
    pair.recent = Slot{hash, *jid, jid->text() == text ? nullptr : std::make_unique<std::string>(text)};
    return jid;
}

}   // namespace tambo
