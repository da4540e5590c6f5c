// The ini: whatever is accepted can be written down and read again; what is refused is refused in a sentence.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include <tambo/server.hpp>

#include "module/construction.hpp"
#include "server/options.hpp"

namespace {

using namespace tambo;

void demand(bool claim, std::string_view what) {
    if (claim) return;
    fmt::print(stderr, "broken promise: {}\n", what);
    std::abort();
}

std::string written(const Config& config) {
    std::string text;
    for (const auto& section : config.sections()) {
        text += '[' + section.name + "]\n";
        for (const auto& entry : section.entries)
            text += entry.key + '=' + entry.value + '\n';   // "= ;" would begin a comment
    }
    return text;
}

bool same_content(const Config& a, const Config& b) {
    if (a.sections().size() != b.sections().size()) return false;
    for (std::size_t i = 0; i < a.sections().size(); ++i) {
        const auto &left = a.sections()[i], &right = b.sections()[i];
        if (left.name != right.name || left.entries.size() != right.entries.size()) return false;
        for (std::size_t j = 0; j < left.entries.size(); ++j)
            if (left.entries[j].key != right.entries[j].key || left.entries[j].value != right.entries[j].value)
                return false;
    }
    return true;
}

bool has_long_line(std::string_view text) {
    constexpr std::size_t inih_buffer_bytes = 198;
    for (;;) {
        const auto end = text.find('\n');
        if (text.substr(0, end).size() > inih_buffer_bytes) return true;
        if (end == std::string_view::npos) return false;
        text.remove_prefix(end + 1);
    }
}

void read_it(const Config& config) {
    std::vector<OptionInfo> declared;
    try {
        const auto settings = read_settings(config, declared);
        demand(!settings.server.domains.empty(), "a domain");
        demand(!settings.listeners.empty(), "a listener");
        demand(settings.hosts.size() == settings.server.domains.size(), "a host for each domain");
        demand(settings.server.data.is_absolute() && settings.server.control.is_absolute(), "absolute paths");
    } catch (const ConfigError&) {
    }
    for (const auto& complaint : complaints(config, declared, kernel_sections()))
        demand(complaint.starts_with("tambo.ini:"), "a complaint names its place");
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto config = Config::parse({reinterpret_cast<const char*>(data), size}, "tambo.ini");
        const auto text = written(config);
        if (!has_long_line(text))
            demand(same_content(config, Config::parse(text, "again.ini")), "it can be read again");
        read_it(config);
    } catch (const ConfigError& error) {
        demand(std::string_view{error.what()}.starts_with("tambo.ini:"), "a refusal names its place");
    }
    return 0;
}
