// Where payloads begin and end in a stream of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect.hpp"

namespace tambo::funxmpp {

/// What a client sends before its first frame. Servers send none.
std::string_view prologue(Dialect dialect) noexcept;

struct Found {
    enum class State : std::uint8_t { need_more, whole, refused };
    State state = State::need_more;
    Fault fault = Fault::none;
    std::size_t used = 0;            ///< whole: bytes that belong to it
    std::string_view payload = {};   ///< of a frame; empty in a keep-alive
};

/// Is there a prologue at the front, and of which dialect? Multi-device clients may send routing information before
/// theirs, which is skipped. Refuses at the first byte that can't be right.
Found find_prologue(std::string_view bytes, Dialect& dialect) noexcept;

/// Is there a whole frame at the front? Refuses payloads above `max_payload` by their header alone.
Found find_frame(std::string_view bytes, Dialect dialect, std::size_t max_payload) noexcept;

/// Makes room for a header; the payload follows, then close_frame.
std::size_t open_frame(std::string& out);
/// Writes the header at `opened`. False if the payload is longer than a header can say, or than `max_payload`.
bool close_frame(std::string& out, std::size_t opened, Dialect dialect, std::size_t max_payload);

}   // namespace tambo::funxmpp
