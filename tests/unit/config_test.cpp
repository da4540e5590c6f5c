#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

#include <gtest/gtest.h>

#include <tambo/server.hpp>

namespace {

using namespace tambo;

Config parsed(std::string_view text) { return Config::parse(text, "tambo.ini"); }

std::string value(const Config& config, std::string_view section, std::string_view key) {
    const auto* entry = config.find(section, key);
    return entry ? entry->value : "(none)";
}

std::string complaint(std::string_view text) {
    try {
        parsed(text);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "(none)";
}

TEST(Config, remembers_sections_keys_and_values_with_their_lines) {
    const auto config = parsed(
        "; a comment\n"
        "[server]\n"
        "domain = localhost   ; the first\n"
        "\n"
        "[module roster]\n"
        "# another comment\n"
        "grace=5s\n"
        "empty =\n");
    ASSERT_EQ(config.sections().size(), 2U);
    EXPECT_EQ(config.find("server")->line, 2);
    EXPECT_EQ(value(config, "server", "domain"), "localhost");
    EXPECT_EQ(config.find("server", "domain")->line, 3);
    EXPECT_EQ(value(config, "module roster", "grace"), "5s");
    EXPECT_EQ(value(config, "module roster", "empty"), "");
    EXPECT_EQ(config.where("module roster", *config.find("module roster", "grace")), "tambo.ini:7: [module roster]");
    EXPECT_EQ(config.find("nothing"), nullptr);
    EXPECT_EQ(config.find("server", "nothing"), nullptr);
}

TEST(Config, keeps_a_section_without_keys) { EXPECT_NE(parsed("[tls]\n[log]").find("log"), nullptr); }

TEST(Config, does_not_mind_foreign_line_ends_a_mark_and_a_missing_last_newline) {
    const auto config = parsed("\xEF\xBB\xBF[server]\r\ndomain = localhost\r\ndata = /tmp/x");
    EXPECT_EQ(value(config, "server", "domain"), "localhost");
    EXPECT_EQ(value(config, "server", "data"), "/tmp/x");
}

TEST(Config, takes_one_spelling_of_a_section_for_another) {
    EXPECT_NE(parsed("[  module \t roster ]  ; friends").find("module roster"), nullptr);
}

TEST(Config, lets_a_value_go_on_in_indented_lines) {
    const auto config = parsed(
        "[server]\n"
        "modules = starttls, sasl,   ; these first\n"
        "    bind,   ; and then\n"
        "\n"
        "; a comment between\n"
        "    roster\n"
        "threads = 2\n");
    EXPECT_EQ(value(config, "server", "modules"), "starttls, sasl, bind, roster");
    EXPECT_EQ(config.find("server", "modules")->line, 2);
    EXPECT_EQ(config.find("server", "threads")->line, 7);
}

TEST(Config, keeps_section_names_whole_that_inih_would_cut) {
    const std::string domain(120, 'd');
    EXPECT_NE(parsed("[host " + domain + ".example]\nkey = x\n").find("host " + domain + ".example"), nullptr);
}

TEST(Config, says_where_it_stopped_to_understand) {
    EXPECT_EQ(complaint("[server]\nthis is no setting\n"), "tambo.ini:2: expected [section] or key = value");
    EXPECT_EQ(complaint("domain = x\n"), "tambo.ini:1: \"domain\" stands before the first [section]");
    EXPECT_EQ(complaint("\n[server\n"), "tambo.ini:2: expected [section]");
    EXPECT_EQ(complaint("[]\n"), "tambo.ini:1: expected [section]");
    EXPECT_EQ(complaint("[server] domain = x\n"), "tambo.ini:1: nothing may follow [server] in its line");
    EXPECT_EQ(complaint("[server]\n= x\n"), "tambo.ini:2: expected key = value");
    EXPECT_EQ(complaint("[a]\n[b]\n[a]\n"), "tambo.ini:3: [a] was opened before, in line 1; put all its keys there");
    EXPECT_EQ(complaint("[a]\nx = 1\n\nx = 2\n"), "tambo.ini:4: [a] \"x = 2\": x was set before, in line 2");
    EXPECT_EQ(complaint({"[a]\nx = 1\0\n", 11}), "tambo.ini:2: has a zero byte");
}

TEST(Config, does_not_take_an_indented_key_for_part_of_the_value_above) {
    constexpr std::string_view sentence =
        "a key begins in the first column; only what goes on with the value above is indented";
    EXPECT_EQ(complaint("[a]\nx = 1\n  y = 2\n"), "tambo.ini:3: " + std::string{sentence});
    EXPECT_EQ(complaint("[a]\n  y = 2\n"), "tambo.ini:2: " + std::string{sentence});
    EXPECT_EQ(complaint("[a]\nx = 1\n  [b]\n"), "tambo.ini:3: a section begins in the first column");
}

TEST(Config, refuses_lines_that_inih_would_cut_in_two) {
    const std::string line = "x = " + std::string(300, 'v');
    EXPECT_EQ(complaint("[a]\n" + line + "\n"),
              "tambo.ini:2: the line is longer than 198 bytes; a value may go on in the next line, indented");
    EXPECT_EQ(value(parsed("[a]\n; " + line + "\ny = 1\n"), "a", "y"), "1") << "a comment may be as long as it likes";
    const std::string longest = "x = " + std::string(194, 'v');
    EXPECT_EQ(value(parsed("[a]\n" + longest + "\ny = 1\n"), "a", "x"), std::string(194, 'v'));
}

class ConfigFile : public testing::Test {
protected:
    ConfigFile() { std::filesystem::create_directory(folder_); }
    ~ConfigFile() override { std::filesystem::remove_all(folder_); }
    const std::filesystem::path folder_ =
        std::filesystem::path{testing::TempDir()} / ("tambo-config-" + std::to_string(::getpid()));
};

TEST_F(ConfigFile, is_read_and_named) {
    const auto file = folder_ / "tambo.ini";
    std::ofstream{file} << "[server]\ndomain = capulet.lit\n";
    const auto config = Config::load(file);
    EXPECT_EQ(config.file(), file.string());
    EXPECT_EQ(value(config, "server", "domain"), "capulet.lit");
    EXPECT_EQ(config.where("server", *config.find("server", "domain")), file.string() + ":2: [server]");
}

TEST_F(ConfigFile, that_cannot_be_read_is_named_with_the_reason) {
    const auto message = [](const std::filesystem::path& file) -> std::string {
        try {
            Config::load(file);
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "(none)";
    };
    EXPECT_EQ(message(folder_ / "no.ini"),
              (folder_ / "no.ini").string() + ": cannot be read: No such file or directory");
    EXPECT_EQ(message(folder_), folder_.string() + ": is a folder, expected a file");
    const auto huge = folder_ / "huge.ini";
    std::ofstream{huge} << std::string((1 << 20) + 1, ';');
    EXPECT_EQ(message(huge), huge.string() + ": is longer than 1 MiB");
}

TEST(Config, can_be_made_by_hand) {
    Config config;
    config.domain("capulet.lit").domain("montague.lit").module("roster").module("disco").data("/tmp/x");
    config.listen("127.0.0.1", 0).listen("::1", 5222);
    config.set("module roster", "grace", "5s").set("module roster", "grace", "6s");
    EXPECT_EQ(value(config, "server", "domain"), "capulet.lit, montague.lit");
    EXPECT_EQ(value(config, "server", "modules"), "roster, disco");
    EXPECT_EQ(value(config, "server", "data"), "/tmp/x");
    EXPECT_EQ(value(config, "listener c2s", "port"), "0");
    EXPECT_EQ(value(config, "listener c2s-2", "address"), "::1");
    EXPECT_EQ(value(config, "module roster", "grace"), "6s");
    EXPECT_EQ(config.file(), "");
    EXPECT_EQ(config.where("module roster", *config.find("module roster", "grace")), "[module roster]");
}

TEST(Config, names_no_line_for_what_was_set_by_hand_later) {
    auto config = parsed("[server]\ndomain = x\n");
    config.set("server", "domain", "y");
    EXPECT_EQ(config.where("server", *config.find("server", "domain")), "[server]");
    EXPECT_EQ(value(config, "server", "domain"), "y");
}

TEST(Config, adopts_sections_and_keys_from_another_one) {
    auto mine = Config::parse("[log]\nlevel = info\ntarget = stderr\n[module a]\nx = 1\n", "tambo.ini");
    const auto theirs = Config::parse("[log]\nlevel = debug\n[module b]\n\ny = 2\n", "tambo.ini");
    mine.adopt(theirs, "log", "level")
        .adopt(theirs, "log", "target")
        .adopt(theirs, "module a")
        .adopt(theirs, "module b");
    ASSERT_NE(mine.find("log", "level"), nullptr);
    EXPECT_EQ(mine.find("log", "level")->value, "debug");
    EXPECT_EQ(mine.find("log", "target"), nullptr) << "it is not there any more";
    EXPECT_EQ(mine.find("module a"), nullptr);
    ASSERT_NE(mine.find("module b", "y"), nullptr);
    EXPECT_EQ(mine.find("module b", "y")->line, 5);
    mine.adopt(theirs, "module c").adopt(theirs, "module c", "z");
    EXPECT_EQ(mine.find("module c"), nullptr);
}

}   // namespace
