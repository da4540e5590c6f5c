#include "ctl/new_module.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace tambo::ctl {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view model = "greeter";   // what the module is called in the template
constexpr std::size_t max_name_bytes = 40;

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

bool is_module_name(std::string_view name) {
    const auto is_part = [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; };
    return !name.empty() && name.size() <= max_name_bytes && is_letter(name.front()) &&
           std::ranges::all_of(name, is_part);
}

/// word_count is a class WordCount.
std::string class_name(std::string_view name) {
    std::string result;
    bool is_start = true;
    for (const char c : name) {
        if (c != '_') result += is_start ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        is_start = c == '_';
    }
    return result;
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
}

std::string renamed(std::string text, std::string_view name) {
    replace_all(text, class_name(model), class_name(name));
    replace_all(text, model, name);
    return text;
}

fs::path template_folder() {
    const auto bin = fs::canonical("/proc/self/exe").parent_path();
    const auto folder = (bin / TAMBO_DATADIR_FROM_BINDIR / "tambo" / "module-template").lexically_normal();
    if (!fs::is_directory(folder))
        throw std::runtime_error{"there is no template in " + folder.string() +
                                 "; was all of tambo installed, its share folder too?"};
    return folder;
}

void copy_renamed(const fs::path& from, const fs::path& to, std::string_view name) {
    std::ifstream in{from, std::ios::binary};
    std::ofstream out{to, std::ios::binary};
    out << renamed({std::istreambuf_iterator<char>{in}, {}}, name);
    if (!in || !out.flush()) throw std::runtime_error{"cannot write " + to.string()};
    fs::permissions(to, fs::status(from).permissions() | fs::perms::owner_write);
}

}   // namespace

void new_module(const std::vector<std::string>& words) {
    if (words.size() < 2 || words.size() > 3) throw std::invalid_argument{"expected: new-module NAME [FOLDER]"};
    const auto& name = words[1];
    const fs::path folder{words.back()};
    if (!is_module_name(name))
        throw std::invalid_argument{'"' + name + "\" is no name for a module: a small letter, then small letters, " +
                                    "digits and _, not more than " + std::to_string(max_name_bytes) + " of them"};
    if (fs::exists(folder))
        throw std::runtime_error{folder.string() + " is there already and stays as it is; name another folder"};
    const auto from = template_folder();
    fs::create_directories(folder);
    for (const auto& entry : fs::directory_iterator{from})
        copy_renamed(entry.path(), folder / renamed(entry.path().filename(), name), name);
    std::printf(
        "%s has all that the module %s needs, and README.md tells the rest. Now type:\n\n"
        "  cd %s\n  cmake -B build && cmake --build build\n  ctest --test-dir build --output-on-failure\n\n"
        "While `tambod --config build/tambo.ini` runs, each further build is live at once.\n",
        folder.c_str(), name.c_str(), folder.c_str());
}

}   // namespace tambo::ctl
