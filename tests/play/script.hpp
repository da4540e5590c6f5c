// A play as it is written: who does what, line by line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace play {

/// One line with all that hangs below it by indentation.
struct Line {
    int number = 0;
    std::string who;    ///< "Juliet"; empty for `time passes` and `the server has`
    std::string what;   ///< "sends", "receives nothing", "connects as romeo/phone"
    std::string text;   ///< behind the colon
};

struct Script {
    std::filesystem::path file;
    std::string title;   ///< the first comment
    std::vector<Line> lines;

    std::string name() const { return file.stem().string(); }
    bool needs_clock() const;   ///< time passes in it
};

/// Throws std::runtime_error naming file and line.
Script read_script(const std::filesystem::path& file);
Script parse_script(std::string_view text, const std::filesystem::path& file);

/// All plays of a folder, by name.
std::vector<Script> read_scripts(const std::filesystem::path& folder);

}   // namespace play
