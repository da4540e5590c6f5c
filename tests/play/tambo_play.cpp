// tambo-play(1): performs plays on a server in this process, for those who write modules outside of the source tree.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <tambo/server.hpp>

#include "player.hpp"

namespace fs = std::filesystem;

// The prefix that this program stands in, or the build that it was made by.
play::Home play::home() {
    const auto bin = fs::canonical("/proc/self/exe").parent_path();
    const auto installed = bin / TAMBO_LIBDIR_FROM_BINDIR / "tambo";
    const auto base = fs::is_directory(installed) ? installed : bin.parent_path();
    return {base / "modules", base / "plugins", bin / "tambod"};
}

namespace {

using namespace play;

struct Program {
    std::vector<fs::path> plays, folders;
    std::vector<std::string> without;
    bool with_swaps = false;
};

std::vector<std::string> modules_under_test(const Program& program) {
    std::vector<std::string> names;
    for (const auto& folder : program.folders)
        for (auto& name : modules_in(folder)) names.push_back(std::move(name));
    return names;
}

Cast cast(const Program& program) {
    Cast cast;
    cast.modules = all_modules();
    for (auto& name : modules_under_test(program))
        if (std::ranges::find(cast.modules, name) == cast.modules.end()) cast.modules.push_back(std::move(name));
    std::erase_if(cast.modules, [&](const std::string& name) {
        return std::ranges::find(program.without, name) != program.without.end();
    });
    cast.folders = program.folders;
    return cast;
}

void swap(Stage& stage, const std::string& module) {
    const auto report = stage.server()->reload(module);
    if (!report.done) throw std::runtime_error{module + " was not swapped: " + report.step + ": " + report.reason};
}

/// Says how it went, in a line; more of it if it went wrong.
bool perform(const Script& script, Cast cast, const std::string& condition, const StageHand& stage_hand) {
    std::unique_ptr<Stage> stage;
    const auto complain = [&](int line, const char* what) {
        std::printf("FAILED  %s:%d%s: %s\n  %s\n", script.file.c_str(), line, condition.c_str(), script.title.c_str(),
                    what);
        if (stage) std::printf("--- the server's log ---\n%s", stage->log().c_str());
        return false;
    };
    try {
        for (auto& setting : settings(script)) cast.settings.push_back(std::move(setting));
        stage = in_process(cast);
        play::perform(script, *stage, stage_hand);
    } catch (const Failure& failure) {
        return complain(failure.line, failure.what());
    } catch (const std::exception& problem) {
        return complain(1, problem.what());
    }
    std::printf("ok      %s%s\n", script.file.c_str(), condition.c_str());
    return true;
}

bool perform_all(const Program& program) {
    bool is_well = true;
    for (const auto& file : program.plays) {
        const auto script = read_script(file);
        is_well &= perform(script, cast(program), {}, {});
        if (!program.with_swaps) continue;
        for (const auto& module : modules_under_test(program))
            is_well &= perform(script, cast(program), ", " + module + " swapped after each line",
                               [&](Stage& stage, const Line&) { swap(stage, module); });
    }
    return is_well;
}

}   // namespace

int main(int argc, char** argv) {
    CLI::App app{"tambo-play - performs plays: who sends what to an XMPP server, and who gets to see what of it"};
    Program program;
    app.add_option("-m,--modules", program.folders, "a folder with modules to load besides those that are installed")
        ->check(CLI::ExistingDirectory)
        ->allow_extra_args(false);
    app.add_option("--without", program.without, "a module not to load")->allow_extra_args(false);
    app.add_flag("--swap", program.with_swaps, "again for each module in those folders, swapped after each line");
    app.add_option("play", program.plays, "the plays")->required()->check(CLI::ExistingFile);
    app.set_version_flag("--version", std::string{"tambo-play "} + std::string{tambo::version()});
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        return perform_all(program) ? 0 : 1;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "tambo-play: %s\n", problem.what());
        return 2;
    }
}
