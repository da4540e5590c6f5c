#include "module/loader.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <latch>
#include <thread>

#include "module/construction.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr Duration drain{30'000};   // how long tasks of an old generation may go on
constexpr std::string_view part_of_the_program =
    "is part of the program that this server runs in: it comes and goes with that program";
constexpr int quick_sweeps = 50;   // a swap reports the old image's fate if that is known soon
constexpr Duration quick_sweep{2};
constexpr std::size_t remembered_swaps = 100;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

SwapReport refusal(std::string module, std::string step, std::string reason) {
    SwapReport report;
    report.module = std::move(module);
    report.step = std::move(step);
    report.reason = std::move(reason);
    return report;
}

std::shared_ptr<Image> built_in(const HostModule& own) {
    return Image::built_in(own.name, own.version, [&own] {
        auto made = own.make ? own.make() : nullptr;
        if (!made) throw std::runtime_error("HostModule::make made nothing");
        return made.release();
    });
}

}   // namespace

Loader::Loader(Kernel& kernel, std::vector<std::filesystem::path> folders)
    : kernel_(kernel), folders_(std::move(folders)), config_(kernel.config) {}

Loader::~Loader() { release(); }

std::filesystem::path Loader::find(const std::string& name) const {
    if (name.empty() || name.find('/') != std::string::npos) return {};
    for (const auto& folder : folders_) {
        const auto file = folder / (name + ".so");
        if (std::filesystem::exists(file)) return file;
    }
    return {};
}

// What is wrong with a module, where [server] names it.
std::string Loader::at_its_place(const std::string& name, const std::string& why) const {
    const auto& file = config_.file();
    if (!file.empty() && why.starts_with(file + ':')) return why;   // an option: it says its place itself
    const auto& plugins = kernel_.settings.server.plugins;
    const auto* key = std::ranges::find(plugins, name) != plugins.end() ? "plugins" : "modules";
    const auto* entry = config_.find("server", key);
    if (entry == nullptr) return fmt::format("module {}: {}", name, why);
    return fmt::format("{} {}: module {}: {}", config_.where("server", *entry), key, name, why);
}

std::string Loader::no_file(const std::string& name) const {
    std::vector<std::string> there;
    std::error_code ignored;
    for (const auto& folder : folders_)
        for (const auto& entry : std::filesystem::directory_iterator{folder, ignored})
            if (entry.path().extension() == ".so") there.push_back(entry.path().stem());
    return fmt::format("there is no file {}.so in the module folders{}", name, did_you_mean(name, there));
}

Loader::Loaded* Loader::find_loaded(const std::string& name) {
    const auto at = std::ranges::find(loaded_, name, &Loaded::name);
    return at == loaded_.end() ? nullptr : &*at;
}

void Loader::on_each_shard(const std::function<void(std::size_t)>& job) const {
    const auto n = kernel_.shards.size();
    if (!kernel_.running) {
        for (std::size_t i = 0; i < n; ++i) job(i);
        return;
    }
    if (kernel_.runs_loop()) return kernel_.shards.front()->turn([&] { job(0); });
    std::latch done{static_cast<std::ptrdiff_t>(n)};
    for (std::size_t i = 0; i < n; ++i)
        kernel_.shards[i]->post([&, i] {
            job(i);
            done.count_down();
        });
    done.wait();
}

// --- prepare

const HostModule* Loader::find_own(const std::string& name) const {
    const auto at = std::ranges::find(kernel_.host_modules, name, &HostModule::name);
    return at == kernel_.host_modules.end() ? nullptr : &*at;
}

Result<Loader::Prepared> Loader::prepare(const std::filesystem::path& file, const std::string& name) {
    const auto* own = find_own(name);
    auto image =
        own != nullptr ? Result<std::shared_ptr<Image>>{built_in(*own)} : Image::open(file, kernel_.run_folder());
    if (!image) return std::unexpected{image.error()};
    if ((*image)->descriptor().name != name)
        return fail(Condition::conflict,
                    fmt::format("{}: this is module {}, not {}", file.string(), (*image)->descriptor().name, name));
    Prepared prepared{*image, {}, {}};
    try {
        for (auto& shard : kernel_.shards) {
            prepared.options.clear();
            prepared.instances.push_back(std::make_unique<Instance>(*image, *shard, config_, prepared.options));
        }
    } catch (const std::exception& e) {
        return fail(Condition::internal_server_error, e.what());
    }
    return prepared;
}

