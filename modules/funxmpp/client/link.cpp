#include "link.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace tambo::funxmpp {

struct Link::Impl : std::enable_shared_from_this<Impl> {
    Impl(boost::asio::io_context& context, const Target& target, const LoginWish& wish, Events events)
        : context(context),
          target(target),
          wish(wish),
          events(std::move(events)),
          stream(std::nullopt),
          login(stream, this->wish) {}

    void open() {
        const std::weak_ptr<Impl> weak = weak_from_this();
        const auto with = [weak](auto&& act) {
            if (const auto self = weak.lock(); self && !self->is_over) act(*self);
        };
        connection.emplace(context, target,
                           Connection::Events{
                               .opened = [with] { with([](Impl& self) { self.begin(); }); },
                               .came = [with](std::string_view bytes) { with([&](Impl& self) { self.came(bytes); }); },
                               .lost = [with](const std::string& why) { with([&](Impl& self) { self.end(why); }); },
                           });
        connection->open();
    }

    void begin() {
        std::string out;
        login.open(out, connection->is_encrypted(), connection->tls_exporter());
        connection->send(out);
    }

    void came(std::string_view bytes) {
        stream.feed(bytes);
        while (!is_over) {
            const auto came = stream.next(tape, xml);
            switch (came.kind) {
                case Came::Kind::nothing:
                    return;
                case Came::Kind::header:
                    break;
                case Came::Kind::footer:
                    return end("the server ended the stream");
                case Came::Kind::refused:
                    return end("what the server sent can't be read: " + std::string{came.why});
                case Came::Kind::element:
                    if (!element()) return;
            }
        }
    }

    /// False: reading stops here: the stream has ended, or TLS begins.
    bool element() {
        if (is_bound) {
            if (Element{tape, 0}.is("error", ns::streams)) {
                end("stream error " + std::string{Element{tape, 0}.first().name()});
                return false;
            }
            events.element(tape, xml);
            return !is_over;
        }
        std::string out;
        const auto step = login.element(tape, xml, out);
        connection->send(out);
        switch (step) {
            case Login::Step::onward:
                return true;
            case Login::Step::start_tls:
                connection->start_tls();
                return false;
            case Login::Step::failed:
                end(login.why(), login.is_hopeless());
                return false;
            case Login::Step::bound:
                break;
        }
        is_bound = true;
        events.bound(login.bound());
        return !is_over;
    }

    void say(std::string_view element) {
        if (is_over || !is_bound || is_finishing) return;
        std::string out;
        if (stream.write(out, element)) return connection->send(out);
        connection->close();
        boost::asio::post(context, [self = shared_from_this()] {
            if (!self->is_over) self->end("an element that FunXMPP can't say");
        });
    }
    void keep_alive() {
        if (is_over || !is_bound || is_finishing) return;
        std::string out;
        stream.write_keepalive(out);
        connection->send(out);
    }
    void finish() {
        if (is_over || std::exchange(is_finishing, true)) return;
        std::string out;
        stream.write_footer(out);
        connection->send(out);
    }

    void end(const std::string& why, bool is_hopeless = false) {
        if (std::exchange(is_over, true)) return;
        connection->close();
        events.ended(why, is_hopeless);
    }

    boost::asio::io_context& context;
    const Target target;
    const LoginWish wish;
    const Events events;
    XmppStream stream;
    Login login;
    std::optional<Connection> connection;
    Tape tape;
    std::string xml;
    bool is_bound = false, is_finishing = false, is_over = false;
};

Link::Link(boost::asio::io_context& context, const Target& target, const LoginWish& wish, Events events)
    : impl_(std::make_shared<Impl>(context, target, wish, std::move(events))) {
    impl_->open();
}
Link::~Link() {
    impl_->is_over = true;
    impl_->connection->close();
}
void Link::send(std::string_view element) { impl_->say(element); }
void Link::keep_alive() { impl_->keep_alive(); }
void Link::finish() { impl_->finish(); }
const Traffic& Link::in() const noexcept { return impl_->stream.in(); }
const Traffic& Link::out() const noexcept { return impl_->stream.out(); }
std::string Link::tls_version() const { return impl_->connection->tls_version(); }
bool Link::is_binary() const noexcept { return impl_->stream.dialect().has_value(); }

}   // namespace tambo::funxmpp
