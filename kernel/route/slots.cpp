#include "route/slots.hpp"

#include <algorithm>

namespace tambo {

void SlotCensus::add(std::string_view name, std::ptrdiff_t n) {
    auto at = std::ranges::find(counts_, name, [](const auto& c) -> std::string_view { return c.first; });
    if (at == counts_.end()) at = counts_.emplace(at, std::string{name}, 0);
    at->second += static_cast<std::uint64_t>(n);
}

std::uint64_t SlotCensus::count(std::string_view name) const noexcept {
    const auto at = std::ranges::find(counts_, name, [](const auto& c) -> std::string_view { return c.first; });
    return at == counts_.end() ? 0 : at->second;
}

std::string& Slots::at(std::string_view name, SlotCensus* census) {
    for (auto& [n, bytes] : slots_)
        if (n == name) return *bytes;
    if (census != nullptr) census->add(name, 1);
    return *slots_.emplace_back(std::string{name}, std::make_unique<std::string>()).second;
}

void Slots::leave(SlotCensus& census) const {
    for (const auto& [name, bytes] : slots_) census.add(name, -1);
}

void Slots::clear(SlotCensus& census) {
    leave(census);
    slots_.clear();
}

const std::string* Slots::find(std::string_view name) const noexcept {
    for (const auto& [n, bytes] : slots_)
        if (n == name) return bytes.get();
    return nullptr;
}

}   // namespace tambo
