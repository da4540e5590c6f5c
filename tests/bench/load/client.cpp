#include "client.hpp"

#include <arpa/inet.h>
#include <stdexcept>

#include <fmt/format.h>

#include "binary.hpp"
#include "process.hpp"
#include "xml.hpp"

namespace bench {

namespace {

// Loopback has many addresses, and each so many free ports.
constexpr std::uint32_t clients_per_address = 10000, addresses = 250;

/// One of ours, and the server defined no slot in it that the decoder has to know.
bool is_plain_message(std::string_view payload, std::string_view mark) {
    constexpr char definition = '\xef';
    return payload.find(definition) == std::string_view::npos && payload.find(mark) != std::string_view::npos;
}

sockaddr_in own_address(std::uint32_t number) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / clients_per_address % addresses);
    return address;
}

}   // namespace

sockaddr_in server_address(const Options& options) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    if (inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1 || !options.host.starts_with("127."))
        throw std::runtime_error{"the server has to be on 127.0.0.0/8: " + options.host};
    return address;
}

Run::Run(const Options& options)
    : options(options),
      tls(client_tls()),
      mark(fmt::format("X{:08x}", static_cast<std::uint32_t>(now_ns() >> 10))),
      with_presence(options.presence) {
    if (!options.scram_keys.empty()) scram_keys.load(options.scram_keys);
}

Client::Client(Run& run, Audience& audience, std::uint32_t number)
    : Connection(run.loop), run_(run), audience_(audience), number_(number) {}
Client::~Client() = default;

void Client::log_in() {
    end();
    state_ = State::opening;
    began_at_ = now_ns();
    connect(own_address(number_), server_address(run_.options));
}

void Client::log_out() {
    if (is_ready()) {
        if (binary_)
            put(binary_->footer());
        else
            put("</stream:stream>");
        flush();
    }
    end();
}

void Client::go() { end(); }
void Client::give_up() { fail(&Counters::timed_out); }

void Client::end() noexcept {
    close();
    state_ = State::away;
    has_header_ = counts_ = false;
    handled_ = 0;
    scram_.reset();
    binary_.reset();
}

void Client::connected() {
    state_ = State::features;
    if (run_.options.funxmpp) binary_ = std::make_unique<Binary>();
    open_stream();
}

void Client::secured() {
    state_ = State::features;
    open_stream();
}

void Client::open_stream() {
    has_header_ = false;
    if (binary_) return put(binary_->header(run_.options.domain));
    put(
        fmt::format("<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' "
                    "xmlns:stream='http://etherx.jabber.org/streams'>",
                    run_.options.domain));
}

void Client::say(std::string_view xml) {
    if (binary_)
        put(binary_->element(xml));
    else
        put(xml);
}

void Client::ping(std::string_view id) {
    say(fmt::format("<iq type='get' id='{}' to='{}'><ping xmlns='urn:xmpp:ping'/></iq>", id, run_.options.domain));
}

std::size_t Client::came(std::string_view bytes) { return binary_ ? binary_came(bytes) : xml_came(bytes); }

std::size_t Client::xml_came(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size()) {
        const auto rest = bytes.substr(used);
        if (rest[0] != '<') {
            ++used;
            continue;
        }
        const bool is_header = !has_header_;
        if (rest.starts_with("</")) {
            fail(&Counters::stream_error);
            return bytes.size();
        }
        const auto length = is_header ? tag_length(rest) : element_length(rest);
        if (length == 0) break;
        used += length;
        if (is_header)
            has_header_ = !rest.starts_with("<?");
        else
            element(rest.substr(0, length));
        if (!is_open()) return bytes.size();
    }
    return used;
}

std::size_t Client::binary_came(std::string_view bytes) {
    std::size_t used = 0;
    while (const auto frame = Binary::frame(bytes.substr(used))) {
        used += frame.used;
        if (is_ready() && is_plain_message(frame.payload, run_.mark)) {
            ++handled_;
            audience_.message(*this, frame.payload);
        } else if (const auto xml = binary_->read(frame.payload); !xml.empty()) {
            element(xml);
        } else if (binary_ && binary_->has_ended()) {
            fail(&Counters::stream_error);
        }
        if (!is_open()) return bytes.size();
    }
    return used;
}

void Client::element(std::string_view xml) {
    if (is_element(xml, "stream:error")) return fail(&Counters::stream_error);
    if (state_ == State::ready || state_ == State::roll_call)
        stanza(xml);
    else
        negotiate(xml);
}

void Client::stanza(std::string_view xml) {
    if (is_element(xml, "r")) return say(fmt::format("<a xmlns='urn:xmpp:sm:3' h='{}'/>", handled_));
    if (is_element(xml, "message")) {
        ++handled_;
        audience_.message(*this, xml);
    } else if (is_element(xml, "presence")) {
        ++handled_;
        audience_.presence(*this, xml);
    } else if (is_element(xml, "iq")) {
        ++handled_;
        answer(xml);
    }
}

void Client::answer(std::string_view iq) {
    const auto type = attribute(iq, "type"), id = attribute(iq, "id"), from = attribute(iq, "from");
    if (type == "get" || type == "set") {
        const auto to = from.empty() ? std::string{} : fmt::format(" to='{}'", from);
        return say(fmt::format("<iq type='result' id='{}'{}/>", id, to));   // pings and roster pushes
    }
    if (state_ == State::roll_call && id == "here") return become_ready();
    audience_.iq(*this, iq);
}

void Client::become_ready() {
    state_ = State::ready;
    ++run_.counters.up;
    audience_.ready(*this);
}

void Client::lost(Loss why) {
    switch (why) {
        case Loss::no_connection:
            return fail(&Counters::no_connection);
        case Loss::reset:
            return fail(&Counters::reset);
        case Loss::no_tls:
            return fail(&Counters::no_tls);
    }
}

void Client::fail(std::uint64_t Counters::* why) {
    const bool was_ready = is_ready();
    end();
    if (was_ready) {
        ++run_.counters.dropped;
        return audience_.dropped(*this);
    }
    ++(run_.counters.*why);
    audience_.failed(*this);
}

}   // namespace bench
