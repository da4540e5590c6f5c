// Where a play is performed: a server inside this process with a clock in the player's hand, or the real tambod over
// TCP.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire.hpp"

namespace tambo {
class Server;
}

namespace play {

/// What a play asks of the configuration: `[module offline] quota = 2`.
struct Setting {
    std::string section, key, value;
};

class Stage {
public:
    static constexpr std::string_view domain = "localhost";

    virtual ~Stage() = default;
    virtual std::unique_ptr<Wire> connect() = 0;   ///< a fresh connection
    virtual void add_user(const std::string& user, const std::string& password) = 0;
    /// Returns when the server has worked off what reached it, as far as this stage can tell.
    virtual void settle() = 0;
    virtual void pass(std::chrono::milliseconds time) = 0;
    /// It ends and is started again, on the same data: in another process killed, in this one stopped.
    virtual void restart() = 0;
    /// What the server wrote into its log so far, for whoever has to understand a failure.
    virtual std::string log() const = 0;
    /// The server's data folder; empty if that is out of reach.
    virtual std::filesystem::path data() const { return {}; }
    /// Null for a server in another process.
    virtual tambo::Server* server() noexcept { return nullptr; }
};

/// Where tambo lies: the build for the tests, the prefix for tambo-play. Each program says which (home.cpp,
/// tambo_play.cpp).
struct Home {
    std::filesystem::path modules, plugins, tambod;
};
Home home();

/// What the in-process stage loads.
struct Cast {
    std::vector<std::string> modules;   ///< empty: every module there is, with store_memory and auth_store
    std::vector<Setting> settings;
    std::vector<std::filesystem::path> folders;   ///< searched before those of home()
    unsigned threads = 2;                         ///< so that plays cross shards
};

std::unique_ptr<Stage> in_process(const Cast& cast);
std::unique_ptr<Stage> over_tcp(const std::vector<Setting>& settings);

/// Every module in a folder, by name.
std::vector<std::string> modules_in(const std::filesystem::path& folder);
/// Every module of home(), without plugins.
std::vector<std::string> all_modules();

}   // namespace play
