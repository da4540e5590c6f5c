// Stages whose clients come in over other wires than plain XML.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "stage.hpp"

namespace play {

/// How a client speaks.
enum class Tongue : std::uint8_t {
    xml,
    classic,   ///< FunXMPP from the first byte; so is the next
    page,
    classic_by_feature,   ///< FunXMPP after XML, in the way of XEP-0138; so is the next
    page_by_feature,
};

constexpr Tongue all_tongues[] = {Tongue::xml, Tongue::classic, Tongue::page, Tongue::classic_by_feature,
                                  Tongue::page_by_feature};

/// A fresh connection, for somebody who speaks so.
std::unique_ptr<Wire> dressed(std::unique_ptr<Wire> wire, Tongue tongue);

/// Each new connection takes the next tongue, over and over. So whoever comes back may come back in another one.
std::unique_ptr<Stage> in_tongues(std::unique_ptr<Stage> stage, std::vector<Tongue> tongues);

/// The connections are those of `stage`. Every stanza that goes over them, either way, is put into FunXMPP and taken
/// out again beside it, in each dialect; if it is another one then, reading or writing fails.
std::unique_ptr<Stage> recorded(std::unique_ptr<Stage> stage);

}   // namespace play
