#include "telling.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <tambo/stanza.hpp>

namespace tambo::ticks {

namespace {

using What = Step::What;

constexpr std::string_view packed_name = "life";

constexpr std::array<std::string_view, 9> words{"accepted: committed to the store, or acknowledged before that",
                                                "tried: given to {}",
                                                "delivered: acknowledged by {}",
                                                "returned: {} went away without acknowledging it, so it waits again",
                                                "dropped: expired, too much, or deleted by its owner",
                                                "refused: the store did not take it, and its sender was told",
                                                "handed: written to the connection of {}, which cannot acknowledge it",
                                                "nobody: no device was there to take it",
                                                "read: shown by {}"};

std::string in_words(const Step& step) {
    const auto sentence = words.at(static_cast<std::size_t>(step.what));
    const auto gap = sentence.find("{}");
    const auto text = gap == sentence.npos ? std::string{sentence}
                                           : fmt::format("{}{}{}", sentence.substr(0, gap), step.device.text(),
                                                         sentence.substr(gap + 2));
    return fmt::format("{}  {}", format_time(step.at), text);
}

std::string_view first_word(What what) {
    const auto sentence = words.at(static_cast<std::size_t>(what));
    return sentence.substr(0, sentence.find(':'));
}

/// The best that can be said of it.
std::string_view state_of(const Life& life) {
    for (const auto what : {What::read, What::delivered, What::handed, What::refused, What::dropped})
        if (std::ranges::find(life.steps, what, &Step::what) != life.steps.end()) return first_word(what);
    return life.sequence != 0 ? "waiting" : "stopped";
}

}   // namespace

Told tell(const Life& life) {
    Told told{life.id,
              life.stable_id,
              std::string{life.from.text()},
              std::string{life.account.text()},
              std::string{state_of(life)},
              format_time(life.arrived),
              {}};
    told.steps.push_back(fmt::format("{}  routed: it reached the account", told.arrived));
    for (const auto& step : life.steps) told.steps.push_back(in_words(step));
    if (life.left_out > 0) told.steps.push_back(fmt::format("and {} more", life.left_out));
    if (told.state == "stopped")
        told.steps.emplace_back("it went no further: a module held it back (a block, a limit), or nobody was there");
    return told;
}

std::optional<Told> tell(const JournalEntry& entry, const Jid& account, std::string_view id) {
    if (entry.id != id && entry.stanza.find(escape(id)) == std::string::npos) return std::nullopt;
    const auto message = Stanza::parse(entry.stanza);
    if (!message || (entry.id != id && message->id() != id)) return std::nullopt;
    const auto time = format_time(entry.time);
    return Told{std::string{message->id()},
                entry.id,
                std::string{message->from().text()},
                std::string{account.text()},
                "waiting",
                time,
                {time + "  accepted", "it waits in the journal; what was tried before is not remembered any more"}};
}

CommandResult::Value pack(const Told& told) {
    CommandResult::Value value{std::string{packed_name}, {}, {}};
    value.values = {told.id, told.stable_id, told.from, told.to, told.state, told.arrived};
    value.values.insert(value.values.end(), told.steps.begin(), told.steps.end());
    return value;
}

std::optional<Told> unpack(const CommandResult::Value& value) {
    constexpr std::size_t heads = 6;
    const auto& v = value.values;
    if (value.name != packed_name || v.size() < heads) return std::nullopt;
    return Told{v[0], v[1], v[2], v[3], v[4], v[5], {v.begin() + heads, v.end()}};
}

CommandResult sum_up(std::vector<Told> lives) {
    CommandResult result;
    if (lives.empty()) return result;
    std::ranges::sort(lives, {}, &Told::arrived);
    const auto last = std::move(lives.back());
    lives.pop_back();
    for (const auto& other : lives)
        result.text += fmt::format("also {} from {} to {}: {}\n", other.arrived, other.from, other.to, other.state);
    if (!result.text.empty()) result.text.pop_back();   // whoever prints it ends the line
    const auto add = [&](std::string name, std::string label, std::vector<std::string> values) {
        result.values.push_back({std::move(name), std::move(label), std::move(values)});
    };
    add("id", "message", {last.id});
    add("stable_id", "stable id", {last.stable_id});
    add("from", "from", {last.from});
    add("to", "to", {last.to});
    add("state", "state", {last.state});
    add("steps", "steps", last.steps);
    return result;
}

}   // namespace tambo::ticks
