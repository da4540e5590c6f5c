#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <ini.h>

#include <tambo/server.hpp>

namespace tambo {

namespace {

constexpr std::size_t max_file_bytes = std::size_t{1} << 20;
constexpr std::size_t max_shown_bytes = 80;

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// "module   roster" and "module roster" are one section.
std::string tidy(std::string_view name) {
    std::string tidied;
    for (const char c : trimmed(name)) {
        const bool gap = is_space(c);
        if (!gap || tidied.back() != ' ') tidied += gap ? ' ' : c;
    }
    return tidied;
}

// inih takes the comment off the first line of a value, but not off those that go on with it.
std::string_view without_comment(std::string_view text) {
    for (std::size_t at = 1; at < text.size(); ++at)
        if (text[at] == ';' && is_space(text[at - 1])) return trimmed(text.substr(0, at));
    return text;
}

std::string_view shortened(std::string_view text) { return text.substr(0, max_shown_bytes); }

// Reads one text through inih. inih knows neither line numbers in its handler nor sections without keys, cuts long
// lines into several and long section names short; but it asks for one line after the other, so all that is known here.
class Parser {
public:
    Parser(std::string_view text, std::string file, std::vector<Config::Section>& sections)
        : rest_(text), file_(std::move(file)), sections_(sections) {}

    void run() {
        const int bad_line = ini_parse_stream(&Parser::read, this, &Parser::handle, this);
        if (!complaint_.empty()) throw ConfigError(complaint_);
        if (bad_line > 0) throw ConfigError(fmt::format("{}:{}: expected [section] or key = value", file_, bad_line));
        if (bad_line < 0) throw ConfigError(fmt::format("{}: no memory to read it", file_));
    }

private:
    // What fgets would do. Null ends the text.
    static char* read(char* buffer, int capacity, void* self) {
        return static_cast<Parser*>(self)->next_line(buffer, static_cast<std::size_t>(capacity));
    }
    static int handle(void* self, const char*, const char* key, const char* value) {
        static_cast<Parser*>(self)->take(key, value);
        return 1;
    }

    char* next_line(char* buffer, std::size_t capacity) {
        if (rest_.empty() || !complaint_.empty()) return nullptr;
        const auto end = rest_.find('\n');
        line_ = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        ++number_;
        constexpr std::size_t line_end_bytes = 2;
        if (line_.size() + line_end_bytes > capacity) line_ = short_comment(capacity - line_end_bytes);
        if (line_.find('\0') != std::string_view::npos) complain("has a zero byte");
        look_at(line_);
        if (!complaint_.empty()) return nullptr;
        line_.copy(buffer, line_.size());
        buffer[line_.size()] = '\n';
        buffer[line_.size() + 1] = '\0';
        return buffer;
    }

    // Only comments may be longer than inih's buffer.
    std::string_view short_comment(std::size_t limit) {
        const auto text = trimmed(line_);
        if (text.starts_with(';') || text.starts_with('#')) return ";";
        complain(fmt::format("the line is longer than {} bytes; a value may go on in the next line, indented", limit));
        return {};
    }

