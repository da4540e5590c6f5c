// A module that does what it is told, and that is mostly to fail. Its versions differ in their state.
#pragma once

#include <charconv>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

#include <tambo/tambo.hpp>

namespace moody {

using namespace tambo;

constexpr std::string_view space = "urn:tambo:test:moody";

/// `<query do='…'/>`: count, or throw; without it, the count is told. A stanza with `<throw at='deliver'/>` makes the
/// handler of that event throw.
class Moody : public Module {
public:
    void wire(Wiring& w) override {
        if (*is_needed_) w.required();
        w.iq<&Moody::answer>(space, "query", this);
        w.iq<&Moody::answer_later>(space, "later", this);
        w.iq<&Moody::hold>(space, "hold", this);
        w.feature(space);
        w.element<&Moody::hear_element>(space, this);
        w.on<&Moody::said>(Event::stanza_in, this);
        w.on<&Moody::written>(Event::stanza_out, this);
        w.on<&Moody::arrived>(Event::deliver, this);
    }

protected:
    virtual int version() const { return 1; }
    virtual bool sulks() const { return false; }
    bool read(std::string_view number) {
        return std::from_chars(number.data(), number.data() + number.size(), count_).ec == std::errc{};
    }
    std::uint64_t count_ = 0;

private:
    Reply answer(Iq& iq) {
        const auto what = iq.payload().attribute("do");
        if (what == "throw" || sulks()) throw std::runtime_error{"not today"};
        if (what == "count") ++count_;
        return Reply{}
            .element("query", space)
            .attribute("version", version())
            .attribute("count", count_)
            .attribute("shard", host().shard());
    }
    Task<Reply> answer_later(Iq) {
        co_await host().after(std::chrono::seconds{1});
        throw std::runtime_error{"not tomorrow either"};
        co_return Reply{};
    }
    /// Holds the shard until somebody writes to that pipe.
    Reply hold(Iq& iq) {
        const int pipe = ::open(std::string{iq.payload().attribute("pipe")}.c_str(), O_RDONLY | O_CLOEXEC);
        ::close(pipe);
        return {};
    }
    void hear_element(Session&, const Stanza&) { throw std::runtime_error{"what is this"}; }
    void said(Session&, Stanza& stanza) { strike("stanza_in", stanza); }
    void written(Session&, Stanza& stanza) { strike("stanza_out", stanza); }
    void arrived(Account&, Stanza& stanza) { strike("deliver", stanza); }
    static void strike(std::string_view event, const Stanza& stanza) {
        const auto told = stanza.xml().child("throw", space);
        if (told && told.attribute("at") == event) throw std::runtime_error{"out of sorts"};
    }

    Option<bool> is_needed_{"needed", false, "nobody may come in while it is out"};
};

}   // namespace moody
