#include "xml.hpp"

namespace bench {

namespace {

constexpr std::string_view space = " \t\r\n";

}   // namespace

std::size_t tag_length(std::string_view xml) noexcept {
    std::size_t at = 1;
    for (;;) {
        at = xml.find_first_of(">'\"", at);
        if (at == std::string_view::npos) return 0;
        if (xml[at] == '>') return at + 1;
        at = xml.find(xml[at], at + 1);   // a '>' may stand in a value
        if (at == std::string_view::npos) return 0;
        ++at;
    }
}

std::size_t element_length(std::string_view xml) noexcept {
    std::size_t at = 0;
    int depth = 0;
    for (;;) {
        const auto length = at + 1 < xml.size() ? tag_length(xml.substr(at)) : 0;
        if (length == 0) return 0;
        const auto end = at + length;
        if (xml[at + 1] == '/')
            --depth;
        else if (xml[end - 2] != '/')
            ++depth;
        if (depth <= 0) return end;
        at = xml.find('<', end);
        if (at == std::string_view::npos) return 0;
    }
}

bool is_element(std::string_view xml, std::string_view name) noexcept {
    if (xml.size() < name.size() + 2 || xml.substr(1, name.size()) != name) return false;
    const char next = xml[name.size() + 1];
    return next == '/' || next == '>' || space.find(next) != std::string_view::npos;
}

std::string_view attribute(std::string_view xml, std::string_view name) noexcept {
    constexpr auto none = std::string_view::npos;
    auto at = xml.find_first_of(" \t\r\n/>", 1);
    for (;;) {
        at = xml.find_first_not_of(space, at);
        if (at == none || xml[at] == '>' || xml[at] == '/') return {};
        const auto equals = xml.find('=', at);
        if (equals == none || equals + 1 >= xml.size()) return {};
        const auto end = xml.find(xml[equals + 1], equals + 2);
        if (end == none) return {};
        if (xml.substr(at, equals - at) == name) return xml.substr(equals + 2, end - equals - 2);
        at = end + 1;
    }
}

std::string_view text_of(std::string_view xml, std::string_view open) noexcept {
    const auto begin = xml.find(open);
    if (begin == std::string_view::npos) return {};
    const auto tag_end = xml.find('>', begin);
    if (tag_end == std::string_view::npos || xml[tag_end - 1] == '/') return {};
    const auto end = xml.find('<', tag_end);
    if (end == std::string_view::npos) return {};
    return xml.substr(tag_end + 1, end - tag_end - 1);
}

}   // namespace bench
