// What happened to the last messages of a shard, for whoever asks why one did not arrive. Never what they say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/jid.hpp>
#include <tambo/time.hpp>

namespace tambo::ticks {

struct Step {
    enum class What : std::uint8_t {
        accepted,    ///< kept, or acknowledged before that
        tried,       ///< given to a device
        delivered,   ///< … which has acknowledged it
        returned,    ///< … which is gone without having done so
        dropped,     ///< expired, too much, asked for
        refused,     ///< the store did not take it
        handed,      ///< to a device that cannot acknowledge it: written to its connection
        nobody,      ///< no device was there
        read         ///< a device has shown it
    };
    What what;
    Time at;
    Jid device;   ///< empty where none is meant
};

/// One message on its way to an account.
struct Life {
    Jid account, from;
    std::string id, stable_id;
    std::uint64_t sequence = 0;   ///< in the account's journal; 0: not in there, as far as is known
    Time arrived{};
    bool is_hidden = false;   ///< nobody is to know (XEP-0334); only there so that it is recognised
    std::vector<Step> steps;
    std::uint32_t left_out = 0;   ///< steps that found no room

    void add(Step step);
    bool is_called(std::string_view name) const noexcept {
        return !is_hidden && !name.empty() && (name == id || name == stable_id);
    }
};

/// The last so many lives: a ring, with an index by account and sequence. Once it is full, nothing is allocated but for
/// names longer than those before. What runs for each message takes the same short time however many there are.
class Lives {
public:
    explicit Lives(std::size_t most) : most_(most) {}

    bool is_on() const noexcept { return most_ > 0; }
    /// A new one; the oldest goes if there is no room. Good until the next begin().
    Life& begin(const Jid& account, const Jid& from, std::string_view id, Time arrived);
    void set_sequence(Life& life, std::uint64_t sequence);
    Life* find(const Jid& account, std::uint64_t sequence) noexcept;
    /// Null if there is none.
    Life* newest() noexcept {
        if (lives_.empty()) return nullptr;
        return next_ > 0 ? &lives_[next_ - 1] : &lives_.back();
    }
    /// The last one, among the newest few, that `is_meant` names.
    template <class F>
    Life* find_last(F is_meant) {
        for (std::size_t back = 1; back <= few && back <= lives_.size(); ++back) {
            auto& life = lives_[(next_ + lives_.size() - back) % lives_.size()];
            if (is_meant(life)) return &life;
        }
        return nullptr;
    }
    /// All that has to do with this account.
    void forget(const Jid& account);

    template <class F>
    void each(F see) const {   // oldest first
        for (std::size_t i = 0; i < lives_.size(); ++i)
            if (const auto& life = lives_[(next_ + i) % lives_.size()]; !life.account.empty()) see(life);
    }

private:
    static constexpr std::uint32_t none = ~std::uint32_t{0};
    static constexpr std::size_t few = 256;

    std::uint32_t& bucket(const Jid& account, std::uint64_t sequence) noexcept;
    void take_out(std::uint32_t index) noexcept;

    std::size_t most_;
    std::vector<Life> lives_;              ///< grows up to most_
    std::vector<std::uint32_t> behind_;    ///< of each life: the next one in its bucket
    std::vector<std::uint32_t> buckets_;   ///< made with the first life
    std::size_t next_ = 0;                 ///< where the next one goes: the end, later the place of the oldest
};

}   // namespace tambo::ticks
