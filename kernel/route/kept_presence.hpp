// The last presence of a session, folded up while nobody looks at it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include <tambo/stanza.hpp>

namespace tambo {

class LocalSession;

/// What a broadcast presence says beyond its sender, in one string: a Stanza takes some 700 bytes, this a tenth.
class KeptPresence {
public:
    KeptPresence() = default;
    explicit KeptPresence(const Stanza& presence);

    explicit operator bool() const noexcept { return !words_.empty(); }
    Stanza unfold(const Jid& from) const;

private:
    std::string words_;   // what XML can't contain parts them; empty: there is none
};

/// Those that somebody looked at in this turn of a shard.
class ShownPresences {
public:
    /// Good until clear(), or until the session shows another one.
    const Stanza& show(const LocalSession& session, const KeptPresence& presence, const Jid& from);
    void forget(const LocalSession& session) noexcept { shown_.erase(&session); }
    void clear() noexcept { shown_.clear(); }
    bool empty() const noexcept { return shown_.empty(); }

private:
    std::unordered_map<const LocalSession*, std::unique_ptr<Stanza>> shown_;
};

}   // namespace tambo
