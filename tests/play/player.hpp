// Performs a play on a stage.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "script.hpp"
#include "stage.hpp"

namespace play {

/// A line did not come true. `line` is where, what() says what was wanted and what came instead.
class Failure : public std::runtime_error {
public:
    Failure(int at, const std::string& text) : std::runtime_error{text}, line(at) {}
    int line;
};

/// What a play wants of the configuration before the curtain rises (`the server has: [module offline] quota = 2`).
std::vector<Setting> settings(const Script& script);

/// Does something between the lines: swaps a module, breaks one.
using StageHand = std::function<void(Stage&, const Line& just_played)>;

/// Plays it through. Throws Failure. At the end nobody may have received anything that the play does not tell.
void perform(const Script& script, Stage& stage, const StageHand& stage_hand = {});

}   // namespace play
