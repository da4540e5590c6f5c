// What the model of the journal knows at one moment: clients, wires, the memory of two shards, the disk.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

namespace journal_model {

using Byte = std::uint8_t;   // nothing else in a State: it is compared and hashed as it lies in memory

/// What the design says. Two of them were found by this model and are not in the kernel as of 2026-11-22:
/// know_the_origin_of_what_was_read and keep_that_it_is_done.
enum class Rule : Byte {
    count_after_commit,
    tell_what_is_on_disk,
    resume_when_counted,
    recognise_what_comes_again,
    erase_after_the_origins_counter,
    know_the_origin_of_what_was_read,   ///< the same of entries that come from the disk, whose Entry::origin is null
    keep_that_it_is_done,               ///< on disk, of what is acknowledged and may not be erased yet
    deliver_after_commit,
    deliver_after_its_number,
    number_when_the_client_resumes,
    speak_when_the_session_is_on_disk,
    hold_until_acknowledged,
    give_back_at_the_end,
    queue_behind_what_waits,
};
constexpr std::array<std::string_view, 14> rules{"count after commit",
                                                 "tell what is on disk",
                                                 "resume when counted",
                                                 "recognise what comes again",
                                                 "erase after the origin's counter",
                                                 "know the origin of what was read",
                                                 "keep that it is done",
                                                 "deliver after commit",
                                                 "deliver after its number",
                                                 "number when the client resumes",
                                                 "speak when the session is on disk",
                                                 "hold until acknowledged",
                                                 "give back at the end",
                                                 "queue behind what waits"};

constexpr Byte presence = 0;   // messages are 1, 2, … in the order in which they are sent
constexpr Byte unnumbered = 255;
constexpr std::size_t devices = 2;

/// In the place of a vector, of known size.
template <typename T, std::size_t most>
struct List {
    std::array<T, most> at{};
    Byte size = 0;

    T* begin() { return at.data(); }
    T* end() { return at.data() + size; }
    const T* begin() const { return at.data(); }
    const T* end() const { return at.data() + size; }
    void push(const T& value) {
        if (size == most) throw std::length_error{"the model needs longer lists"};
        at[size++] = value;
    }
    void erase_if(const auto& is_out) {
        const auto rest = std::remove_if(begin(), end(), is_out);
        std::fill(rest, end(), T{});   // equal lists are equal bytes
        size = static_cast<Byte>(rest - begin());
    }
    void pop_front() {
        erase_if([&](const T& value) { return &value == at.data(); });
    }
};

struct Holder {
    Byte is_there, number;
    bool operator==(const Holder&) const = default;
};
using Holders = std::array<Holder, devices>;

struct Kept {   // of an entry, on disk
    Byte sequence, message, origin_number, is_done;
    Holders holders;
};

enum class Stored : Byte { no, underway, yes };
enum class Batch : Byte { none, append, hold, erase };

struct Entry {
    Kept data;   // holders: as of the last batch
    Holders held;
    std::array<Byte, devices> is_kept;
    Stored stored;
    Batch batch;
    Byte is_done, is_waiting, is_gone, is_listed, has_trail, has_origin;

    bool is_held() const { return held[0].is_there + held[1].is_there > 0; }
};

struct Sent {
    Byte number, sequence, message;   // sequence 0: nothing that the journal knows
};

enum class Is : Byte { absent, live, ended };

struct Device {
    Byte h, seen, newest, acknowledged_on_disk, is_on_disk;   // client; disk
    Is session;                                               // … and the server's memory
    Byte is_connected, may_speak, is_restored, is_listed, has_to_go, batch, batch_acknowledged;
    Byte last, acknowledged, blocked;
    List<Byte, 6> wire;
    List<Sent, 6> outbox;
};

struct Sender {
    List<Byte, 3> queue;   // client: what it has not been told to be counted
    Byte written, told;    // so many of these are sent; h as it was told
    Byte on_disk;
    Byte is_loaded, is_connected, received, accepted, ahead, kept, known, known_until, is_listed, batch, batch_accepted;
};

enum class Fault : Byte { none, repeated, disordered, count_fell, count_too_high };

struct State {
    Sender sender;
    std::array<Device, devices> to;
    List<Kept, 4> disk;
    List<Entry, 4> entries;
    Byte is_loaded, last_sequence, returned;   // returned: messages that a session gave back when it ended
    Byte crashes, cuts, ends, presences;       // may still happen
    Byte has_crashed;
    Fault fault;

    bool operator==(const State& other) const { return std::memcmp(this, &other, sizeof other) == 0; }
};
static_assert(std::has_unique_object_representations_v<State>);

using Script = List<Byte, 3>;
constexpr Script one_message{{1}, 1}, two_messages{{1, 2}, 2}, with_presence{{1, presence, 2}, 3};

struct Bounds {
    bool is_fast = false;
    std::bitset<rules.size()> off{};
    Script script{};
    Byte crashes = 0, cuts = 0, ends = 0, presences = 0;   // so many at most
};

inline Byte bit(Byte number) { return static_cast<Byte>(1U << number); }

}   // namespace journal_model
