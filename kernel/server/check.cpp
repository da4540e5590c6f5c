// tambod --check: a configuration tried out, with nothing started.
#include <algorithm>

#include "module/construction.hpp"
#include "server/impl.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

namespace fs = std::filesystem;

void check_certificates(Kernel& kernel, std::vector<std::string>& found) {
    const auto look = [&](const std::string& domain, const fs::path& chain, const fs::path& key) {
        try {
            if (!chain.empty()) kernel.tls.add({domain, chain, key});
        } catch (const std::exception& e) {
            found.emplace_back(e.what());
        }
    };
    look(kernel.settings.server.domains.front(), kernel.settings.tls.certificate, kernel.settings.tls.key);
    for (const auto& host : kernel.settings.hosts) look(host.domain, host.certificate, host.key);
}

}   // namespace

std::vector<std::string> check(const Config& config, Server::Options options) {
    std::vector<std::string> found;
    const ScratchFolder scratch;   // the real data folder stays untouched: a server may be at work there
    std::vector<std::shared_ptr<Image>> images;
    try {
        Config dry = config;
        dry.set("server", "data", scratch.path().string()).set("server", "run", scratch.path().string());
        options.log = [](Level, std::string_view) {};
        Kernel kernel{std::move(dry), std::move(options)};
        kernel.shards.push_back(std::make_unique<Shard>(kernel, 0));
        check_certificates(kernel, found);
        const auto names = kernel.module_names();
        {
            Loader loader{kernel, module_folders(kernel.settings)};
            std::ranges::move(loader.check(names), std::back_inserter(found));
            auto sections = kernel_sections();
            for (const auto& name : names) sections.push_back("module " + name);
            const bool all_known = found.empty();   // a module that could not be made has not named its options
            if (all_known) std::ranges::move(complaints(config, kernel.declared, sections), std::back_inserter(found));
            images = loader.release();
        }
        kernel.pool.join();
        kernel.shards.clear();
    } catch (const std::exception& e) {
        found.emplace_back(e.what());
    }
    return found;
}

}   // namespace tambo
