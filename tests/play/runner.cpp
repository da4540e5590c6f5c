#include "runner.hpp"

#include <fstream>
#include <utility>

namespace play {

namespace {

class Body final : public testing::Test {
public:
    explicit Body(std::function<void()> body) : body_(std::move(body)) {}
    void TestBody() override { body_(); }

private:
    std::function<void()> body_;
};

std::string quote(const Script& script, int number) {
    std::ifstream in{script.file};
    std::string line;
    for (int i = 0; i < number && std::getline(in, line); ++i) {
    }
    return line;
}

}   // namespace

void perform_as_test(const Script& script, const StageMaker& make_stage, const StageHand& stage_hand) {
    std::unique_ptr<Stage> stage;
    try {
        stage = make_stage(script);
        perform(script, *stage, stage_hand);
    } catch (const Failure& failure) {
        ADD_FAILURE_AT(script.file.c_str(), failure.line)
            << "# " << script.title << '\n'
            << quote(script, failure.line) << "\n  " << failure.what() << "\n--- the server's log ---\n"
            << (stage ? stage->log() : "");
    } catch (const std::exception& e) {
        ADD_FAILURE_AT(script.file.c_str(), 1) << e.what() << '\n' << (stage ? stage->log() : "");
    }
}

void register_test(const std::string& suite, const std::string& name, const Script& script,
                   std::function<void()> body) {
    testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr, script.file.c_str(), 1,
                          [body = std::move(body)]() -> testing::Test* { return new Body{body}; });
}

}   // namespace play
