#include "script.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace play {

namespace {

std::string trim(std::string_view text) {
    constexpr std::string_view space = " \t\r";
    const auto first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return std::string{text.substr(first, text.find_last_not_of(space) - first + 1)};
}

/// The colon that ends the action: `Juliet sends:   <message…`, not one further right in the XML.
Line read_line(std::string_view text, int number) {
    Line line{number, {}, {}, {}};
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
        line.text = trim(text.substr(colon + 1));
        text = text.substr(0, colon);
    }
    line.what = trim(text);
    if (std::isupper(static_cast<unsigned char>(line.what.front())) == 0) return line;
    const auto blank = line.what.find(' ');
    if (blank == std::string::npos) throw std::runtime_error{"does nothing"};
    line.who = line.what.substr(0, blank);
    line.what = trim(std::string_view{line.what}.substr(blank));
    return line;
}

}   // namespace

bool Script::needs_clock() const {
    return std::ranges::any_of(lines, [](const Line& line) { return line.what == "time passes"; });
}

Script parse_script(std::string_view text, const std::filesystem::path& file) {
    Script script{file, {}, {}};
    std::istringstream in{std::string{text}};
    int number = 0;
    for (std::string raw; std::getline(in, raw);) {
        ++number;
        const auto content = trim(raw);
        if (content.starts_with('#')) {
            if (script.title.empty()) script.title = trim(std::string_view{content}.substr(1));
            continue;
        }
        if (content.empty()) continue;
        try {
            if (raw.front() != ' ' && raw.front() != '\t')
                script.lines.push_back(read_line(content, number));
            else if (script.lines.empty())
                throw std::runtime_error{"continues nothing"};
            else
                script.lines.back().text += '\n' + content;
        } catch (const std::exception& e) {
            throw std::runtime_error{file.string() + ':' + std::to_string(number) + ": " + e.what()};
        }
    }
    return script;
}

Script read_script(const std::filesystem::path& file) {
    std::ifstream in{file};
    if (!in) throw std::runtime_error{file.string() + ": cannot be read"};
    return parse_script(std::string{std::istreambuf_iterator<char>{in}, {}}, file);
}

std::vector<Script> read_scripts(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder})
        if (entry.path().extension() == ".play") files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<Script> scripts;
    for (const auto& file : files) scripts.push_back(read_script(file));
    return scripts;
}

}   // namespace play
