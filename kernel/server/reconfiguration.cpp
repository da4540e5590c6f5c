#include "server/reconfiguration.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "module/construction.hpp"

namespace tambo {

namespace {

List named_modules(const Settings& settings) {
    auto names = settings.server.plugins;
    names.insert(names.end(), settings.server.modules.begin(), settings.server.modules.end());
    return names;
}

bool has(const List& names, const std::string& name) { return std::ranges::find(names, name) != names.end(); }

std::string section_of(const std::string& module) { return "module " + module; }

// Keys and values; where they stand in the file does not matter.
bool is_same(const Config::Section* a, const Config::Section* b) {
    const auto values = [](const Config::Section* section) {
        std::set<std::pair<std::string, std::string>> all;
        if (section != nullptr)
            for (const auto& entry : section->entries) all.emplace(entry.key, entry.value);
        return all;
    };
    return values(a) == values(b);
}

bool is_about_certificates(std::string_view section, std::string_view key) {
    return (section == "tls" || section.starts_with("host ")) && (key == "certificate" || key == "key");
}

bool is_about_modules(std::string_view section, std::string_view key) {
    return section.starts_with("module ") || (section == "server" && (key == "modules" || key == "plugins"));
}

// Where a domain's certificate lies; empty: the self-signed one.
TlsStore::Certificate certificate_of(const Settings& settings, const HostSettings& host) {
    const bool is_own = !host.certificate.empty();
    return {host.domain, is_own ? host.certificate : settings.tls.certificate, is_own ? host.key : settings.tls.key};
}

std::string files_of(const TlsStore::Certificate& certificate) {
    return certificate.chain.string() + '\n' + certificate.key.string();
}

}   // namespace

Reconfiguration::Reconfiguration(Kernel& kernel, Loader& loader)
    : kernel_(kernel), loader_(loader), in_effect_(kernel.config), modules_(named_modules(kernel.settings)) {
    for (const auto& host : kernel.settings.hosts)
        files_[host.domain] = files_of(certificate_of(kernel.settings, host));
}

ConfigReport Reconfiguration::follow(const Config& fresh) {
    const std::lock_guard guard{lock_};
    report_ = {};
    Settings settings;
    report_.reason = objection(fresh, settings);
    if (!report_.reason.empty()) {
        kernel_.log->error("reload-config: nothing was changed: {}", report_.reason);
        return report_;
    }
    report_.done = true;
    change_modules(fresh, settings);
    change_log(fresh, settings);
    change_certificates(fresh, settings);
    name_the_rest(fresh);
    in_effect_ = with_places_of(fresh);
    loader_.follow(in_effect_);
    for (const auto& c : report_.changes) kernel_.log->info("reload-config: {}: {}", c.what, c.text);
    return report_;
}

// Why this is no configuration; what only a module can judge is judged when it is swapped.
std::string Reconfiguration::objection(const Config& fresh, Settings& settings) const {
    std::vector<OptionInfo> declared;
    try {
        settings = read_settings(fresh, declared);
    } catch (const ConfigError& e) {
        return e.what();
    }
    auto judged = fresh;
    auto sections = kernel_sections();
    for (const auto& name : named_modules(settings)) {
        judged.adopt({}, section_of(name));
        sections.push_back(section_of(name));
    }
    for (const auto& module : loader_.modules()) sections.push_back(section_of(module.name));
    std::ranges::copy_if(loader_.options(), std::back_inserter(declared),
                         [](const auto& option) { return option.section.starts_with("module "); });
    const auto found = complaints(judged, declared, sections);
    return found.empty() ? std::string{} : found.front();
}

// What goes makes room (for one that answers the same), what comes may be needed by those that change.
void Reconfiguration::change_modules(const Config& fresh, const Settings& settings) {
    const auto wanted = named_modules(settings);
    List leaving, coming, staying;
    for (const auto& name : modules_) (has(wanted, name) ? staying : leaving).push_back(name);
    for (const auto& name : wanted)
        if (!has(modules_, name)) coming.push_back(name);
    take_out(std::move(leaving));
    bring_in(std::move(coming), fresh);
    for (const auto& name : staying)
        if (!is_same(in_effect_.find(section_of(name)), fresh.find(section_of(name)))) swap(name, fresh);
}

// In whatever order their needs allow.
void Reconfiguration::take_out(List leaving) {
    for (bool goes_on = true; std::exchange(goes_on, false);)
        for (const auto& name : List{leaving})
            if (const auto report = loader_.unload(name); report.done) {
                tell("module " + name, Fate::applied, "unloaded");
                in_effect_.adopt({}, section_of(name));
                std::erase(modules_, name);
                std::erase(leaving, name);
                goes_on = true;
            }
    for (const auto& name : leaving) tell("module " + name, Fate::refused, "stays: " + loader_.unload(name).reason);
}

void Reconfiguration::bring_in(List coming, const Config& fresh) {
    std::map<std::string, SwapReport> refused;
    for (bool goes_on = true; std::exchange(goes_on, false);)
        for (const auto& name : List{coming}) {
            const auto report = loader_.reconfigure(name, fresh);
            refused[name] = report;
            if (!report.done) continue;
            tell("module " + name, Fate::applied, fmt::format("loaded, version {}", report.version));
            in_effect_.adopt(fresh, section_of(name));
            modules_.push_back(name);
            std::erase(coming, name);
            goes_on = true;
        }
    for (const auto& name : coming) tell("module " + name, Fate::refused, "not loaded: " + refused[name].reason);
}

void Reconfiguration::swap(const std::string& name, const Config& fresh) {
    const auto report = loader_.reconfigure(name, fresh);
    if (!report.done)
        return tell("module " + name, Fate::refused,
                    "its new options are refused, the old ones stay: " + report.reason);
    in_effect_.adopt(fresh, section_of(name));
    tell("module " + name, Fate::applied,
         fmt::format("its options changed; version {} (generation {}) is live", report.version, report.generation));
}

void Reconfiguration::change_log(const Config& fresh, const Settings& settings) {
    if (is_same(in_effect_.find("log"), fresh.find("log"))) return;
    try {
        kernel_.logger.follow(settings.log);
    } catch (const std::exception& e) {
        return tell("[log]", Fate::refused, fmt::format("everything stays as it is: {}", e.what()));
    }
    in_effect_.adopt(fresh, "log");
    tell("[log]", Fate::applied,
         fmt::format("level {}, to {}, as {}", to_string(settings.log.level), settings.log.target,
                     settings.log.format == LogSettings::Format::json ? "json" : "text"));
}

// Domains that are new need a restart altogether; those that are there may have their certificate elsewhere now.
void Reconfiguration::change_certificates(const Config& fresh, const Settings& settings) {
    if (const auto renewed = kernel_.tls.refresh(); renewed > 0)
        tell("certificates", Fate::new_connections, fmt::format("{} renewed", renewed));
    bool all_done = true;
    for (const auto& host : settings.hosts) {
        const auto certificate = certificate_of(settings, host);
        auto& known = files_[host.domain];
        if (!kernel_.is_local(host.domain) || known == files_of(certificate)) continue;
        try {
            if (certificate.chain.empty()) throw std::runtime_error("back to a self-signed one: needs a restart");
            kernel_.tls.add(certificate);
            known = files_of(certificate);
            tell("certificate of " + host.domain, Fate::new_connections, certificate.chain.string());
        } catch (const std::exception& e) {
            all_done = false;
            tell("certificate of " + host.domain, Fate::refused, fmt::format("the old one stays: {}", e.what()));
        }
    }
    if (!all_done) return;
    for (const auto& section : fresh.sections())
        for (const auto* key : {"certificate", "key"})
            if (is_about_certificates(section.name, key)) in_effect_.adopt(fresh, section.name, key);
}

void Reconfiguration::name_the_rest(const Config& fresh) {
    std::set<std::pair<std::string, std::string>> keys;
    for (const auto* config : {&fresh, static_cast<const Config*>(&in_effect_)})
        for (const auto& section : config->sections())
            for (const auto& entry : section.entries) keys.emplace(section.name, entry.key);
    for (const auto& [section, key] : keys)
        if (differs(fresh, section, key) && !is_about_modules(section, key) && section != "log" &&
            !is_about_certificates(section, key))
            tell(fmt::format("[{}] {}", section, key), Fate::restart, "needs a restart");
}

bool Reconfiguration::differs(const Config& fresh, std::string_view section, std::string_view key) const {
    const auto* here = in_effect_.find(section, key);
    const auto* there = fresh.find(section, key);
    if (here == nullptr || there == nullptr) return here != there;
    return here->value != there->value;
}

// What is in effect, where it stands in the file as it is now.
Config Reconfiguration::with_places_of(const Config& fresh) const {
    auto now = fresh;
    for (const auto* config : {&fresh, static_cast<const Config*>(&in_effect_)})
        for (const auto& section : config->sections())
            for (const auto& entry : section.entries)
                if (differs(fresh, section.name, entry.key)) now.adopt(in_effect_, section.name, entry.key);
    return now;
}

void Reconfiguration::tell(std::string what, Fate fate, std::string text) {
    report_.changes.push_back({std::move(what), fate, std::move(text)});
}

}   // namespace tambo