    void look_at(std::string_view line) {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (number_ == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
        is_indented_ = !line.empty() && is_space(line.front());
        const auto text = trimmed(line);
        if (!text.starts_with('[')) return;
        if (is_indented_) return complain("a section begins in the first column");
        open_section(text.substr(1));
    }

    void open_section(std::string_view text) {
        const auto bracket = text.find(']');
        const auto name = tidy(text.substr(0, bracket));
        if (bracket == std::string_view::npos || name.empty()) return complain("expected [section]");
        const auto behind = trimmed(text.substr(bracket + 1));
        if (!behind.empty() && !behind.starts_with(';') && !behind.starts_with('#'))
            return complain(fmt::format("nothing may follow [{}] in its line", shortened(name)));
        if (const auto* before = find(name))
            return complain(fmt::format("[{}] was opened before, in line {}; put all its keys there", shortened(name),
                                        before->line));
        sections_.push_back({name, number_, {}});
    }

    const Config::Section* find(std::string_view name) const {
        const auto found = std::ranges::find(sections_, name, &Config::Section::name);
        return found == sections_.end() ? nullptr : &*found;
    }

    void take(std::string_view key, std::string_view value) {
        if (!complaint_.empty()) return;
        if (sections_.empty()) return complain(fmt::format("\"{}\" stands before the first [section]", shortened(key)));
        auto& section = sections_.back();
        if (is_indented_) return go_on(section, value);
        if (key.empty()) return complain("expected key = value");
        const auto before = std::ranges::find(section.entries, key, &Config::Entry::key);
        if (before != section.entries.end())
            return complain(fmt::format("[{}] \"{} = {}\": {} was set before, in line {}", shortened(section.name),
                                        shortened(key), shortened(value), shortened(key), before->line));
        section.entries.push_back({std::string{key}, std::string{value}, number_});
    }

    // An indented line. inih takes `  key = value` below another key for more of that key's value, which nobody means.
    void go_on(Config::Section& section, std::string_view line) {
        const auto more = without_comment(line);
        const auto word = std::ranges::find_if_not(
            more, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
        const auto behind = trimmed({word, more.end()});
        if (section.entries.empty() || (word != more.begin() && behind.starts_with('=')))
            return complain("a key begins in the first column; only what goes on with the value above is indented");
        auto& value = section.entries.back().value;
        if (!value.empty()) value += ' ';
        value += more;
    }

    void complain(std::string_view what) {
        if (complaint_.empty()) complaint_ = fmt::format("{}:{}: {}", file_, number_, what);
    }

    std::string_view rest_, line_;
    std::string file_;
    std::vector<Config::Section>& sections_;
    std::string complaint_;   // the first one; the rest of the text is then skipped
    int number_ = 0;          // of line_, from 1
    bool is_indented_ = false;
};

std::string read_whole(const std::filesystem::path& file) {
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored))
        throw ConfigError(fmt::format("{}: is a folder, expected a file", file.string()));
    errno = 0;
    std::ifstream in{file, std::ios::binary};
    std::string text(max_file_bytes + 1, '\0');
    if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in.is_open() || in.bad())
        throw ConfigError(fmt::format("{}: cannot be read: {}", file.string(), std::generic_category().message(errno)));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

}   // namespace

Config Config::load(const std::filesystem::path& file) { return parse(read_whole(file), file.string()); }

Config Config::parse(std::string_view text, std::string name) {
    if (text.size() > max_file_bytes) throw ConfigError(fmt::format("{}: is longer than 1 MiB", name));
    Config config;
    config.file_ = std::move(name);
    Parser{text, config.file_, config.sections_}.run();
    return config;
}

Config& Config::set(std::string_view section, std::string_view key, std::string_view value) {
    const auto name = tidy(section);
    auto into = std::ranges::find(sections_, name, &Section::name);
    if (into == sections_.end()) into = sections_.insert(sections_.end(), Section{name, 0, {}});
    auto entry = std::ranges::find(into->entries, key, &Entry::key);
    if (entry == into->entries.end()) entry = into->entries.insert(entry, Entry{std::string{key}, {}, 0});
    entry->value = value;
    entry->line = 0;
    return *this;
}

Config& Config::adopt(const Config& from, std::string_view section, std::string_view key) {
    const auto name = tidy(section);
    const auto* theirs = from.find(name);
    const auto mine = std::ranges::find(sections_, name, &Section::name);
    if (key.empty()) {
        if (mine != sections_.end()) sections_.erase(mine);
        if (theirs != nullptr) sections_.push_back(*theirs);
        return *this;
    }
    const auto* entry = from.find(name, key);
    if (mine != sections_.end()) std::erase_if(mine->entries, [&](const Entry& e) { return e.key == key; });
    if (entry == nullptr) return *this;
    auto& into = mine != sections_.end() ? *mine : sections_.emplace_back(Section{name, theirs->line, {}});
    into.entries.push_back(*entry);
    return *this;
}

namespace {

// `config` with one more name in a list of [server].
Config& append(Config& config, std::string_view key, std::string_view name) {
    const auto* entry = config.find("server", key);
    if (!entry || entry->value.empty()) return config.set("server", key, name);
    return config.set("server", key, entry->value + ", " + std::string{name});
}

}   // namespace

Config& Config::domain(std::string_view name) { return append(*this, "domain", name); }

Config& Config::module(std::string_view name) { return append(*this, "modules", name); }

Config& Config::data(const std::filesystem::path& folder) { return set("server", "data", folder.string()); }

Config& Config::listen(std::string_view address, std::uint16_t port) {
    std::string section = "listener c2s";
    for (int n = 2; find(section); ++n) section = fmt::format("listener c2s-{}", n);
    return set(section, "kind", "starttls").set(section, "address", address).set(section, "port", fmt::to_string(port));
}

const Config::Section* Config::find(std::string_view section) const noexcept {
    const auto found = std::ranges::find(sections_, section, &Section::name);
    return found == sections_.end() ? nullptr : &*found;
}

const Config::Entry* Config::find(std::string_view section, std::string_view key) const noexcept {
    const auto* in = find(section);
    if (!in) return nullptr;
    const auto found = std::ranges::find(in->entries, key, &Entry::key);
    return found == in->entries.end() ? nullptr : &*found;
}

std::string Config::where(std::string_view section, const Entry& entry) const {
    if (entry.line == 0 || file_.empty()) return fmt::format("[{}]", section);
    return fmt::format("{}:{}: [{}]", file_, entry.line, section);
}

}   // namespace tambo
