// Making a running server follow another configuration (Server::reload_config).
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/server.hpp>

#include "module/loader.hpp"
#include "server/kernel.hpp"

namespace tambo {

/// Knows what is in effect, key by key, and brings it nearer to what the operator wrote. What could not be brought into
/// effect is told again the next time. From any thread except a shard's; one at a time.
class Reconfiguration {
public:
    Reconfiguration(Kernel& kernel, Loader& loader);

    ConfigReport follow(const Config& fresh);

private:
    using Fate = ConfigChange::Fate;

    std::string objection(const Config& fresh, Settings& settings) const;
    void change_modules(const Config& fresh, const Settings& settings);
    void take_out(List leaving);
    void bring_in(List coming, const Config& fresh);
    void swap(const std::string& name, const Config& fresh);
    void change_log(const Config& fresh, const Settings& settings);
    void change_certificates(const Config& fresh, const Settings& settings);
    void name_the_rest(const Config& fresh);
    bool differs(const Config& fresh, std::string_view section, std::string_view key) const;
    Config with_places_of(const Config& fresh) const;
    void tell(std::string what, Fate fate, std::string text);

    Kernel& kernel_;
    Loader& loader_;
    std::mutex lock_;
    Config in_effect_;
    List modules_;                                            // of those that the configuration named: what is loaded
    std::map<std::string, std::string, std::less<>> files_;   // where each domain's certificate and key lie
    ConfigReport report_;
};

}   // namespace tambo
