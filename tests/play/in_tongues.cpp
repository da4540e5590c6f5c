// Every play again with clients that speak FunXMPP, all of them or some, in this process and against the real tambod.
// Its groups are tests of their own for ctest: a test each would be hundreds.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "company.hpp"
#include "runner.hpp"

namespace {

using play::Tongue;

struct Company {
    std::string name;
    std::vector<Tongue> tongues;
};

// The mixed ones take so many turns that in most plays a device comes back in another tongue, and two talk in both
// orders.
const std::array<Company, 5> companies{{
    {"page", {Tongue::page}},
    {"classic", {Tongue::classic}},
    {"by_feature", {Tongue::page_by_feature, Tongue::classic_by_feature}},
    {"mixed",
     {Tongue::xml, Tongue::page, Tongue::page_by_feature, Tongue::xml, Tongue::classic, Tongue::classic_by_feature,
      Tongue::page}},
    {"mixed_otherwise", {Tongue::page_by_feature, Tongue::xml, Tongue::xml, Tongue::page, Tongue::classic_by_feature}},
}};

/// These say what only XML can say: what is not well-formed, what stands in a start tag.
constexpr std::array only_in_xml{"stream_errors"};

void register_plays(const Company& company, const play::Script& script) {
    const auto make = [tongues = company.tongues](auto&& make_stage) {
        return [tongues, make_stage](const play::Script& s) { return play::in_tongues(make_stage(s), tongues); };
    };
    play::register_test(company.name + "_in_process", script.name(), script, [script, make] {
        play::perform_as_test(script, make([](const play::Script& s) {
                                  play::Cast cast;
                                  cast.settings = play::settings(s);
                                  return play::in_process(cast);
                              }));
    });
    if (script.needs_clock()) return;   // nobody can turn the clock of a real server
    play::register_test(company.name + "_over_tcp", script.name(), script, [script, make] {
        play::perform_as_test(script, make([](const play::Script& s) { return play::over_tcp(play::settings(s)); }));
    });
}

}   // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (const auto& script : play::read_scripts(TAMBO_SOURCE_DIR "/tests/play"))
        if (std::ranges::find(only_in_xml, script.name()) == only_in_xml.end())
            for (const auto& company : companies) register_plays(company, script);
    return RUN_ALL_TESTS();
}