// One owner for each question (IQ payload, negotiation element, contract).
std::string Loader::conflicts(const Prepared& prepared, const std::string& replacing) const {
    const auto& mine = prepared.instances.front()->wires();
    for (const auto& other : loaded_) {
        if (other.name == replacing) continue;
        const auto& theirs = other.instances.front()->wires();
        for (const auto& a : mine.on_iq)
            for (const auto& b : theirs.on_iq)
                if (a.space == b.space && a.name == b.name &&
                    (static_cast<unsigned>(a.scope) & static_cast<unsigned>(b.scope)) != 0)
                    return fmt::format("module {} already answers <{} xmlns='{}'/>", other.name, a.name, a.space);
        for (const auto& a : mine.steps)
            for (const auto& b : theirs.steps)
                if (a.space == b.space && a.phase == b.phase)
                    return fmt::format("module {} already negotiates {}", other.name, a.space);
        for (const auto& a : mine.on_element)
            for (const auto& b : theirs.on_element)
                if (a.space == b.space)
                    return fmt::format("module {} already takes the elements of {}", other.name, a.space);
        for (const auto& a : mine.commands)
            for (const auto& b : theirs.commands)
                if (a.declared.node == b.declared.node ||
                    (!a.declared.words.empty() && a.declared.words == b.declared.words))
                    return fmt::format("module {} already has the command {}", other.name, a.declared.node);
        for (const auto& a : mine.routes)
            for (const auto& b : theirs.routes)
                if (a.path == b.path) return fmt::format("module {} already answers for {}", other.name, a.path);
        if (prepared.instances.front()->store_factory() && other.instances.front()->store_factory())
            return fmt::format("plugin {} already is the store", other.name);
        if (prepared.instances.front()->provided_auth() != nullptr &&
            other.instances.front()->provided_auth() != nullptr)
            return fmt::format("plugin {} already knows the accounts", other.name);
    }
    return {};
}

std::string Loader::missing_needs(const Prepared& prepared) const {
    for (const auto& need : prepared.instances.front()->dependencies())
        if (std::ranges::find(loaded_, need, &Loaded::name) == loaded_.end())
            return fmt::format("needs module {}, which is not loaded", need);
    return {};
}

void Loader::remember_options(const std::string& name, std::vector<OptionInfo> options) {
    std::erase_if(kernel_.declared, [&](const OptionInfo& o) { return o.section == "module " + name; });
    std::ranges::move(options, std::back_inserter(kernel_.declared));
}

// The first key that nobody knows; everything else in the file was judged when it was loaded.
std::string Loader::unknown_keys(const std::string& name, const std::vector<OptionInfo>& options) const {
    auto declared = kernel_.declared;
    std::erase_if(declared, [&](const OptionInfo& o) { return o.section == "module " + name; });
    declared.insert(declared.end(), options.begin(), options.end());
    auto sections = kernel_sections();
    sections.push_back("module " + name);
    for (const auto& l : loaded_) sections.push_back("module " + l.name);
    const auto found = complaints(config_, declared, sections);
    const auto mine = std::ranges::find_if(
        found, [&](const auto& c) { return c.find("[module " + name + "] \"") != std::string::npos; });
    return mine == found.end() ? std::string{} : *mine;
}

// --- start-up

void Loader::load_all(const std::vector<std::string>& names) {
    const std::lock_guard guard{lock_};
    std::vector<std::pair<std::string, Prepared>> waiting;
    for (const auto& name : names) {
        const auto file = find(name);
        if (!exists(name)) throw ConfigError(at_its_place(name, no_file(name)));
        auto prepared = prepare(file, name);
        if (!prepared) throw ConfigError(at_its_place(name, prepared.error().text));
        remember_options(name, std::move(prepared->options));
        waiting.emplace_back(name, std::move(*prepared));
    }
    while (!waiting.empty()) {
        const auto next = std::ranges::find_if(waiting, [&](const auto& w) { return missing_needs(w.second).empty(); });
        if (next == waiting.end()) {
            const auto& [name, stuck] = waiting.front();
            const auto& needs = stuck.instances.front()->dependencies();
            const bool cycle = std::ranges::all_of(needs, [&](const auto& n) {
                return find_loaded(n) != nullptr ||
                       std::ranges::any_of(waiting, [&](const auto& w) { return w.first == n; });
            });
            throw ConfigError(at_its_place(
                name, cycle ? "is part of a cycle of modules that need each other" : missing_needs(stuck)));
        }
        if (const auto why = conflicts(next->second, {}); !why.empty())
            throw ConfigError(at_its_place(next->first, why));
        auto& [name, prepared] = *next;
        if (const auto& factory = prepared.instances.front()->store_factory()) kernel_.store.use(factory);
        double pause = 0;
        if (const auto why = meet(nullptr, prepared.instances, pause); !why.empty())
            throw std::runtime_error(fmt::format("module {}: {}", name, why));
        loaded_.push_back({name, prepared.image->built(), prepared.image, std::move(prepared.instances), 0});
        waiting.erase(next);
    }
}

