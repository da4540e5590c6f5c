// RFC 6121 §4.6: who got directed presence from a session. Kept in a slot of the session, so that other modules which
// end somebody's sight of a user (blocking) find it there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/session.hpp>

namespace tambo::shared {

/// A look at one session's list: one address a line. Good for this turn.
class Directed {
public:
    explicit Directed(Session& session) : lines_(session.slot("directed-presence")) {}

    std::size_t count() const { return static_cast<std::size_t>(std::ranges::count(lines_, '\n')); }
    bool has(const Jid& who) const { return find(who) != std::string::npos; }
    void add(const Jid& who) { lines_.append(who.text()).push_back('\n'); }
    void remove(const Jid& who) {
        if (const auto at = find(who); at != std::string::npos) lines_.erase(at, who.text().size() + 1);
    }
    std::vector<Jid> all() const {
        std::vector<Jid> found;
        for (std::string_view rest = lines_; !rest.empty();) {
            const auto line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            if (auto jid = Jid::parse(line)) found.push_back(std::move(*jid));
        }
        return found;
    }
    std::vector<Jid> take() {
        auto found = all();
        lines_.clear();
        return found;
    }

private:
    // Prepared addresses hold no control characters, so a newline cannot be part of one (RFC 7622 §3.4).
    std::size_t find(const Jid& who) const {
        const auto line = std::string{who.text()} + '\n';
        for (auto at = lines_.find(line); at != std::string::npos; at = lines_.find(line, at + 1))
            if (at == 0 || lines_[at - 1] == '\n') return at;
        return std::string::npos;
    }
    std::string& lines_;
};

}   // namespace tambo::shared
