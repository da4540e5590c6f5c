#include "route/kept_presence.hpp"

#include <string_view>

namespace tambo {

namespace {

constexpr char between = '\0';

std::string_view take(std::string_view& words) {
    const auto end = words.find(between);
    const auto word = words.substr(0, end);
    words.remove_prefix(end + 1);
    return word;
}

}   // namespace

KeptPresence::KeptPresence(const Stanza& presence) {
    const auto id = presence.id(), lang = presence.lang();
    const std::string_view extra = presence.extra(), inner = presence.inner();
    words_.reserve(id.size() + lang.size() + extra.size() + inner.size() + 3);
    words_.append(id).push_back(between);
    words_.append(lang).push_back(between);
    words_.append(extra).push_back(between);
    words_.append(inner);
}

Stanza KeptPresence::unfold(const Jid& from) const {
    auto presence = Stanza::presence(from, {});
    std::string_view words = words_;
    presence.set_id(take(words));
    presence.set_lang(take(words));
    presence.set_extra(std::string{take(words)});
    presence.set_inner(std::string{words});
    (void)presence.xml();   // read now, and not by each who gets a copy
    return presence;
}

const Stanza& ShownPresences::show(const LocalSession& session, const KeptPresence& presence, const Jid& from) {
    auto& shown = shown_[&session];
    if (!shown) shown = std::make_unique<Stanza>(presence.unfold(from));
    return *shown;
}

}   // namespace tambo
