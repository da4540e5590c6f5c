// A codec's memory of a stream outlives the codec: the next version reads it, or stays out.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include <tambo/bytes.hpp>
#include <tambo/server.hpp>

#include "client.hpp"
#include "stage.hpp"

namespace {

const std::filesystem::path villains{TAMBO_BINARY_DIR "/villains"};

/// A client that whispers (modules/whisper.hpp).
class Whisperer {
public:
    explicit Whisperer(std::unique_ptr<play::Wire> wire) : wire_(std::move(wire)) {}

    void log_in(const std::string& user) {
        wire_->write("~open localhost\n");
        skip("features");
        say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
            tambo::base64(std::string{'\0'} + user + '\0' + "secret") + "</auth>\nopen localhost");
        skip("features");
        say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
        skip("result");
    }
    void say(const std::string& line) { wire_->write(line + "\n"); }

    /// The next line, without the number that it has to have; empty at the end.
    std::string hear() {
        while (tail_.find('\n') == std::string::npos) {
            const auto bytes = wire_->read(play::Client::patience);
            if (bytes.empty()) return {};
            tail_ += bytes;
        }
        auto line = tail_.substr(0, tail_.find('\n'));
        tail_.erase(0, line.size() + 1);
        if (line == "bye") return line;
        const auto space = line.find(' ');
        if (line.find(" open") == space) next_ = 0;   // a new stream counts anew
        EXPECT_EQ(line.substr(0, space), std::to_string(next_++)) << line;
        return line.substr(space + 1);
    }
    std::string skip(const std::string& until) {
        for (auto line = hear();; line = hear())
            if (line.empty() || line.find(until) != std::string::npos) return line;
    }

private:
    std::unique_ptr<play::Wire> wire_;
    std::string tail_;
    unsigned next_ = 0;
};

class CodecVersions : public testing::Test {
protected:
    CodecVersions() {
        play::Cast cast;
        cast.modules = play::all_modules();
        cast.modules.emplace_back("whisper");
        cast.folders = {villains};
        stage_ = play::in_process(cast);
        for (const auto* user : {"romeo", "juliet"}) stage_->add_user(user, "secret");
        juliet_.connect(stage_->connect(), {});
    }
    tambo::SwapReport reload(const std::string& version) {
        return stage_->server()->reload("whisper", villains / (version + ".so"));
    }
    void expect_an_answer(Whisperer& romeo) {
        romeo.say("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>");
        EXPECT_NE(romeo.hear().find("result"), std::string::npos);
    }

    std::unique_ptr<play::Stage> stage_;
    play::Client juliet_{"juliet", "j", "localhost"};
};

TEST_F(CodecVersions, the_next_one_reads_what_the_last_one_remembers) {
    Whisperer romeo{stage_->connect()};
    romeo.log_in("romeo");
    expect_an_answer(romeo);
    for (const auto* version : {"whisper", "whisper_v2", "whisper_v2"}) {
        const auto report = reload(version);
        ASSERT_TRUE(report.done) << version << ": " << report.reason;
        expect_an_answer(romeo);
        expect_an_answer(romeo);
    }
}

TEST_F(CodecVersions, one_that_cannot_is_refused_and_the_stream_goes_on) {
    Whisperer romeo{stage_->connect()};
    romeo.log_in("romeo");
    const auto report = reload("whisper_v3");
    EXPECT_FALSE(report.done);
    EXPECT_NE(report.reason.find("its codec whisper can't read what version 1 of it remembers"), std::string::npos)
        << report.reason;
    expect_an_answer(romeo);
    romeo.say("bye");
    EXPECT_EQ(romeo.skip("bye"), "bye");
    stage_->settle();
    EXPECT_TRUE(reload("whisper_v3").done) << "nobody whispers now";
}

TEST_F(CodecVersions, one_that_fails_costs_the_streams_that_it_fails_and_no_other) {
    Whisperer romeo{stage_->connect()};
    romeo.log_in("romeo");
    romeo.say("<presence/>");
    romeo.skip("presence");
    ASSERT_TRUE(reload("whisper_throws").done);
    expect_an_answer(romeo);
    juliet_.send("<message to='romeo@localhost'><body>hush</body></message>");
    EXPECT_NE(romeo.skip("stream:error").find("stream:error"), std::string::npos);
    juliet_.sync();
    EXPECT_TRUE(juliet_.is_connected());
    Whisperer again{stage_->connect()};
    again.log_in("romeo");
    expect_an_answer(again);
    const auto modules = stage_->server()->modules();
    for (const auto& module : modules)
        if (module.name == "whisper") EXPECT_GE(module.faults, 1U);
}

}   // namespace
