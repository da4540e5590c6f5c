// Every play again, with a module swapped after each of its lines, for each module in turn: a feature that survives its
// own play but not this has state in the wrong place.
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <tambo/server.hpp>

#include "client.hpp"
#include "runner.hpp"

namespace {

std::unique_ptr<play::Stage> stage_for(const play::Script& script) {
    play::Cast cast;
    cast.settings = play::settings(script);
    return play::in_process(cast);
}

void swap(play::Stage& stage, const std::string& module) {
    const auto report = stage.server()->reload(module);
    if (!report.done) throw std::runtime_error{module + " was not swapped: " + report.step + ": " + report.reason};
}

void register_plays(const std::string& module, const std::vector<play::Script>& plays) {
    for (const auto& script : plays) {
        play::register_test("swapping_" + module, script.name(), script, [script, module] {
            play::perform_as_test(script, stage_for,
                                  [&](play::Stage& stage, const play::Line&) { swap(stage, module); });
        });
    }
}

// A server for each play and module is a quarter of an hour under a sanitizer: there, each play is done once, with
// another three modules swapped after each line.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool takes_samples = true;
#else
constexpr bool takes_samples = false;
#endif

void register_plays_in_turn(const std::vector<std::string>& modules, const std::vector<play::Script>& plays) {
    for (const auto& script : plays) {
        play::register_test("swapping_in_turn", script.name(), script, [script, modules] {
            std::size_t turn = std::hash<std::string>{}(script.name());
            play::perform_as_test(script, stage_for, [&](play::Stage& stage, const play::Line&) {
                for (int i = 0; i < 3; ++i) swap(stage, modules[turn++ % modules.size()]);
            });
        });
    }
}

/// Without the player, for the sake of each byte.
TEST(MidStream, a_stanza_cut_at_any_byte_survives_a_swap_of_every_module) {
    const auto stage = play::in_process({});
    stage->add_user("romeo", "secret");
    stage->add_user("juliet", "secret");
    play::Client romeo{"romeo", "r", "localhost"};
    play::Client juliet{"juliet", "j", "localhost"};
    romeo.connect(stage->connect(), {});
    juliet.connect(stage->connect(), {});
    const auto modules = play::all_modules();
    const std::string message = "<message to='romeo@localhost' id='m'><body>a &amp; b > c</body></message>";
    for (std::size_t cut = 0; cut <= message.size(); ++cut) {
        juliet.send_part(message.substr(0, cut), false);
        stage->settle();
        swap(*stage, modules[cut % modules.size()]);
        juliet.send_part(message.substr(cut), true);
        const auto arrived = romeo.receive();
        ASSERT_EQ(arrived.child("body") != nullptr ? arrived.child("body")->text : "", "a & b > c") << "cut at " << cut;
    }
}

}   // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    const auto modules = play::all_modules();
    const auto plays = play::read_scripts(TAMBO_SOURCE_DIR "/tests/play");
    if (takes_samples) {
        register_plays_in_turn(modules, plays);
    } else {
        for (const auto& module : modules) register_plays(module, plays);
    }
    return RUN_ALL_TESTS();
}