std::vector<std::string> Loader::check(const std::vector<std::string>& names) {
    const std::lock_guard guard{lock_};
    std::vector<std::string> found;
    for (const auto& name : names) {
        const auto file = find(name);
        if (!exists(name)) {
            found.push_back(at_its_place(name, no_file(name)));
            continue;
        }
        auto prepared = prepare(file, name);
        if (!prepared) {
            found.push_back(at_its_place(name, prepared.error().text));
            continue;
        }
        if (auto why = conflicts(*prepared, {}); !why.empty()) found.push_back(fmt::format("module {}: {}", name, why));
        remember_options(name, std::move(prepared->options));
        loaded_.push_back({name, file, prepared->image, std::move(prepared->instances), 0});
    }
    for (const auto& l : loaded_)
        for (const auto& need : l.instances.front()->dependencies())
            if (find_loaded(need) == nullptr)
                found.push_back(fmt::format("module {} needs module {}, which is not loaded", l.name, need));
    return found;
}

// --- swap

std::string Loader::meet(Instances* old, Instances& fresh, double& pause_ms) {
    const auto n = static_cast<std::ptrdiff_t>(fresh.size());
    std::atomic<bool> veto{false};
    std::mutex why_lock;
    std::string why;
    const auto refuse = [&](std::string text) {
        const std::lock_guard guard{why_lock};
        if (why.empty()) why = std::move(text);
        veto = true;
    };
    const auto hand_over = [&](std::size_t i) {
        if (old == nullptr) return;
        auto& before = *(*old)[i];
        try {
            const auto was = before.image()->descriptor().state_version;
            const auto is = fresh[i]->image()->descriptor().state_version;
            const auto state = before.module().save();
            if (was > is || !(was == is ? fresh[i]->module().load(state) : fresh[i]->module().upgrade(was, state)))
                refuse("the new version can't read the state of the old one; the old one stays");
        } catch (const std::exception& e) {
            refuse(fmt::format("handing over the state failed: {}; the old version stays", e.what()));
        } catch (...) {
            refuse("handing over the state failed; the old version stays");
        }
    };
    const auto flip = [&](std::size_t i) {
        if (old != nullptr) (*old)[i]->leave();
        fresh[i]->go_live();
    };
    if (!kernel_.running) {
        for (std::size_t i = 0; i < fresh.size(); ++i) hand_over(i);
        for (std::size_t i = 0; i < fresh.size() && !veto; ++i) flip(i);
        return why;
    }
    std::barrier votes{n};
    std::atomic<double> longest{0};
    on_each_shard([&](std::size_t i) {
        const auto start = std::chrono::steady_clock::now();
        hand_over(i);
        votes.arrive_and_wait();   // nobody has changed anything yet: one veto, and nobody will
        if (!veto) flip(i);
        const auto took = milliseconds_since(start);
        for (auto seen = longest.load(); took > seen && !longest.compare_exchange_weak(seen, took);) {
        }
    });
    pause_ms = longest;
    return why;
}

