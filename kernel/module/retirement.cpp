#include "module/retirement.hpp"

#include <algorithm>
#include <latch>
#include <thread>

#include <fmt/core.h>

#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr Duration drain{30'000};   // how long tasks of an old generation may go on
constexpr int looks = 50;           // a swap reports the old image's fate if that is known soon
constexpr int looks_before_a_third = 500;
constexpr Duration between_looks{2};
constexpr std::string_view is_unmapped = "unmapped";
constexpr std::string_view is_pinned =
    "pinned: something holds it that the kernel does not know (a thread_local, a library, a handle of its own)";

}   // namespace

std::string Retirement::add(const std::string& name, std::shared_ptr<Image> image, Instances instances) {
    const auto copy = image ? image->copy() : std::filesystem::path{};
    Leaving gone{name, copy, std::move(image), std::move(instances), kernel_.clock->steady() + drain, {}};
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

// Instances die on their own thread. True when the image is closed.
bool Retirement::let_go(Leaving& leaving) {
    const bool overdue = kernel_.clock->steady() > leaving.until;
    const auto look = [overdue](std::unique_ptr<Instance>& instance, std::string& holds) {
        if (overdue) instance->cancel();
        holds = instance->holds();
        if (holds.empty()) instance.reset();
    };
    std::vector<std::string> holds(leaving.instances.size());
    std::latch looked{static_cast<std::ptrdiff_t>(leaving.instances.size())};
    const bool here = !kernel_.running || kernel_.runs_loop();
    for (std::size_t i = 0; i < leaving.instances.size(); ++i) {
        auto& instance = leaving.instances[i];
        if (instance && !here) {
            instance->home().post([&, i] {
                look(instance, holds[i]);
                looked.count_down();
            });
            continue;
        }
        if (instance) look(instance, holds[i]);
        looked.count_down();
    }
    looked.wait();
    std::erase(leaving.instances, nullptr);
    const auto held = std::ranges::find_if_not(holds, &std::string::empty);
    leaving.holds = held == holds.end() ? std::string{} : *held;
    if (!leaving.instances.empty()) return false;
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
    const auto oldest = [&] { return std::ranges::find(leaving_, name, &Leaving::name); };
    for (int i = 0; i < looks_before_a_third && oldest() != leaving_.end(); ++i) {
        sweep();
        if (oldest() != leaving_.end()) wait_a_moment();
    }
    for (auto& leaving : leaving_)
        if (leaving.name == name) {
            kernel_.log->warning("module {}: its version before last is ended, with {}", name, leaving.holds);
            leaving.until = {};
        }
    sweep();
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
        for (auto& instance : leaving.instances) instance->cancel();
        leaving.instances.clear();
        images.push_back(std::move(leaving.image));
    }
    leaving_.clear();
    return images;
}

}   // namespace tambo
