// Which codec each wire format has at the moment.
#include <algorithm>

#include "module/instance.hpp"
#include "shard/shard.hpp"

namespace tambo {

Wire* Shard::find_wire(std::string_view name) noexcept {
    const auto at = std::ranges::find(wires, name, &Wire::name);
    return at == wires.end() || at->codec == nullptr ? nullptr : &*at;
}

void Shard::set_codec(Codec& codec, Instance& owner) {
    auto at = std::ranges::find(wires, codec.name(), &Wire::name);
    if (at == wires.end()) at = wires.insert(at, {.name = std::string{codec.name()}});
    at->codec = &codec;
    at->owner = &owner;
    at->version = codec.version();
    if (std::ranges::find(at->written, at->version) == at->written.end()) at->written.push_back(at->version);
}

std::string Shard::objection_to(const Codec& codec) const {
    const auto at = std::ranges::find(wires, codec.name(), &Wire::name);
    if (at == wires.end() || at->codec == nullptr) return {};
    const auto is_foreign = [&](std::uint32_t version) { return !codec.reads(version); };
    if (std::ranges::none_of(at->written, is_foreign)) return {};   // the usual case asks no connection
    for (const auto& connection : connections_) {
        const auto* memory = connection->memory();
        if (&connection->wire() != &*at || connection->is_closing() || memory == nullptr ||
            !is_foreign(memory->version))
            continue;
        return fmt::format("its codec {} can't read what version {} of it remembers of a stream", at->name,
                           memory->version);
    }
    return {};
}

void Shard::withdraw_codecs(const Instance& owner) {
    for (auto& wire : wires) {
        if (wire.owner != &owner) continue;   // a newer version took over
        std::vector<std::shared_ptr<Connection>> speakers;
        for (const auto& connection : connections_)
            if (&connection->wire() == &wire) speakers.push_back(connection);
        for (const auto& connection : speakers)
            connection->close_stream(StreamCondition::reset, "the server does not speak this any more");
        wire.codec = nullptr;
        wire.written.clear();
    }
}

}   // namespace tambo
