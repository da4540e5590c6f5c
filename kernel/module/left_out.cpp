// Modules that stay out of a start, since they were there at crash after crash (crash_note.hpp).
#include <algorithm>

#include <fmt/format.h>

#include "module/loader.hpp"

namespace tambo {

std::vector<std::string> Loader::left_out() const {
    const auto guard = enter();
    std::vector<std::string> names;
    names.reserve(left_out_.size());
    for (const auto& m : left_out_) names.push_back(m.name);
    return names;
}

// Without its store or its accounts a server would tell people that they do not exist: plugins come in, whatever they
// did. So does what is part of the program, which nobody could load later.
bool Loader::stays_out(const std::string& name) {
    const auto why = kernel_.crash_notes.objection(name);
    if (why.empty()) return false;
    const auto& plugins = kernel_.settings.server.plugins;
    const bool is_plugin = std::ranges::find(plugins, name) != plugins.end();
    if (is_plugin || find_own(name) != nullptr) {
        kernel_.log->error("{} {} is loaded, although {}: {}", is_plugin ? "plugin" : "module", name, why,
                           is_plugin ? "without it nobody could log in" : "it is part of this program");
        return false;
    }
    leave_out(name,
              fmt::format("{}; \"tamboctl load {}\" brings it back, and so does a start when that is over", why, name));
    return true;
}

// False: nobody of them waits for one that stays out.
bool Loader::leave_out_who_needs_them(Changes& waiting) {
    for (auto change = waiting.begin(); change != waiting.end(); ++change)
        for (const auto& need : change->fresh.instances.front()->dependencies())
            if (std::ranges::find(left_out_, need, &ModuleInfo::name) != left_out_.end()) {
                leave_out(change->name, fmt::format("it needs module {}", need));
                waiting.erase(change);
                return true;
            }
    return false;
}

void Loader::leave_out(const std::string& name, std::string why) {
    kernel_.log->error("module {} stays out: {}", name, why);
    ModuleInfo info;
    info.name = name;
    info.state = "left out";
    info.file = find(name).string();
    info.note = std::move(why);
    info.history.push_back({kernel_.clock->now(), "left out at the start: " + info.note});
    left_out_.push_back(std::move(info));
}

// Whoever asks for it by its name wants it in spite of all.
bool Loader::no_longer_left_out(const std::string& name) {
    kernel_.crash_notes.forgive(name, kernel_.clock->now());
    return std::erase_if(left_out_, [&](const ModuleInfo& m) { return m.name == name; }) > 0;
}

}   // namespace tambo
