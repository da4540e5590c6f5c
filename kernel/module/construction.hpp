// Who is being constructed: how a Module's members find their host and options while its constructor runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tambo/module.hpp>
#include <tambo/server.hpp>

namespace tambo {

/// In place for as long as something on this thread reads options: around a module's constructor, and around the
/// kernel's own sections. The previous one comes back when it goes.
class Construction {
public:
    Construction(Host* host, const Config& config, std::string section, std::vector<OptionInfo>& declared);
    ~Construction();
    Construction(const Construction&) = delete;
    Construction& operator=(const Construction&) = delete;

    /// The innermost one on this thread; throws std::logic_error if there is none.
    static Construction& current();

    Host* host;   ///< null for the kernel's own sections
    const Config& config;
    std::string section;                 ///< "module roster"
    std::vector<OptionInfo>& declared;   ///< gets a line for each option that is read
    std::vector<SlotInfo> slots;         ///< … and this one for each slot

private:
    Construction* outer_;
};

/// Complains about every section and key of `config` that nobody declared: where it stands, what it is, the nearest
/// name that is known. `sections` holds the section names that exist even without options ("listener *" matches by
/// prefix).
std::vector<std::string> complaints(const Config& config, const std::vector<OptionInfo>& declared,
                                    const std::vector<std::string>& sections);

/// "; did you mean bind?" for a name that is near to one of those that are known; empty if none is.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

}   // namespace tambo
