#include "shard/wheel.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace tambo {

namespace {

constexpr unsigned digit_bits = 6;   // a level has 64 slots, so that one word says which of them are occupied
constexpr unsigned slots_per_level = 1U << digit_bits;
constexpr unsigned levels = 10;   // 60 bits of ticks hold any Duration
constexpr std::uint32_t nobody = UINT32_MAX;
constexpr std::uint16_t in_no_slot = UINT16_MAX;

using Tick = std::uint64_t;

Tick tick_of(Duration time) { return static_cast<Tick>(std::max(time, Duration::zero()) / Wheel::tick); }

unsigned digit(Tick tick, unsigned level) {
    return static_cast<unsigned>(tick >> (level * digit_bits)) & (slots_per_level - 1);
}

}   // namespace

/// A tick is a number with ten digits of six bits. A job hangs on the level of the highest digit in which its tick
/// differs from the current one, in the slot of that digit: lower levels hold only earlier jobs than higher ones. When
/// time reaches a slot above level 0, its jobs are sorted into the levels below.
struct Wheel::Guts {
    struct Node {
        std::function<void()> job;
        Duration at{};
        std::uint32_t next = nobody, previous = nobody;
        std::uint32_t generation = 0;   ///< 0: free
        std::uint16_t slot = in_no_slot;
    };
    struct List {
        std::uint32_t first = nobody, last = nobody;
    };
    struct Due {
        Duration at;
        Id id;
    };
    struct Place {
        unsigned level, slot;
        Tick starts;
    };

    std::deque<Node> nodes;   // a deque, because a job runs where it lies while others are added
    std::uint32_t free = nobody;
    std::size_t count = 0;
    std::uint32_t generations = 0;
    Tick current = 0;
    std::array<std::uint64_t, levels> occupied{};
    std::array<List, std::size_t{levels} * slots_per_level> lists{};
    std::vector<Due> due;   // scratch of collect()

    std::uint32_t take_node() {
        if (free == nobody) {
            nodes.emplace_back();
            return static_cast<std::uint32_t>(nodes.size() - 1);
        }
        return std::exchange(free, nodes[free].next);
    }

    void release(std::uint32_t index) noexcept {
        Node& node = nodes[index];
        node.generation = 0;
        node.next = std::exchange(free, index);
        --count;
        // Last, and from a local: the closure's own destructor may add or cancel.
        const auto job = std::exchange(node.job, nullptr);
    }

    Id id_of(std::uint32_t index) const { return Id{nodes[index].generation} << 32 | index; }

    Node* find(Id id) noexcept {
        const auto index = static_cast<std::uint32_t>(id);
        const auto generation = static_cast<std::uint32_t>(id >> 32);
        if (generation == 0 || index >= nodes.size() || nodes[index].generation != generation) return nullptr;
        return &nodes[index];
    }

    void hang(std::uint32_t index) noexcept {
        Node& node = nodes[index];
        const Tick when = std::max(tick_of(node.at), current);
        const auto highest = 63U - static_cast<unsigned>(std::countl_zero((when ^ current) | 1U));
        const unsigned level = highest / digit_bits;
        const unsigned slot = digit(when, level);
        node.slot = static_cast<std::uint16_t>(level * slots_per_level + slot);
        append(lists[node.slot], index);
        occupied[level] |= std::uint64_t{1} << slot;
    }

    void append(List& list, std::uint32_t index) noexcept {
        Node& node = nodes[index];
        node.next = nobody;
        node.previous = std::exchange(list.last, index);
        (node.previous == nobody ? list.first : nodes[node.previous].next) = index;
    }

    void unhang(std::uint32_t index) noexcept {
        Node& node = nodes[index];
        if (node.slot == in_no_slot) return;
        List& list = lists[node.slot];
        (node.previous == nobody ? list.first : nodes[node.previous].next) = node.next;
        (node.next == nobody ? list.last : nodes[node.next].previous) = node.previous;
        if (list.first == nobody) {
            occupied[node.slot / slots_per_level] &= ~(std::uint64_t{1} << node.slot % slots_per_level);
        }
        node.slot = in_no_slot;
    }