SwapReport Loader::swap(const std::string& name, const std::filesystem::path& file, Loaded* old) {
    SwapReport report;
    report.module = name;
    const auto refused = [&](std::string step, std::string why) {
        report.step = std::move(step);
        report.reason = std::move(why);
        kernel_.log->warning("module {}: not {} at step {}: {}", name, old != nullptr ? "swapped" : "loaded",
                             report.step, report.reason);
        return report;
    };
    auto start = std::chrono::steady_clock::now();
    auto prepared = prepare(file, name);
    report.prepare_ms = milliseconds_since(start);
    if (!prepared) return refused("prepare", prepared.error().text);
    bool store_changed = false;
    const auto give_up = [&](std::string step, std::string why) {
        // The old driver's code is what stays: the store must not go on with the other one.
        if (store_changed) kernel_.store.use(old != nullptr ? old->instances.front()->store_factory() : StoreFactory{});
        retire(name, std::move(prepared->image), std::move(prepared->instances));
        return refused(std::move(step), std::move(why));
    };
    if (auto why = missing_needs(*prepared); !why.empty()) return give_up("needs", why);
    if (auto why = conflicts(*prepared, name); !why.empty()) return give_up("conflicts", why);
    if (auto why = unknown_keys(name, prepared->options); !why.empty()) return give_up("options", why);
    if (const auto& factory = prepared->instances.front()->store_factory()) {
        try {
            kernel_.store.use(factory);
            store_changed = true;
        } catch (const std::exception& e) {
            return give_up("store", e.what());
        }
    }
    if (auto why = meet(old != nullptr ? &old->instances : nullptr, prepared->instances, report.pause_ms); !why.empty())
        return give_up("meet", why);
    report.done = true;
    report.version = prepared->image->descriptor().version;
    report.generation = prepared->image->generation();
    remember_options(name, std::move(prepared->options));
    start = std::chrono::steady_clock::now();
    if (old == nullptr) {
        on_each_shard([&](std::size_t i) { kernel_.shards[i]->introduce(*prepared->instances[i]); });
        loaded_.push_back({name, file, std::move(prepared->image), std::move(prepared->instances), 0});
        report.unmapped = true;
    } else {
        old->file = file;
        ++old->swaps;
        std::swap(old->image, prepared->image);
        std::swap(old->instances, prepared->instances);
        report.unmapped = retire(name, std::move(prepared->image), std::move(prepared->instances));
    }
    report.retire_ms = milliseconds_since(start);
    kernel_.log->info("module {}: version {} (generation {}) is live; shards stood still for {:.3f} ms", name,
                      report.version, report.generation, report.pause_ms);
    return report;
}

SwapReport Loader::load(const std::string& name) {
    const std::lock_guard guard{lock_};
    return remember("load", load_now(name));
}

SwapReport Loader::reload(const std::string& name, const std::filesystem::path& file) {
    const std::lock_guard guard{lock_};
    return remember("reload", reload_now(name, file));
}

SwapReport Loader::unload(const std::string& name) {
    const std::lock_guard guard{lock_};
    return remember("unload", unload_now(name));
}

SwapReport Loader::reconfigure(const std::string& name, const Config& fresh) {
    const std::lock_guard guard{lock_};
    auto before = config_;
    config_.adopt(fresh, "module " + name);
    auto report =
        find_loaded(name) == nullptr ? remember("load", load_now(name)) : remember("reload", reload_now(name, {}));
    if (!report.done) config_ = std::move(before);
    return report;
}

void Loader::follow(const Config& config) {
    const std::lock_guard guard{lock_};
    config_ = config;
}

std::vector<OptionInfo> Loader::options() const {
    const std::lock_guard guard{lock_};
    return kernel_.declared;
}

Loader::StorePlugin Loader::store_plugin() const {
    const std::lock_guard guard{lock_};
    for (const auto& l : loaded_)
        if (const auto& factory = l.instances.front()->store_factory()) return {l.image, factory};
    return {};
}

SwapReport Loader::remember(std::string kind, SwapReport report) {
    ++(report.done ? history_.done : history_.refused);
    if (history_.latest.size() >= remembered_swaps) history_.latest.erase(history_.latest.begin());
    history_.latest.push_back({kernel_.clock->now(), std::move(kind), report});
    return report;
}

Loader::History Loader::history() const {
    const std::lock_guard guard{lock_};
    auto history = history_;
    history.pinned = retired_.size();
    return history;
}

SwapReport Loader::load_now(const std::string& name) {
    if (find_loaded(name) != nullptr) return refusal(name, "load", "is loaded already; use reload");
    const auto file = find(name);
    if (file.empty()) return refusal(name, "find", fmt::format("there is no file {}.so in the module folders", name));
    return swap(name, file, nullptr);
}

