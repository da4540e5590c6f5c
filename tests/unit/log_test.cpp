#include "server/log.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace tambo;

class StoppedClock final : public Clock {
public:
    Time now() const noexcept override { return Time{std::chrono::milliseconds{1'795'320'000'123}}; }
    Duration steady() const noexcept override { return {}; }
};

class LogFile : public testing::Test {
protected:
    LogFile() { std::filesystem::create_directory(folder_); }
    ~LogFile() override { std::filesystem::remove_all(folder_); }

    LogSettings settings(LogSettings::Format format = LogSettings::Format::text) const {
        return {Level::info, file_.string(), format};
    }
    static std::string content(const std::filesystem::path& file) {
        std::ifstream in{file};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    const std::filesystem::path folder_ =
        std::filesystem::path{testing::TempDir()} / ("tambo-log-" + std::to_string(::getpid()));
    const std::filesystem::path file_ = folder_ / "tambo.log";
    const std::shared_ptr<const Clock> clock_ = std::make_shared<StoppedClock>();
};

TEST_F(LogFile, gets_time_level_and_name_before_each_line) {
    Logger logger{settings(), {}, clock_};
    logger.named("roster")->warning("store is slow ({:.1f} s); new contacts wait, nothing is lost", 2.1);
    EXPECT_EQ(content(file_),
              "2026-11-22T04:00:00.123Z warning roster: store is slow (2.1 s); new contacts wait, nothing is lost\n");
}

TEST_F(LogFile, gets_one_json_object_a_line) {
    Logger logger{settings(LogSettings::Format::json), {}, clock_};
    logger.named("roster")->error("a \"quoted\" \\ line\n\x1b\xff{}", "\u00E9");
    EXPECT_EQ(content(file_),
              "{\"time\":\"2026-11-22T04:00:00.123Z\",\"level\":\"error\",\"module\":\"roster\","
              "\"text\":\"a \\\"quoted\\\" \\\\ line\\u000a\\u001b\\ufffd\u00E9\"}\n");
}

TEST_F(LogFile, cannot_be_forged_by_what_strangers_write) {
    Logger logger{settings(), {}, clock_};
    logger.named("c2s")->info("resource \"{}\"",
                              "x\n2026-11-22T04:00:00.123Z error c2s: \x1b[2J\u0085\u202E\xC0\x7F\u2028");
    const auto text = content(file_);
    EXPECT_EQ(text,
              "2026-11-22T04:00:00.123Z info c2s: resource \"x\\n2026-11-22T04:00:00.123Z error c2s: "
              "\\x1b[2J\\u0085\\u202e\\xc0\\x7f\\u2028\"\n");
}

TEST_F(LogFile, has_lines_of_bounded_length_cut_between_characters) {
    Logger logger{settings(), {}, clock_};
    std::string line(Logger::max_line_bytes - 1, 'x');
    for (int i = 0; i < 1000; ++i) line += "\u00E9";
    logger.named("c2s")->info("{}", line);
    const auto text = content(file_);
    EXPECT_LT(text.size(), Logger::max_line_bytes + 100);
    EXPECT_EQ(text.find("\\x"), std::string::npos);
}

TEST_F(LogFile, leaves_out_what_is_below_the_level_of_the_moment) {
    Logger logger{settings(), {}, clock_};
    const auto log = logger.named("roster");
    EXPECT_FALSE(log->enabled(Level::debug));
    log->debug("quiet");
    logger.set_level(Level::debug);
    log->debug("chatty");
    logger.set_level(Level::error);
    log->warning("quiet again");
    log->write(Level::warning, "quiet this way, too");
    EXPECT_EQ(content(file_), "2026-11-22T04:00:00.123Z debug roster: chatty\n");
}

TEST_F(LogFile, can_be_rotated) {
    Logger logger{settings(), {}, clock_};
    const auto log = logger.named("roster");
    log->info("one");
    std::filesystem::rename(file_, folder_ / "old.log");
    log->info("two");
    logger.reopen();
    log->info("three");
    EXPECT_EQ(content(folder_ / "old.log"),
              "2026-11-22T04:00:00.123Z info roster: one\n2026-11-22T04:00:00.123Z info roster: two\n");
    EXPECT_EQ(content(file_), "2026-11-22T04:00:00.123Z info roster: three\n");
}

TEST_F(LogFile, is_appended_to) {
    for (int run = 0; run < 2; ++run) Logger{settings(), {}, clock_}.named("x")->info("started");
    EXPECT_EQ(content(file_), "2026-11-22T04:00:00.123Z info x: started\n2026-11-22T04:00:00.123Z info x: started\n");
}

TEST_F(LogFile, stays_the_old_one_if_the_new_one_cannot_be_opened) {
    Logger logger{settings(), {}, clock_};
    const auto log = logger.named("roster");
    std::filesystem::rename(file_, folder_ / "old.log");
    std::filesystem::create_directory(file_);
    EXPECT_THROW(logger.reopen(), std::runtime_error);
    log->info("still here");
    EXPECT_EQ(content(folder_ / "old.log"), "2026-11-22T04:00:00.123Z info roster: still here\n");
}

TEST_F(LogFile, that_cannot_be_opened_at_start_is_a_config_error) {
    std::filesystem::create_directory(file_);
    EXPECT_THROW(Logger{settings()}, ConfigError);
}

TEST(Logger, gives_lines_to_a_sink_if_there_is_one) {
    std::vector<std::string> lines;
    Logger logger{{}, [&](Level level, std::string_view line) {
                      lines.push_back(std::string{to_string(level)} + '|' + std::string{line});
                  }};
    logger.named("disco")->info("hello\nworld");
    logger.reopen();
    EXPECT_EQ(lines, std::vector<std::string>{"info|disco: hello\\nworld"});
}

TEST(Logger, survives_a_sink_that_throws) {
    Logger logger{{}, [](Level, std::string_view) { throw std::runtime_error("full"); }};
    EXPECT_NO_THROW(logger.named("disco")->info("hello"));
}

TEST_F(LogFile, gets_whole_lines_from_many_threads) {
    Logger logger{settings(), {}, clock_};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&logger] {
            const auto log = logger.named("x");
            for (int i = 0; i < 200; ++i) log->info("{}", std::string(100, 'y'));
        });
    for (auto& thread : threads) thread.join();
    std::ifstream in{file_};
    std::size_t count = 0;
    for (std::string line; std::getline(in, line); ++count)
        ASSERT_EQ(line, "2026-11-22T04:00:00.123Z info x: " + std::string(100, 'y'));
    EXPECT_EQ(count, 800U);
}

TEST_F(LogFile, may_become_another_one_with_another_form) {
    Logger logger{settings(), {}, clock_};
    const auto log = logger.named("x");
    auto other = settings(LogSettings::Format::json);
    other.target = (folder_ / "other.log").string();
    other.level = Level::debug;
    logger.follow(other);
    log->debug("hello");
    EXPECT_EQ(content(file_), "");
    EXPECT_EQ(content(other.target),
              "{\"time\":\"2026-11-22T04:00:00.123Z\",\"level\":\"debug\",\"module\":\"x\",\"text\":\"hello\"}\n");
    auto nowhere = settings();
    nowhere.target = folder_.string();   // a folder is no file
    EXPECT_THROW(logger.follow(nowhere), ConfigError);
    log->debug("still here");
    EXPECT_NE(content(other.target).find("still here"), std::string::npos) << "a target that fails changes nothing";
}

}   // namespace
