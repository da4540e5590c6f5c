// A shard without threads, sockets or loaded modules, for tests that look inside.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "module/instance.hpp"
#include "plugins/store_memory/driver.hpp"
#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

class OneShard {
public:
    OneShard() : OneShard(Config{}, {}) {}
    /// With these settings, and a clock or a log of the test's own.
    OneShard(Config config, Server::Options options)
        : folder_(std::filesystem::temp_directory_path() / ("tambo-shard-" + random_token(8))) {
        if (!options.log) options.log = [](Level, std::string_view) {};
        options.manual_timers = true;
        kernel_ = std::make_unique<Kernel>(std::move(config.domain("localhost").data(folder_)), std::move(options));
        kernel_->store.use([] { return memory::open(); });
        kernel_->shards.push_back(std::make_unique<Shard>(*kernel_, 0));
    }
    ~OneShard() {
        modules_.clear();
        kernel_->pool.join();
        kernel_->shards.clear();
        kernel_.reset();
        std::filesystem::remove_all(folder_);
    }
    OneShard(const OneShard&) = delete;
    OneShard& operator=(const OneShard&) = delete;

    Kernel& kernel() noexcept { return *kernel_; }
    Shard& shard() noexcept { return *kernel_->shards.front(); }

    /// A module that is part of the test. It is not live: what it asked for is in its wires().
    Instance& make(const std::string& name, std::function<Module*()> make) {
        auto image = Image::built_in(name, "1", std::move(make));
        return *modules_.emplace_back(
            std::make_unique<Instance>(std::move(image), shard(), kernel_->config, declared_));
    }

    /// An account that exists, in memory.
    LocalAccount& account(std::string_view bare) {
        auto& account = shard().account(*Jid::parse(bare));
        while (!account.is_loaded()) work();
        account.set_exists(true);
        return account;
    }

    /// What the store was asked is answered, and what that leads to has happened.
    void work() {
        kernel_->store.run([](StoreDriver&) {});
        shard().drain();
    }

private:
    const std::filesystem::path folder_;
    std::unique_ptr<Kernel> kernel_;
    std::vector<OptionInfo> declared_;
    std::vector<std::unique_ptr<Instance>> modules_;
};

}   // namespace tambo
