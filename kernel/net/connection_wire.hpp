// How a connection calls its codec.
#pragma once

#include <exception>
#include <utility>

#include "module/failure.hpp"
#include "module/instance.hpp"
#include "net/connection.hpp"
#include "stream/wire.hpp"

namespace tambo {

/// The codec of a module is guarded as all that modules do is: what it throws costs this stream, not the server.
template <class Outcome, class Call>
Outcome Connection::ask_codec(Outcome otherwise, Call&& call) {
    if (wire_->is_xml()) return call(*wire_->codec);
    const Breadcrumb here{*wire_->owner};
    try {
        if (bring_up_to_date()) return call(*wire_->codec);
        wire_->owner->fault("codec " + wire_->name, "it can't go on with a stream of its older version");
    } catch (const std::exception& e) {
        wire_->owner->fault("codec " + wire_->name, e.what());
    } catch (...) {
        wire_->owner->fault("codec " + wire_->name, unknown_exception);
    }
    return otherwise;
}

/// Appends to the output by way of the codec. What could not be said whole is not said at all, and the stream ends with
/// the turn: not here, where whoever speaks does not expect it.
template <class Words>
void Connection::say(std::size_t xml_bytes, Words&& words) {
    const auto before = out_.size();
    if (!ask_codec(false, std::forward<Words>(words))) {
        out_.resize(before);
        is_mute_ = true;
        return;
    }
    if (xml_bytes != 0 && !wire_->is_xml()) count_saved_out(out_.size() - before, xml_bytes);
}

}   // namespace tambo
