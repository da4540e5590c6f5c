// Addresses: whatever is accepted is prepared, bounded, and prepares to itself.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include <tambo/jid.hpp>

#include "route/jid_cache.hpp"

namespace {

using namespace tambo;

void demand(bool claim, std::string_view what, std::string_view text) {
    if (claim) return;
    fmt::print(stderr, "broken promise: {} for \"{}\"\n", what, text);
    std::abort();
}

void check_whole(std::string_view text) {
    static JidCache cache{2};
    const auto jid = Jid::parse(text);
    const auto cached = cache.get(text);
    demand(jid.has_value() == cached.has_value(), "the cache agrees", text);
    if (!jid) return demand(jid.error().condition == Condition::jid_malformed, "the right condition", text);
    demand(*jid == *cached && jid->hash() == cached->hash(), "the cache holds the same", text);
    const auto again = Jid::parse(jid->text());
    demand(again && *again == *jid && again->text() == jid->text(), "preparation is idempotent", text);
    demand(!jid->domain().empty(), "a domain", text);
    for (const auto part : {jid->local(), jid->domain(), jid->resource()})
        demand(part.size() <= Jid::max_part_bytes, "parts are bounded", text);
    const auto remade = Jid::make(jid->local(), jid->domain(), jid->resource());
    demand(remade && *remade == *jid, "the parts make the whole", text);
    demand(jid->bare().text() == jid->bare_text() && jid->bare().hash() == jid->bare_hash(), "bare", text);
}

template <class Prepare>
void check_part(Prepare prepare, std::string_view text) {
    const auto part = prepare(text);
    if (!part) return;
    const auto again = prepare(*part);
    demand(again && *again == *part, "a part prepares to itself", text);
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    check_whole(text);
    check_part(prepare_local, text);
    check_part(prepare_domain, text);
    check_part(prepare_resource, text);
    check_part(prepare_password, text);
    return 0;
}
