#include "client.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace tambo::funxmpp {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds patience_with_strangers{30}, patience_with_farewells{5};

}   // namespace

Client::Client(asio::ip::tcp::socket socket, const Credentials& account, Events events)
    : socket_(std::move(socket)), deadline_(socket_.get_executor()), stream_(account), events_(std::move(events)) {}

void Client::start() {
    deadline_.expires_after(patience_with_strangers);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
        if (!error && !self->is_bound()) self->close("connection-timeout", "no login in time");
    });
    read();
}

void Client::read() {
    socket_.async_read_some(asio::buffer(input_), [self = shared_from_this()](error_code error, std::size_t count) {
        if (error) return self->leave();
        self->came(count);
    });
}

void Client::came(std::size_t count) {
    if (has_left_ || is_ending_) return;
    stream_.feed({input_.data(), count});
    while (!is_ending_) {
        std::string out;
        const auto kind = stream_.next(out);
        send(out, 0);
        switch (kind) {
            case LocalStream::Kind::nothing:
                return read();
            case LocalStream::Kind::bound:
                deadline_.cancel();
                events_.bound(*this);
                break;
            case LocalStream::Kind::stanza:
                events_.said(*this, stream_.element(), stream_.stanza());
                break;
            case LocalStream::Kind::closed:
                leave_when_written();
        }
    }
}

void Client::send(std::string_view xml, std::uint32_t stanzas) {
    if (has_left_ || is_ending_) return;
    waiting_.append(xml);
    waiting_stanzas_ += stanzas;
    if (waiting_.size() > most_unsent_bytes) {
        asio::post(socket_.get_executor(), [self = shared_from_this()] { self->leave(); });
        return;
    }
    write();
}

void Client::write() {
    if (!under_way_.empty() || stanzas_under_way_ > 0) return;
    if (waiting_.empty() && waiting_stanzas_ == 0) {
        if (is_ending_) leave();
        return;
    }
    under_way_.swap(waiting_);
    stanzas_under_way_ = std::exchange(waiting_stanzas_, 0);
    asio::async_write(socket_, asio::buffer(under_way_), [self = shared_from_this()](error_code error, std::size_t) {
        if (error) return self->leave();
        if (self->has_left_) return;
        self->under_way_.clear();
        const auto taken = std::exchange(self->stanzas_under_way_, 0);
        if (taken > 0) self->events_.took(*self, taken);
        self->write();
    });
}

void Client::close(std::string_view condition, std::string_view text) {
    if (has_left_ || is_ending_) return;
    std::string out;
    stream_.close(out, condition, text);
    send(out, 0);
    leave_when_written();
}

void Client::leave_when_written() {
    is_ending_ = true;
    deadline_.expires_after(patience_with_farewells);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
        if (!error) self->leave();
    });
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->write(); });
}

void Client::leave() {
    if (std::exchange(has_left_, true)) return;
    deadline_.cancel();
    error_code ignored;
    socket_.close(ignored);
    events_.left(*this);
}

}   // namespace tambo::funxmpp
