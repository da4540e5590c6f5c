#include "module/claims.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "module/instance.hpp"

namespace tambo {

namespace {

// The first of `mine` that one of `theirs` equals.
template <class List, class Same>
const typename List::value_type* first_common(const List& mine, const List& theirs, Same same) {
    for (const auto& a : mine)
        if (std::ranges::any_of(theirs, [&](const auto& b) { return same(a, b); })) return &a;
    return nullptr;
}

bool overlap(Scope a, Scope b) { return (static_cast<unsigned>(a) & static_cast<unsigned>(b)) != 0; }

}   // namespace

std::string clash(const Instance& fresh, const Instance& other) {
    const auto& mine = fresh.wires();
    const auto& theirs = other.wires();
    const auto& name = other.name();
    if (const auto *a = first_common(mine.on_iq, theirs.on_iq, [](const auto& x, const auto& y) {
            return x.space == y.space && x.name == y.name && overlap(x.scope, y.scope);
        }))
        return fmt::format("module {} already answers <{} xmlns='{}'/>", name, a->name, a->space);
    if (const auto *a = first_common(mine.steps, theirs.steps, [](const auto& x, const auto& y) {
            return x.space == y.space && x.phase == y.phase;
        }))
        return fmt::format("module {} already negotiates {}", name, a->space);
    if (const auto *a = first_common(mine.on_element, theirs.on_element,
                                     [](const auto& x, const auto& y) { return x.space == y.space; }))
        return fmt::format("module {} already takes the elements of {}", name, a->space);
    if (const auto *a = first_common(mine.commands, theirs.commands, [](const auto& x, const auto& y) {
            return x.declared.node == y.declared.node ||
                   (!x.declared.words.empty() && x.declared.words == y.declared.words);
        }))
        return fmt::format("module {} already has the command {}", name, a->declared.node);
    if (const auto *a =
            first_common(mine.routes, theirs.routes, [](const auto& x, const auto& y) { return x.path == y.path; }))
        return fmt::format("module {} already answers for {}", name, a->path);
    if (fresh.store_factory() && other.store_factory()) return fmt::format("plugin {} already is the store", name);
    if (fresh.provided_auth() != nullptr && other.provided_auth() != nullptr)
        return fmt::format("plugin {} already knows the accounts", name);
    return {};
}

std::string slot_complaint(const std::vector<SlotInfo>& old, const std::vector<SlotInfo>& fresh) {
    for (const auto& now : fresh) {
        const auto was = std::ranges::find(old, now.name, &SlotInfo::name);
        if (was == old.end()) continue;
        if (was->version > now.version)
            return fmt::format("slot \"{}\" has version {}, which is newer than this build's {}", now.name,
                               was->version, now.version);
        if (was->version == now.version && was->size != now.size)
            return fmt::format("slot \"{}\" has another layout ({} bytes instead of {}) under the same version {}",
                               now.name, now.size, was->size, now.version);
        if (was->version < now.version && !now.can_upgrade)
            return fmt::format("slot \"{}\" went from version {} to {} without an upgrade() for it", now.name,
                               was->version, now.version);
    }
    return {};
}

}   // namespace tambo
