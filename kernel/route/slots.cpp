#include "route/slots.hpp"

#include <algorithm>

namespace tambo {

SlotCensus::Name& SlotCensus::name(std::string_view text) {
    const auto at = std::ranges::find(names_, text, &Name::text);
    return at != names_.end() ? *at : names_.emplace_back(Name{std::string{text}, 0});
}

std::uint64_t SlotCensus::count(std::string_view name) const noexcept {
    const auto at = std::ranges::find(names_, name, &Name::text);
    return at == names_.end() ? 0 : at->count;
}

std::string& Slots::at(std::string_view name, SlotCensus& census, bool is_counted) {
    auto* place = &first_;
    for (; *place; place = &(*place)->more) {
        auto& few = **place;
        for (std::size_t i = 0; i < few.names.size(); ++i) {
            if (few.names[i] == nullptr) {
                few.names[i] = &census.name(name);
                if (is_counted) ++few.names[i]->count;
            } else if (few.names[i]->text != name) {
                continue;
            }
            return few.bytes[i];
        }
    }
    *place = std::make_unique<Few>();
    return at(name, census, is_counted);
}

void Slots::leave() const noexcept {
    for (const auto* few = first_.get(); few != nullptr; few = few->more.get())
        for (auto* name : few->names)
            if (name != nullptr) --name->count;
}

void Slots::clear() noexcept {
    leave();
    first_.reset();
}

const std::string* Slots::find(std::string_view name) const noexcept {
    for (const auto* few = first_.get(); few != nullptr; few = few->more.get())
        for (std::size_t i = 0; i < few->names.size() && few->names[i] != nullptr; ++i)
            if (few->names[i]->text == name) return &few->bytes[i];
    return nullptr;
}

}   // namespace tambo