SwapReport Loader::reload_now(const std::string& name, const std::filesystem::path& file) {
    auto* old = find_loaded(name);
    if (old == nullptr) return refusal(name, "find", "is not loaded");
    if (old->image->is_built_in()) return refusal(name, "find", std::string{part_of_the_program});
    return swap(name, file.empty() ? old->file : file, old);
}

SwapReport Loader::unload_now(const std::string& name) {
    SwapReport report;
    report.module = name;
    report.step = "unload";
    auto* old = find_loaded(name);
    if (old == nullptr) return report.reason = "is not loaded", report;
    if (old->image->is_built_in()) return report.reason = part_of_the_program, report;
    for (const auto& other : loaded_)
        for (const auto& need : other.instances.front()->dependencies())
            if (need == name) return report.reason = fmt::format("module {} needs it", other.name), report;
    if (old->instances.front()->store_factory())
        return report.reason = "it is the store: everything else needs it", report;
    on_each_shard([&](std::size_t i) { old->instances[i]->leave(); });
    report.done = true;
    report.step.clear();
    report.version = old->image->descriptor().version;
    report.generation = old->image->generation();
    auto image = std::move(old->image);
    auto instances = std::move(old->instances);
    std::erase_if(loaded_, [&](const Loaded& l) { return l.name == name; });
    report.unmapped = retire(name, std::move(image), std::move(instances));
    kernel_.log->info("module {}: unloaded", name);
    return report;
}

// --- retire

// True if the image was unmapped within the next moments; else the supervisor keeps an eye on it.
bool Loader::retire(std::string name, std::shared_ptr<Image> image, Instances instances) {
    Retired gone{std::move(name), image->copy(), std::move(image), std::move(instances),
                 kernel_.clock->steady() + drain};
    for (int i = 0; i < quick_sweeps; ++i) {
        if (sweep(gone)) return !Image::mapped(gone.copy);
        if (kernel_.runs_loop())
            kernel_.pump(quick_sweep);
        else
            std::this_thread::sleep_for(quick_sweep);
    }
    retired_.push_back(std::move(gone));
    return false;
}

// Instances die on their own thread, when nothing of their code waits or runs any more. True when the image is closed.
bool Loader::sweep(Retired& retired) {
    const bool overdue = kernel_.clock->steady() > retired.until;
    on_each_shard([&](std::size_t i) {
        if (i >= retired.instances.size() || !retired.instances[i]) return;
        if (overdue) retired.instances[i]->cancel();
        if (!retired.instances[i]->busy()) retired.instances[i].reset();
    });
    if (std::ranges::any_of(retired.instances, [](const auto& i) { return i != nullptr; })) return false;
    retired.instances.clear();
    retired.image.reset();
    return true;
}

void Loader::sweep() {
    const std::lock_guard guard{lock_};
    std::erase_if(retired_, [&](Retired& r) {
        if (!sweep(r)) return false;
        if (Image::mapped(r.copy))
            kernel_.log->warning("module {}: an old version stays in memory: something pins {}", r.name,
                                 r.copy.string());
        return true;
    });
}

std::vector<std::shared_ptr<Image>> Loader::release() {
    const std::lock_guard guard{lock_};
    std::vector<std::shared_ptr<Image>> images;
    for (auto& l : loaded_) {
        for (auto& i : l.instances) {
            i->leave();
            i->cancel();
        }
    }
    for (auto& r : retired_) {
        for (auto& i : r.instances)
            if (i) i->cancel();
        r.instances.clear();
        images.push_back(std::move(r.image));
    }
    for (auto& l : loaded_) {
        l.instances.clear();
        images.push_back(std::move(l.image));
    }
    loaded_.clear();
    retired_.clear();
    return images;
}

std::vector<ModuleInfo> Loader::modules() const {
    const std::lock_guard guard{lock_};
    std::vector<ModuleInfo> list;
    for (const auto& l : loaded_) {
        ModuleInfo info;
        info.name = l.name;
        info.version = l.image->descriptor().version;
        info.state = l.image->is_built_in() ? "built in" : "live";
        info.file = l.file.string();
        info.generation = l.image->generation();
        info.image_bytes = l.image->mapped_bytes();
        for (const auto& i : l.instances) info.faults += i->faults();
        list.push_back(std::move(info));
    }
    for (const auto& r : retired_) {
        ModuleInfo info;
        info.name = r.name;
        info.state = "draining";
        info.file = r.copy.string();
        list.push_back(std::move(info));
    }
    return list;
}

}   // namespace tambo
