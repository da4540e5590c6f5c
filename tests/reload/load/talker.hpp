// Two who talk all the time: each message is numbered, and answered.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>

#include "client.hpp"
#include "numbers.hpp"

namespace load {

struct TalkerHabits {
    std::size_t window = 4;                      ///< questions without answer at a time
    std::chrono::milliseconds pause{50};         ///< from one question to the next; 0: as fast as answers come
    std::uint64_t messages_per_resumption = 0;   ///< 0: no stream management; else its cable is cut so often
    Wire wire = Wire::xml;
    bool goes_away = false;   ///< logs out and in; questions go to its bare JID and wait there
};

class Talker final : public Client {
public:
    Talker(World& world, std::string user, std::string resource, TalkerHabits habits, unsigned seed);

    void talk_to(Talker& partner) { partner_ = &partner; }
    /// Asks on, if it is time.
    void tick(Clock::time_point now);
    bool is_ready() const noexcept { return is_ready_; }
    /// Nothing is under way any more.
    bool is_quiet() const noexcept { return questions_.empty(); }
    std::size_t waiting() const noexcept { return questions_.size(); }
    /// At the end: what of the partner's messages has not come.
    void close_books() { from_me_.close(); }

private:
    tambo::Task<void> script() override;
    tambo::Task<void> arrive();
    tambo::Task<void> go_away();
    void hear(const Node& node) override;
    void heard_question(std::uint64_t number);
    void say(char kind, std::uint64_t number);
    bool is_over() const;
    bool wants_to_break();

    TalkerHabits habits_;
    Talker* partner_ = nullptr;
    Numbers from_me_;
    struct Question {
        std::uint64_t number;
        Clock::time_point asked;
    };
    std::deque<Question> questions_;
    std::deque<std::uint64_t> owed_;   // answers that have to wait until this client is back
    std::uint64_t asked_ = 0, since_break_ = 0, next_break_ = 0;
    Clock::time_point next_question_{};
    std::minstd_rand dice_;
    bool is_ready_ = false, is_away_ = false, has_said_goodbye_ = false;
};

}   // namespace load
