// Backup and restore, another configuration, and the proof that an account is gone (server.hpp).
#include <stdexcept>

#include <fmt/format.h>

#include "server/impl.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

// "capulet.lit" has no account of its own: what the server keeps for itself has no owner at all.
Result<Jid> account_of(Kernel& kernel, std::string_view text) {
    auto jid = Jid::parse(text);
    if (jid && (!jid->is_bare() || jid->local().empty() || !kernel.is_local(jid->domain())))
        return fail(Condition::jid_malformed, "not an account of this server (user@domain)");
    return jid;
}

Result<std::vector<TableCount>> count_rows(Kernel& kernel, const Jid& owner) {
    std::vector<TableCount> found;
    const auto error = kernel.store.run([&](StoreDriver& driver) { found = driver.count(owner.text()); });
    if (!error.empty()) return fail(Condition::resource_constraint, error);
    return found;
}

}   // namespace

Result<Server::Erased> Server::erase_user(std::string_view bare_jid) {
    auto& kernel = impl_->kernel();
    const auto jid = account_of(kernel, bare_jid);
    if (!jid) return std::unexpected{jid.error()};
    auto before = count_rows(kernel, *jid);
    if (!before) return std::unexpected{before.error()};
    if (const auto gone = remove_user(bare_jid); !gone) return std::unexpected{gone.error()};
    auto after = count_rows(kernel, *jid);
    if (!after) return std::unexpected{after.error()};
    return Erased{std::move(*before), std::move(*after)};
}

Level Server::log_level() const { return impl_->kernel().logger.level(); }

ConfigReport Server::reload_config(const Config& config) { return impl_->configuration().follow(config); }

ConfigReport Server::reload_config() {
    const auto& file = impl_->kernel().config.file();
    ConfigReport report;
    if (file.empty()) {
        report.reason = "the configuration was not read from a file";
        return report;
    }
    try {
        return reload_config(Config::load(file));
    } catch (const ConfigError& e) {
        report.reason = e.what();
        return report;
    }
}

void Server::backup(const std::filesystem::path& file) {
    const auto plugin = impl_->loader().store_plugin();
    if (!plugin.factory) throw std::runtime_error("no store plugin is loaded");
    if (!plugin.factory.backup) throw std::runtime_error("this store has nothing that could be backed up");
    plugin.factory.backup(file, impl_->kernel().stopping);
    impl_->kernel().log->info("backup: all that the store keeps is in {}", file.string());
}

std::filesystem::path restore(const Config& config, const std::filesystem::path& file) {
    Kernel kernel{config, Server::Options{}};   // holds the lock on the data folder: no server runs there
    std::filesystem::create_directories(kernel.run_folder());
    kernel.shards.push_back(std::make_unique<Shard>(kernel, 0));
    Loader loader{kernel, module_folders(kernel.settings)};
    std::filesystem::path old;
    std::string problem;
    try {
        if (const auto wrong = loader.check(kernel.settings.server.plugins); !wrong.empty())
            throw std::runtime_error(wrong.front());
        const auto plugin = loader.store_plugin();
        if (!plugin.factory.restore) throw std::runtime_error("this configuration's store cannot be restored");
        old = plugin.factory.restore(file);
    } catch (const std::exception& e) {
        problem = e.what();   // the text only: the exception's type may live in the plugin
    }
    auto images = loader.release();
    kernel.pool.join();
    kernel.shards.clear();
    if (!problem.empty()) throw std::runtime_error(problem);
    return old;
}

}   // namespace tambo
