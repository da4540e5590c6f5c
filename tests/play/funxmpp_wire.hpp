// A client that speaks FunXMPP, by way of the codec library: what it says and hears as XML is binary on the wire.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "decoder.hpp"
#include "encoder.hpp"
#include "slots.hpp"
#include "wire.hpp"
#include "xml_splitter.hpp"

namespace play {

class FunXmppWire final : public Wire {
public:
    enum class Entry : std::uint8_t {
        direct,    ///< from the first byte
        feature,   ///< as XML, until the client has logged in and asked for it (XEP-0138)
    };
    FunXmppWire(std::unique_ptr<Wire> below, tambo::funxmpp::Dialect dialect, Entry entry);

    void write(std::string_view xml) override;
    std::string read(std::chrono::milliseconds patience) override;
    std::string compression() const override;
    void compressed() override { is_binary_ = true; }

    /// The frame that write() would write, for those who want to send it in pieces. It has to be sent.
    std::string frame(const std::string& element);
    void write_raw(std::string_view bytes) { below_->write(bytes); }

private:
    std::string frame(const StreamPiece& piece);
    std::string take_frames();
    std::string as_xml(std::string_view payload);

    std::unique_ptr<Wire> below_;
    tambo::funxmpp::Dialect dialect_;
    bool is_binary_, needs_prologue_;
    XmlSplitter splitter_;
    tambo::funxmpp::Encoder encoder_;
    tambo::funxmpp::Decoder decoder_;
    tambo::funxmpp::Slots sent_, heard_;
    std::string tail_;   // of what came
};

}   // namespace play
