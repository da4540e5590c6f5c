// Plays beside Tybalt, whose every event may make a module throw: the play itself must come true unchanged.
#include <stdexcept>

#include <tambo/server.hpp>

#include "client.hpp"
#include "runner.hpp"

namespace {

using namespace play;

std::unique_ptr<Stage> stage_for(const Script& script, long strike_at) {
    Cast cast;
    cast.modules = all_modules();
    cast.modules.emplace_back("saboteur");
    cast.folders = {TAMBO_BINARY_DIR "/saboteur"};
    cast.settings = settings(script);
    cast.settings.push_back({"module saboteur", "at", std::to_string(strike_at)});
    cast.settings.push_back({"kernel", "faults", "0"});   // it shall go on, however often it fails
    cast.threads = 1;                                     // one instance: the n-th event is the same one in each run
    return in_process(cast);
}

/// Tybalt does a bit of everything between the lines, and Mercutio answers. Neither is in any play.
class Brawl {
public:
    void between_lines(Stage& stage) {
        if (!mercutio_) gather(stage);
        if (round_++ % 3 == 2) rejoin(stage);
        tybalt_->send("<message to='mercutio@fight.localhost'><body>Turn and draw</body></message>");
        tybalt_->send("<message to='mercutio@localhost' type='chat'><body>Consort?</body></message>");
        tybalt_->send("<presence><show>chat</show></presence>");
        mercutio_->send("<message to='tybalt@localhost' type='chat'><body>Rat-catcher!</body></message>");
        mercutio_->send("<iq type='get' id='v' to='tybalt@localhost/t'><query xmlns='jabber:iq:version'/></iq>");
        tybalt_->sync_despite_a_fault();
        mercutio_->sync();
        stage.settle();
        calm(*tybalt_, "Tybalt");
        calm(*mercutio_, "Mercutio");
    }

    long events() const {
        if (!mercutio_) return 0;
        mercutio_->send("<iq type='get' id='e' to='localhost'><query xmlns='urn:tambo:test:saboteur'/></iq>");
        const auto answer = mercutio_->receive();
        return std::stol(*answer.children.at(0).attribute("events"));
    }

private:
    static constexpr Wishes silent{.priority = {}, .presence = false, .roster = false, .stream_management = false};

    void gather(Stage& stage) {
        stage.add_user("tybalt", "secret");
        stage.add_user("mercutio", "secret");
        mercutio_ = std::make_unique<Client>("mercutio", "m", "localhost");
        mercutio_->connect(stage.connect(), {});
        tybalt_ = std::make_unique<Client>("tybalt", "t", "localhost");
        tybalt_->connect(stage.connect(), silent);
    }

    /// He leaves in two ways.
    void rejoin(Stage& stage) {
        if (round_ % 2 == 0)
            tybalt_->disconnect();
        else
            tybalt_->drop();
        tybalt_->connect(stage.connect(), silent);
    }

    /// He may have got errors, but he must still be there.
    static void calm(Client& client, const std::string& name) {
        if (client.stream_error() != nullptr)
            throw std::runtime_error{name + " lost the stream to a fault of a module"};
        while (client.poll_inbox()) {
        }
    }

    std::unique_ptr<Client> tybalt_, mercutio_;
    int round_ = 0;
};

/// Performs it with Tybalt on the stage; says how many of his events there were.
long perform_beside(const Script& script, long strike_at) {
    Brawl brawl;
    long events = 0;
    perform_as_test(
        script, [strike_at](const Script& s) { return stage_for(s, strike_at); },
        [&](Stage& stage, const Line& line) {
            brawl.between_lines(stage);
            if (line.number == script.lines.back().number) events = brawl.events();
        });
    return events;
}

/// Plays in which Tybalt has a part of his own are not for him to disturb; nor those in which the server ends, and his
/// stream with it.
bool is_fit(const Script& script) {
    for (const auto& line : script.lines)
        if (line.who == "Tybalt" || line.who == "Mercutio" || line.what == "the server dies") return false;
    return true;
}

/// Long enough to have everything in them, short enough to be played hundreds of times.
bool is_for_every_event(const Script& script) { return script.name() == "offline" || script.name() == "sm_resume"; }

// Each strike is a server of its own, and a sanitizer makes that ten times as long: there, samples have to do. None for
// TSan, since it is a server of one thread, and struck_at_all_events throws in each of its events.
#if defined(__SANITIZE_ADDRESS__)
constexpr long stride = 29;
#else
constexpr long stride = 1;
#endif
#if defined(__SANITIZE_THREAD__)
constexpr bool strikes_one_by_one = false;
#else
constexpr bool strikes_one_by_one = true;
#endif

void strike_at_each_event_in_turn(const Script& script) {
    const auto events = perform_beside(script, 0);
    ASSERT_GT(events, 50) << "Tybalt hardly did anything";
    for (long n = 1; n <= events && !testing::Test::HasFailure(); n += stride) {
        SCOPED_TRACE("struck at event " + std::to_string(n));
        perform_beside(script, n);
    }
}

}   // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (const auto& script : read_scripts(TAMBO_SOURCE_DIR "/tests/play")) {
        if (!is_fit(script)) continue;
        register_test("struck_at_all_events", script.name(), script,
                      [script] { EXPECT_GT(perform_beside(script, -1), 0) << "Tybalt did nothing"; });
        if (strikes_one_by_one && is_for_every_event(script))
            register_test("struck_at_the_nth_event", script.name(), script,
                          [script] { strike_at_each_event_in_turn(script); });
    }
    return RUN_ALL_TESTS();
}
