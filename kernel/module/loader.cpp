#include "module/loader.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "module/claims.hpp"
#include "module/construction.hpp"
#include "module/failure.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr std::string_view part_of_the_program =
    "is part of the program that this server runs in: it comes and goes with that program";
constexpr std::size_t remembered_swaps = 100;
constexpr std::size_t remembered_events = 20;

SwapReport nothing_to_do() {
    SwapReport report;
    report.done = true;
    return report;
}

bool has_same_bytes(const std::filesystem::path& a, const std::filesystem::path& b) {
    std::ifstream one{a, std::ios::binary}, other{b, std::ios::binary};
    if (!one || !other) return false;
    return std::equal(std::istreambuf_iterator<char>{one}, {}, std::istreambuf_iterator<char>{other}, {});
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
    : kernel_(kernel), folders_(std::move(folders)), config_(kernel.config), retirement_(kernel) {}

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

// On the only thread there is: who has the lock may be waiting for this very thread.
std::unique_lock<std::mutex> Loader::enter() const {
    constexpr Duration glance{2};
    std::unique_lock lock{lock_, std::defer_lock};
    if (!kernel_.runs_loop()) {
        lock.lock();
        return lock;
    }
    while (!lock.try_lock()) kernel_.pump(glance);
    return lock;
}

Loader::Loaded* Loader::find_loaded(const std::string& name) {
    const auto at = std::ranges::find(loaded_, name, &Loaded::name);
    return at == loaded_.end() ? nullptr : &*at;
}

// --- prepare

const HostModule* Loader::find_own(const std::string& name) const {
    const auto at = std::ranges::find(kernel_.host_modules, name, &HostModule::name);
    return at == kernel_.host_modules.end() ? nullptr : &*at;
}

Result<Loader::Prepared> Loader::prepare(const std::filesystem::path& file, const std::string& name) {
    const ThreadCrumb here{kernel_.lasting_name(name)};   // its constructors run here, those of its globals first
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
    const auto guard = enter();
    Changes waiting;
    for (const auto& name : names) {
        if (!exists(name)) throw ConfigError(at_its_place(name, no_file(name)));
        if (stays_out(name)) continue;
        auto prepared = prepare(find(name), name);
        if (!prepared) throw ConfigError(at_its_place(name, prepared.error().text));
        remember_options(name, prepared->options);
        Change change{name, find(name)};
        change.fresh = std::move(*prepared);
        waiting.push_back(std::move(change));
    }
    while (!waiting.empty()) {
        const auto next = std::ranges::find_if(
            waiting, [&](const Change& c) { return missing_needs(*c.fresh.instances.front(), {}).empty(); });
        if (next == waiting.end()) {
            if (leave_out_who_needs_them(waiting)) continue;
            throw ConfigError(stuck(waiting));
        }
        const auto name = next->name;
        Changes one;
        one.push_back(std::move(*next));
        waiting.erase(next);
        if (const auto why = judge(one.front(), one)) throw ConfigError(at_its_place(name, why.reason));
        const auto& first = *one.front().fresh.instances.front();
        if (first.store_factory()) kernel_.store.use(first.store_factory(), first.crumb());
        Meeting::Figures figures;
        if (const auto why = meet(one, figures))
            throw std::runtime_error(fmt::format("module {}: {}", name, why.reason));
        SwapReport ignored;
        settle(one, ignored);
    }
}

// Who waits for whom, when nobody can go on.
std::string Loader::stuck(const Changes& waiting) const {
    const auto& first = waiting.front();
    const auto& needs = first.fresh.instances.front()->dependencies();
    const bool is_cycle = std::ranges::all_of(needs, [&](const auto& need) {
        return std::ranges::find(loaded_, need, &Loaded::name) != loaded_.end() ||
               std::ranges::find(waiting, need, &Change::name) != waiting.end();
    });
    return at_its_place(first.name, is_cycle ? "is part of a cycle of modules that need each other"
                                             : missing_needs(*first.fresh.instances.front(), {}));
}

std::vector<std::string> Loader::check(const std::vector<std::string>& names) {
    const auto guard = enter();
    std::vector<std::string> found;
    for (const auto& name : names) {
        if (!exists(name)) {
            found.push_back(at_its_place(name, no_file(name)));
            continue;
        }
        auto prepared = prepare(find(name), name);
        if (!prepared) {
            found.push_back(at_its_place(name, prepared.error().text));
            continue;
        }
        for (const auto& other : loaded_)
            if (const auto why = clash(*prepared->instances.front(), *other.instances.front()); !why.empty()) {
                found.push_back(fmt::format("module {}: {}", name, why));
                break;
            }
        remember_options(name, std::move(prepared->options));
        loaded_.push_back({name, find(name), prepared->image, std::move(prepared->instances)});
    }
    for (const auto& l : loaded_)
        if (const auto why = missing_needs(*l.instances.front(), {}); !why.empty())
            found.push_back(fmt::format("module {} {}", l.name, why));
    return found;
}

// --- what can be asked for

SwapReport Loader::load(const std::string& name) {
    const auto guard = enter();
    return remember("load", load_now(name));
}

SwapReport Loader::reload(const std::string& name, const std::filesystem::path& file) {
    const auto guard = enter();
    return remember("reload", reload_now({name}, file));
}

SwapReport Loader::reload_together(const std::vector<std::string>& names) {
    const auto guard = enter();
    return remember("reload", reload_now(names, {}));
}

SwapReport Loader::reload_all() {
    const auto guard = enter();
    std::vector<std::string> names;
    for (const auto& l : loaded_)
        if (!l.image->is_built_in()) names.push_back(l.name);
    return remember("reload", reload_now(names, {}));
}

SwapReport Loader::reload_changed() {
    const auto guard = enter();
    std::vector<std::string> names;
    for (const auto& l : loaded_)
        if (!l.image->is_built_in() && !has_same_bytes(l.file, l.image->copy())) names.push_back(l.name);
    return names.empty() ? nothing_to_do() : remember("reload", reload_now(names, {}));
}

SwapReport Loader::unload(const std::string& name) {
    const auto guard = enter();
    return remember("unload", unload_now(name));
}

SwapReport Loader::reconfigure(const std::string& name, const Config& fresh) {
    const auto guard = enter();
    auto before = config_;
    config_.adopt(fresh, "module " + name);
    auto report =
        find_loaded(name) == nullptr ? remember("load", load_now(name)) : remember("reload", reload_now({name}, {}));
    if (!report.done) config_ = std::move(before);
    return report;
}

void Loader::follow(const Config& config) {
    const auto guard = enter();
    config_ = config;
}

std::vector<OptionInfo> Loader::options() const {
    const auto guard = enter();
    return kernel_.declared;
}

Loader::StorePlugin Loader::store_plugin() const {
    const auto guard = enter();
    for (const auto& l : loaded_)
        if (const auto& factory = l.instances.front()->store_factory()) return {l.image, factory};
    return {};
}

// --- for the supervisor

Loader::Loaded* Loader::find_loaded(const std::string& name, std::uint64_t generation) {
    auto* loaded = find_loaded(name);
    return loaded != nullptr && (generation == 0 || loaded->image->generation() == generation) ? loaded : nullptr;
}

std::string Loader::rebuild(const std::string& name, std::uint64_t generation, unsigned shard) {
    const auto guard = enter();
    auto* loaded = find_loaded(name, generation);
    if (loaded == nullptr) return {};
    std::vector<OptionInfo> options;
    std::unique_ptr<Instance> fresh;
    auto why = text_of_failure([&] {
        const ThreadCrumb here{loaded->instances[shard]->crumb()};
        fresh = std::make_unique<Instance>(loaded->image, *kernel_.shards[shard], config_, options);
        return std::string{};
    });
    if (!why.empty()) return why;
    auto& now = loaded->instances[shard];
    kernel_.on_shard(shard, [&](Shard&) {
        if (const auto& good = now->last_good()) why = text_of_failure([&] { return fresh->take_over(*good); });
        if (!why.empty()) return;
        fresh->count_on_from(*now);
        now->leave();
        fresh->go_live();
    });
    const bool is_back = why.empty();
    if (is_back) std::swap(now, fresh);
    Instances old;
    old.push_back(std::move(fresh));
    retirement_.add(name, nullptr, std::move(old));   // the image stays
    return why;
}

void Loader::withdraw(const std::string& name, std::uint64_t generation, unsigned shard) {
    const auto guard = enter();
    auto* loaded = find_loaded(name, generation);
    if (loaded == nullptr) return;
    // It may hold the shard: nobody waits for that. The instance dies by a job that the shard gets later.
    const auto leave = [instance = loaded->instances[shard].get()] { instance->leave(); };
    if (kernel_.runs_loop())
        kernel_.shards[shard]->turn(leave);
    else
        kernel_.shards[shard]->post(leave);
}

SwapReport Loader::roll_back(const std::string& name, std::uint64_t generation, const std::string& why) {
    const auto guard = enter();
    auto* loaded = find_loaded(name, generation);
    if (loaded == nullptr || loaded->previous.empty()) return refusal(name, "find", "there is no version before");
    tell(*loaded, "goes back to the version before: " + why);
    Changes changes;
    changes.push_back({name, loaded->previous, loaded, true});
    return remember("roll back", change(std::move(changes)));
}

void Loader::mark(const std::string& name, std::uint64_t generation, std::string state, std::string note,
                  std::string what) {
    const auto guard = enter();
    auto* loaded = find_loaded(name, generation);
    if (loaded == nullptr) return;
    if (!state.empty()) loaded->state = std::move(state);
    loaded->note = std::move(note);
    if (!what.empty()) tell(*loaded, std::move(what));
}

void Loader::end_probation(const std::string& name, std::uint64_t generation) {
    const auto guard = enter();
    auto* loaded = find_loaded(name, generation);
    if (loaded == nullptr || loaded->previous.empty()) return;
    forget_previous(*loaded);
    loaded->state = "live";
    loaded->note.clear();
    tell(*loaded, "probation is over");
}

void Loader::blame(const std::string& name, unsigned shard, std::string_view why) {
    const auto guard = enter();
    if (auto* loaded = find_loaded(name)) loaded->instances[shard]->fault("a handler", why);
}

// An instance leaves, and dies, by a job that its shard gets later.
void Loader::remember_states() {
    const auto guard = enter();
    for (auto& shard : kernel_.shards) {
        std::vector<Instance*> here;
        here.reserve(loaded_.size());
        for (auto& l : loaded_) here.push_back(l.instances[shard->index].get());
        const auto remember = [here = std::move(here)] {
            for (auto* instance : here)
                if (instance->is_live()) instance->remember();
        };
        if (kernel_.runs_loop())
            shard->turn(remember);
        else
            shard->post(remember);
    }
}

void Loader::forget_previous(Loaded& loaded) {
    std::error_code ignored;
    if (!loaded.previous.empty()) std::filesystem::remove(loaded.previous, ignored);
    loaded.previous.clear();
    loaded.handed_over.clear();
}

void Loader::tell(Loaded& loaded, std::string what) {
    if (loaded.history.size() >= remembered_events) loaded.history.erase(loaded.history.begin());
    loaded.history.push_back({kernel_.clock->now(), std::move(what)});
}

SwapReport Loader::remember(std::string kind, SwapReport report) {
    ++(report.done ? history_.done : history_.refused);
    if (history_.latest.size() >= remembered_swaps) history_.latest.erase(history_.latest.begin());
    history_.latest.push_back({kernel_.clock->now(), std::move(kind), report});
    return report;
}

Loader::History Loader::history() const {
    const auto guard = enter();
    auto history = history_;
    history.pinned = retirement_.pinned();
    return history;
}

SwapReport Loader::load_now(const std::string& name) {
    if (find_loaded(name) != nullptr) return refusal(name, "load", "is loaded already; use reload");
    const auto file = find(name);
    if (file.empty()) return refusal(name, "find", fmt::format("there is no file {}.so in the module folders", name));
    Changes changes;
    changes.push_back({name, file});
    auto report = change(std::move(changes));
    if (report.done) no_longer_left_out(name);
    return report;
}

SwapReport Loader::reload_now(const std::vector<std::string>& names, const std::filesystem::path& file) {
    Changes changes;
    for (const auto& name : names) {
        auto* old = find_loaded(name);
        if (old == nullptr) return refusal(name, "find", "is not loaded");
        if (old->image->is_built_in()) return refusal(name, "find", std::string{part_of_the_program});
        if (std::ranges::find(changes, name, &Change::name) != changes.end()) continue;
        changes.push_back({name, file.empty() ? old->file : file, old});
    }
    return changes.empty() ? nothing_to_do() : change(std::move(changes));
}

SwapReport Loader::unload_now(const std::string& name) {
    SwapReport report;
    report.module = name;
    report.step = "unload";
    auto* old = find_loaded(name);
    if (old == nullptr && no_longer_left_out(name))
        return report.step.clear(), report.done = report.unmapped = true, report;
    if (old == nullptr) return report.reason = "is not loaded", report;
    if (old->image->is_built_in()) return report.reason = part_of_the_program, report;
    for (const auto& other : loaded_)
        for (const auto& need : other.instances.front()->dependencies())
            if (need == name) return report.reason = fmt::format("module {} needs it", other.name), report;
    if (old->instances.front()->store_factory())
        return report.reason = "it is the store: everything else needs it", report;
    kernel_.on_each_shard([&](Shard& shard) {
        old->instances[shard.index]->leave();
        std::erase(shard.lacking, name);   // an operator knows what she does without
    });
    report.done = true;
    report.step.clear();
    report.version = old->image->descriptor().version;
    report.generation = old->image->generation();
    forget_previous(*old);
    auto image = std::move(old->image);
    auto instances = std::move(old->instances);
    std::erase_if(loaded_, [&](const Loaded& l) { return l.name == name; });
    SwappedModule part;
    part.module = name;
    part.version = report.version;
    part.generation = report.generation;
    part.old_image = retirement_.add(name, std::move(image), std::move(instances));
    part.unmapped = report.unmapped = part.old_image == "unmapped";
    report.modules.push_back(std::move(part));
    kernel_.desk.tell({.kind = ModuleNews::Kind::gone, .module = name});
    kernel_.log->info("module {}: unloaded", name);
    return report;
}

// --- the end

void Loader::sweep() {
    const auto guard = enter();
    retirement_.sweep();
}

std::vector<std::shared_ptr<Image>> Loader::release() {
    const auto guard = enter();
    for (auto& l : loaded_) {
        forget_previous(l);
        for (auto& i : l.instances) {
            i->leave();
            i->cancel();
        }
    }
    auto images = retirement_.release();
    for (auto& l : loaded_) {
        l.instances.clear();
        images.push_back(std::move(l.image));
    }
    loaded_.clear();
    return images;
}

std::vector<ModuleInfo> Loader::modules() const {
    const auto guard = enter();
    std::vector<ModuleInfo> list;
    for (const auto& l : loaded_) {
        ModuleInfo info;
        info.name = l.name;
        info.version = l.image->descriptor().version;
        info.state = l.image->is_built_in() && l.state == "live" ? "built in" : l.state;
        info.note = l.note;
        info.history = l.history;
        info.file = l.file.string();
        info.generation = l.image->generation();
        info.image_bytes = l.image->mapped_bytes();
        for (const auto& i : l.instances) info.faults += i->faults();
        list.push_back(std::move(info));
    }
    list.insert(list.end(), left_out_.begin(), left_out_.end());
    retirement_.describe(list);
    return list;
}

}   // namespace tambo
