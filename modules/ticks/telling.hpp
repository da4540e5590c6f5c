// Lives in words for the operator (tamboctl explain).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tambo/command.hpp>
#include <tambo/store.hpp>

#include "lives.hpp"

namespace tambo::ticks {

/// A life as one shard tells another: a value of a CommandResult.
struct Told {
    std::string id, stable_id, from, to, state;
    std::string arrived;   ///< a time; orders them
    std::vector<std::string> steps;
};
Told tell(const Life& life);
/// Of what waits in a journal and is not remembered otherwise; nothing, if it is not the message of that id.
std::optional<Told> tell(const JournalEntry& entry, const Jid& account, std::string_view id);

CommandResult::Value pack(const Told& told);
std::optional<Told> unpack(const CommandResult::Value& value);

/// The answer: the last one in full, a line for each of the others.
CommandResult sum_up(std::vector<Told> lives);

}   // namespace tambo::ticks
