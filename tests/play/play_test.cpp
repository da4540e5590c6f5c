// Every play, in this process and against the real tambod over TCP.
#include "company.hpp"
#include "runner.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (const auto& script : play::read_scripts(TAMBO_SOURCE_DIR "/tests/play")) {
        play::register_test("in_process", script.name(), script, [script] {
            play::perform_as_test(script, [](const play::Script& s) {
                play::Cast cast;
                cast.settings = play::settings(s);
                return play::recorded(play::in_process(cast));
            });
        });
        play::register_test("over_tcp", script.name(), script, [script] {
            if (script.needs_clock()) GTEST_SKIP() << "nobody can turn the clock of a real server";
            play::perform_as_test(
                script, [](const play::Script& s) { return play::recorded(play::over_tcp(play::settings(s))); });
        });
    }
    return RUN_ALL_TESTS();
}
