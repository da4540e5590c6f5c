// Plays as GoogleTest tests.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "player.hpp"

namespace play {

using StageMaker = std::function<std::unique_ptr<Stage>(const Script&)>;

/// Performs it; what goes wrong becomes a failure at the line of the play, with the server's log beside it.
void perform_as_test(const Script& script, const StageMaker& make_stage, const StageHand& stage_hand = {});

/// Registers `body` as test `suite.name` of that play.
void register_test(const std::string& suite, const std::string& name, const Script& script, std::function<void()> body);

}   // namespace play
