// The XML wire (RFC 6120 §4, §11): framer and reader behind the Codec interface.
#pragma once

#include <memory>

#include <tambo/codec.hpp>

namespace tambo {

/// One per shard. Its reader is shared by all streams of the shard.
std::unique_ptr<Codec> make_xml_codec();

}   // namespace tambo