    /// The earliest slot that holds anything.
    std::optional<Place> earliest() const noexcept {
        for (unsigned level = 0; level < levels; ++level) {
            if (occupied[level] == 0) continue;
            const auto slot = static_cast<unsigned>(std::countr_zero(occupied[level]));
            const unsigned shift = level * digit_bits;
            const Tick above = current >> shift >> digit_bits << digit_bits;
            return Place{level, slot, (above | slot) << shift};
        }
        return std::nullopt;
    }

    /// Takes what is due out of the slots, into `due`. It can still be cancelled.
    void collect(Duration now) {
        const Tick last = tick_of(now);
        while (const auto place = earliest()) {
            if (place->starts > last) break;
            current = place->starts;
            if (place->level == 0) {
                if (!collect_slot(lists[place->slot], now)) break;
            } else {
                sort_down(lists[std::size_t{place->level} * slots_per_level + place->slot]);
            }
        }
        current = std::max(current, last);
        std::stable_sort(due.begin(), due.end(), [](const Due& a, const Due& b) { return a.at < b.at; });
    }

    /// False if something of the current tick is not yet due.
    bool collect_slot(const List& list, Duration now) {
        for (std::uint32_t index = list.first; index != nobody;) {
            const std::uint32_t following = nodes[index].next;
            if (nodes[index].at <= now) {
                due.push_back({nodes[index].at, id_of(index)});
                unhang(index);
            }
            index = following;
        }
        return list.first == nobody;
    }

    void sort_down(const List& list) {
        for (std::uint32_t index = list.first; index != nobody;) {
            const std::uint32_t following = nodes[index].next;
            unhang(index);
            hang(index);
            index = following;
        }
    }

    bool run(Id id) noexcept {
        Node* node = find(id);
        if (!node) return false;   // an earlier job of this turn cancelled it
        const auto job = std::move(node->job);
        release(static_cast<std::uint32_t>(id));
        job();
        return true;
    }
};

Wheel::Wheel() : guts_(std::make_unique<Guts>()) {}

Wheel::~Wheel() {
    // One by one: what a closure holds may cancel another job when it dies.
    for (std::uint32_t index = 0; index < guts_->nodes.size(); ++index) cancel(guts_->id_of(index));
}

Wheel::Id Wheel::add(Duration at, std::function<void()> job) {
    const std::uint32_t index = guts_->take_node();
    Guts::Node& node = guts_->nodes[index];
    node.job = std::move(job);
    node.at = at;
    if (++guts_->generations == 0) guts_->generations = 1;
    node.generation = guts_->generations;
    ++guts_->count;
    guts_->hang(index);
    return guts_->id_of(index);
}

void Wheel::cancel(Id id) noexcept {
    if (!guts_->find(id)) return;
    const auto index = static_cast<std::uint32_t>(id);
    guts_->unhang(index);
    guts_->release(index);
}

std::size_t Wheel::advance(Duration now) {
    guts_->collect(now);
    std::size_t ran = 0;
    for (const Guts::Due& due : guts_->due) ran += guts_->run(due.id) ? 1 : 0;
    guts_->due.clear();
    return ran;
}

Duration Wheel::next() const noexcept {
    const auto place = guts_->earliest();
    if (!place) return Duration::max();
    const auto last = static_cast<Tick>(Duration::max() / tick);
    // Level 0 holds a tick's worth of deadlines: at its end all of them are due.
    const Tick when = place->level == 0 ? place->starts + 1 : place->starts;
    return when >= last ? Duration::max() : static_cast<Duration::rep>(when) * tick;
}

std::size_t Wheel::size() const noexcept { return guts_->count; }

}   // namespace tambo
