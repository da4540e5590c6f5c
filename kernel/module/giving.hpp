// Giving a module's command (tambo/command.hpp): who may, with what, and where it runs.
#pragma once

#include <functional>
#include <string>

#include <tambo/command.hpp>
#include <tambo/task.hpp>

namespace tambo {

class Shard;

/// On `asking`'s thread, and so is `done`, which is called exactly once: also when the module fails or is taken out
/// meanwhile. Errors: item-not-found (no such command, or no such account), forbidden, bad-request with a sentence.
void give_command(Shard& asking, std::string node, CommandCall call, std::function<void(Result<CommandResult>)> done);

/// The same call with the declared presets, and what the module says is true now, where nothing was given.
void prefill_command(Shard& asking, std::string node, CommandCall call, std::function<void(Result<CommandCall>)> done);

/// Is every value as its declaration wants it? Writes JIDs, flags and fallbacks in their normal form.
Result<Nothing> check_arguments(const Command& command, CommandCall& call,
                                const std::function<bool(std::string_view domain)>& is_local);

}   // namespace tambo
