#include "server/watch.hpp"

#include <algorithm>
#include <utility>

#include "store/signals_blocked.hpp"

namespace tambo {

namespace fs = std::filesystem;

namespace {

constexpr Duration quiet{150};         // nothing is written for so long: the build is through
constexpr Duration impatience{2000};   // what is written all the time must not hold up the rest
constexpr Duration patience{3000};     // how long a file may stay torn before that is worth a line
constexpr Duration for_ever{3'600'000};
constexpr Duration glance{5};

}   // namespace

Watch::Watch(Kernel& kernel, Loader& loader, const std::vector<fs::path>& folders)
    : kernel_(kernel), loader_(loader), log_(kernel.logger.named("watch")), folders_(folders) {}

Watch::~Watch() { stop(); }

void Watch::start() {
    const SignalsBlocked of_our_threads;
    thread_ = std::thread{[this] {
        run();
        ended_ = true;
    }};
}

void Watch::stop() {
    stopping_ = true;
    folders_.interrupt();
    while (thread_.joinable() && kernel_.runs_loop() && !ended_) kernel_.pump(glance);
    if (thread_.joinable()) thread_.join();
}

void Watch::run() {
    while (!stopping_) {
        try {
            look();
        } catch (const std::exception& e) {   // no memory, no descriptors: nothing of the watch's own
            log_->error("{}", e.what());
        }
    }
}

void Watch::look() {
    for (const auto& complaint : folders_.complaints()) log_->warning("{}", complaint);
    note(folders_.wait(time_left()));
    if (stopping_) return;
    const auto now = Clock::now();
    if (!written_.empty() && (now >= last_written_ + quiet || now >= first_written_ + impatience))
        judge(std::exchange(written_, {}), false);
    if (!torn_.empty() && now >= last_torn_ + patience) judge(std::exchange(torn_, {}), true);
}

// How long nothing has to be done, if nothing is written.
Duration Watch::time_left() const {
    auto until = Clock::time_point::max();
    if (!written_.empty()) until = std::min(last_written_ + quiet, first_written_ + impatience);
    if (!torn_.empty()) until = std::min(until, last_torn_ + patience);
    if (until == Clock::time_point::max()) return for_ever;
    return std::max(Duration{0}, std::chrono::ceil<Duration>(until - Clock::now()));
}

void Watch::note(const Files& written) {
    for (const auto& file : written) {
        if (file.extension() != ".so") continue;
        last_written_ = Clock::now();
        if (written_.empty()) first_written_ = last_written_;
        written_.insert(file);
        torn_.erase(file);
    }
}

void Watch::judge(const Files& files, bool is_last_chance) {
    const auto refused = std::exchange(refused_, {});   // it may have lacked what is there now
    Modules ready;
    bool is_news = false;
    for (const auto& module : loader_.modules()) {
        const bool is_new = files.contains(module.file);
        if (!is_new && !refused.contains(module.file)) continue;
        const auto complaint = elf_complaint(module.file);
        if (complaint.empty()) {
            ready.push_back(module);
            is_news = is_news || is_new;
        } else if (is_last_chance) {
            log_->warning("{} stays as it is: {} {}", module.name, module.file, complaint);
        } else {
            log_->debug("{} is waited for: {} {}", module.name, module.file, complaint);
            torn_.insert(module.file);
            last_torn_ = Clock::now();
        }
    }
    if (is_news)
        reload(ready);
    else
        refused_.insert(refused.begin(), refused.end());
}

// All at once, so that they can need each other; else one by one, so that a bad one does not keep the others back.
void Watch::reload(const Modules& modules) {
    std::vector<std::string> names;
    for (const auto& module : modules) names.push_back(module.name);
    const auto report = loader_.reload_together(names);
    if (report.done) {
        for (const auto& m : report.modules)
            log_->info("{} reloaded, generation {}, {:.1f} ms pause", m.module, m.generation, report.pause_ms);
    } else if (modules.size() > 1) {
        for (const auto& module : modules) reload({module});
    } else {
        log_->warning("{} stays as it is: {}", names.front(), report.reason);
        refused_.insert(modules.front().file);
    }
}

}   // namespace tambo
