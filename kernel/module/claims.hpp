// What two builds, or two modules, may not both have.
#pragma once

#include <string>
#include <vector>

#include <tambo/session.hpp>

namespace tambo {

class Instance;

/// One owner for each question (IQ payload, element, negotiation, command, path, contract): which of them `other` has
/// already, in a sentence; empty if they get along.
std::string clash(const Instance& fresh, const Instance& other);

/// Why sessions cannot go on with the slots that `fresh` declares where they have those of `old`; empty if they can.
std::string slot_complaint(const std::vector<SlotInfo>& old, const std::vector<SlotInfo>& fresh);

}   // namespace tambo
