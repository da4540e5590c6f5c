// What only the multi-device dialect has: the flag byte, and JIDs with devices.
#include <array>
#include <zlib.h>

#include "decoder.hpp"
#include "wire.hpp"

namespace tambo::funxmpp {

/// The flag byte, and what it says of the rest.
bool Decoder::unwrap() {
    constexpr std::uint32_t is_plain = 0x00, is_deflated = 0x02;
    std::uint32_t flags = 0;
    if (!number(flags, 1)) return false;
    if (flags == is_plain) return true;
    if (flags != is_deflated) return refuse(Fault::bad_frame_flags, 0);
    if (!inflate({at_, left()})) return false;
    begin_ = at_ = inflated_.data();
    end_ = begin_ + inflated_.size();
    shift_ = 1;
    return true;
}

namespace {

/// zlib's state, ended however this is left.
struct Inflation {
    Inflation() noexcept { is_ready = inflateInit(&stream) == Z_OK; }
    ~Inflation() { inflateEnd(&stream); }
    Inflation(const Inflation&) = delete;
    Inflation& operator=(const Inflation&) = delete;
    z_stream stream{};
    bool is_ready;
};

}   // namespace

bool Decoder::inflate(std::string_view deflated) {
    Inflation inflation;
    if (!inflation.is_ready) throw std::bad_alloc{};
    auto& stream = inflation.stream;
    // zlib's interface predates const
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(deflated.data()));
    stream.avail_in = static_cast<uInt>(deflated.size());
    inflated_.clear();
    std::array<char, 4096> piece;
    for (;;) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = piece.size();
        const auto state = ::inflate(&stream, Z_NO_FLUSH);
        const auto size = piece.size() - stream.avail_out;
        if (size > limits_.inflated - inflated_.size()) return refuse(Fault::inflate_limit, 1);
        inflated_.append(piece.data(), size);
        if (state == Z_STREAM_END) break;
        if (state == Z_BUF_ERROR || (state == Z_OK && stream.avail_in == 0 && stream.avail_out > 0))
            return refuse(Fault::truncated, 1);
        if (state == Z_MEM_ERROR) throw std::bad_alloc{};
        if (state != Z_OK) return refuse(Fault::bad_deflate, 1);
    }
    return stream.avail_in == 0 || refuse(Fault::trailing, 1);
}

bool Decoder::device_form(std::uint8_t kind, Part part, std::uint32_t where) {
    if (kind < wire::md::interop_jid || kind > wire::md::device_jid) return refuse(Fault::unknown_token, where);
    if (!may_be_jid(part)) return refuse(Fault::nested_jid, where);
    if (kind == wire::md::device_jid) return device_jid(where);
    return long_device_jid(where, kind == wire::md::interop_jid);
}

bool Decoder::device_jid(std::uint32_t where) {
    std::uint32_t code = 0, device = 0;
    if (!number(code, 1) || !number(device, 1)) return false;
    for (const auto& domain : wire::md::domains) {
        if (domain.code != code) continue;
        if (!half(where)) return false;
        if (device > 0) append(std::string_view{":" + std::to_string(device)});
        append(std::string_view{"@"});
        append(domain.server);
        return true;
    }
    return refuse(Fault::bad_jid, where);
}

// user:device@msgr, or integrator-user:device@interop
bool Decoder::long_device_jid(std::uint32_t where, bool is_interop) {
    const auto start = written();
    std::uint32_t device = 0, integrator = 0;
    if (!half(where) || !number(device, 2) || (is_interop && !number(integrator, 2))) return false;
    append(std::string_view{":" + std::to_string(device) + "@"});
    const auto server_at = written();
    if (!half(where)) return false;
    if (at({server_at, written() - server_at}) != (is_interop ? "interop" : "msgr"))
        return refuse(Fault::bad_jid, where);
    if (!is_interop) return true;
    const auto device_jid = std::to_string(integrator) + "-" + std::string{at({start, written() - start})};
    written_ = start;
    append(std::string_view{device_jid});
    return true;
}

}   // namespace tambo::funxmpp
