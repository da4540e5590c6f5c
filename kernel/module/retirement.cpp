#include "module/retirement.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr Duration drain{30'000};   // how long tasks of an old generation may go on
constexpr int looks = 50;           // a swap reports the old image's fate if that is known soon
constexpr int looks_when_full = 500;
constexpr std::ptrdiff_t most_old_generations = 16;
constexpr Duration between_looks{2};
constexpr std::string_view is_unmapped = "unmapped";
constexpr std::string_view is_pinned =
    "pinned: something holds it that the kernel does not know (a thread_local, a library, a handle of its own)";

}   // namespace

struct Retirement::Seat {
    explicit Seat(std::unique_ptr<Instance> i) : instance(std::move(i)) {}

    std::unique_ptr<Instance> instance;   // its shard's, as soon as that was asked to look
    std::mutex lock;                      // guards what follows
    std::condition_variable looked;
    bool is_asked = false, is_empty = false;
    std::string holds = "a shard that does not come";
};

std::string Retirement::add(const std::string& name, std::shared_ptr<Image> image, Instances instances) {
    const auto copy = image ? image->copy() : std::filesystem::path{};
    Leaving gone{name, copy, std::move(image), {}, kernel_.clock->steady() + drain};
    for (auto& instance : instances) gone.seats.push_back(std::make_shared<Seat>(std::move(instance)));
    for (int i = 0; i < looks; ++i) {
        if (let_go(gone)) {
            settle(gone);
            return std::string{!copy.empty() && Image::mapped(copy) ? is_pinned : is_unmapped};
        }
        wait_a_moment();
    }
    auto fate = "draining: " + gone.holds;
    leaving_.push_back(std::move(gone));
    return fate;
}

void Retirement::wait_a_moment() const {
    if (kernel_.runs_loop())
        kernel_.pump(between_looks);
    else
        std::this_thread::sleep_for(between_looks);
}

// An instance dies on its own thread.
void Retirement::look(const std::shared_ptr<Seat>& seat, bool overdue) const {
    const auto job = [seat, overdue] {
        if (overdue) seat->instance->cancel();
        auto holds = seat->instance->holds();
        if (holds.empty()) seat->instance.reset();
        const std::lock_guard guard{seat->lock};
        seat->is_empty = holds.empty();
        seat->holds = std::move(holds);
        seat->is_asked = false;
        seat->looked.notify_all();
    };
    if (!kernel_.running || kernel_.runs_loop()) return job();
    {
        const std::lock_guard guard{seat->lock};
        if (seat->is_empty || seat->is_asked) return;   // it came late, or has not come since the last time
        seat->is_asked = true;
    }
    seat->instance->home().post(job);
}

// True when the image is closed. A shard that is held up by something does not hold up the others, nor the loader.
bool Retirement::let_go(Leaving& leaving) {
    const bool overdue = kernel_.clock->steady() > leaving.until;
    for (const auto& seat : leaving.seats) look(seat, overdue);
    std::erase_if(leaving.seats, [&](const std::shared_ptr<Seat>& shared) {
        auto& seat = *shared;
        std::unique_lock lock{seat.lock};
        seat.looked.wait_for(lock, between_looks, [&] { return !seat.is_asked; });
        if (!seat.is_empty) leaving.holds = seat.holds;
        return seat.is_empty;
    });
    if (!leaving.seats.empty()) return false;
    leaving.image.reset();
    return true;
}

void Retirement::settle(const Leaving& gone) {
    if (gone.copy.empty() || !Image::mapped(gone.copy)) return;
    kernel_.log->warning("module {}: an old version stays in memory, {}", gone.name, is_pinned);
    pinned_.push_back({gone.name, gone.copy});
}

void Retirement::sweep() {
    std::erase_if(leaving_, [this](Leaving& leaving) {
        if (!let_go(leaving)) return false;
        settle(leaving);
        return true;
    });
    std::erase_if(pinned_, [](const Pinned& p) { return !Image::mapped(p.copy); });
}

void Retirement::make_room(const std::string& name) {
    if (gets_room(name)) return;
    auto& oldest = *std::ranges::find(leaving_, name, &Leaving::name);
    kernel_.log->warning("module {}: its oldest version is ended, with {}", name, oldest.holds);
    oldest.until = {};
    gets_room(name);   // its shards have other things to do, too
}

bool Retirement::gets_room(const std::string& name) {
    const auto is_full = [&] { return std::ranges::count(leaving_, name, &Leaving::name) >= most_old_generations; };
    for (int i = 0; i < looks_when_full && is_full(); ++i) {
        sweep();
        if (is_full()) wait_a_moment();
    }
    return !is_full();
}

void Retirement::describe(std::vector<ModuleInfo>& list) const {
    const auto add = [&list](const std::string& name, const std::filesystem::path& copy, std::string state,
                             std::string note) {
        ModuleInfo info;
        info.name = name;
        info.state = std::move(state);
        info.file = copy.string();
        info.note = std::move(note);
        list.push_back(std::move(info));
    };
    for (const auto& l : leaving_) add(l.name, l.copy, "draining", l.holds);
    for (const auto& p : pinned_) add(p.name, p.copy, "pinned", {});
}

std::vector<std::shared_ptr<Image>> Retirement::release() {
    std::vector<std::shared_ptr<Image>> images;
    for (auto& leaving : leaving_) {
        for (auto& seat : leaving.seats)
            if (seat->instance) seat->instance->cancel();
        for (auto& seat : leaving.seats) seat->instance.reset();
        images.push_back(std::move(leaving.image));
    }
    leaving_.clear();
    return images;
}

}   // namespace tambo
