// XEP-0004 (2.13.2): a command's arguments as a form to fill in, and back; its result as a form to read.
#pragma once

#include <string>

#include <tambo/tambo.hpp>

namespace tambo::adhoc {

inline constexpr std::string_view data_space = "jabber:x:data";

/// The form that asks for what the command has to be told. `known` holds what is to stand in it already.
std::string ask(const Command& command, const CommandCall& known);

/// What somebody wrote into it: values of the command's own arguments, nothing else. Host::give checks them.
CommandCall filled_in(const Command& command, const Element& form);

/// The figures of a result, and what else it brings; empty if there is nothing but a sentence.
std::string report(const Command& command, const CommandResult& result);

}   // namespace tambo::adhoc
