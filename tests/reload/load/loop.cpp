#include "loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace load {

namespace {

constexpr int round_ms = 5;

int connected_socket(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw std::runtime_error{std::string{"no socket: "} + std::strerror(errno)};
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
        const std::string why = std::strerror(errno);
        ::close(fd);
        throw Dropped{"cannot connect: " + why};
    }
    return fd;
}

class Xml final : public Speech {
public:
    std::string header(std::string_view domain) override {
        reader_ = {};
        return "<?xml version='1.0'?><stream:stream to='" + std::string{domain} +
               "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    }
    std::string say(std::string_view xml) override { return std::string{xml}; }
    std::string goodbye() override { return "</stream:stream>"; }
    bool hear(std::string_view bytes, std::deque<Node>& elements) override {
        reader_.feed(bytes);
        auto& arrived = reader_.arrived();
        std::ranges::move(arrived, std::back_inserter(elements));
        arrived.clear();
        return !reader_.is_closed();
    }

private:
    play::StreamReader reader_;
};

}   // namespace

std::unique_ptr<Speech> speak_xml() { return std::make_unique<Xml>(); }

// --- Loop

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
Loop::~Loop() { ::close(epoll_); }

tambo::Later<tambo::Nothing> Loop::after(std::chrono::milliseconds wait) {
    tambo::Later<tambo::Nothing> later;
    sleepers_.push_back({Clock::now() + wait, later.state()});
    return later;
}

void Loop::wake_sleepers() {
    const auto now = Clock::now();
    const auto due = std::ranges::partition(sleepers_, [&](const Sleeper& s) { return s.due > now; });
    std::vector<Sleeper> woken{std::make_move_iterator(due.begin()), std::make_move_iterator(due.end())};
    sleepers_.erase(due.begin(), due.end());
    for (auto& sleeper : woken) sleeper.state->complete({});
}

void Loop::run(const std::function<bool()>& is_over) {
    std::array<epoll_event, 256> events{};
    while (!is_over()) {
        const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), round_ms);
        ready_.clear();
        for (int i = 0; i < n; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            ready_.emplace_back(static_cast<Stream*>(event.data.ptr), event.events);
        }
        for (std::size_t i = 0; i < ready_.size(); ++i)
            if (ready_[i].first != nullptr) ready_[i].first->ready(ready_[i].second);
        wake_sleepers();
        for (const auto& job : jobs_) job();
        for (auto* stream : std::exchange(unflushed_, {})) {
            stream->is_unflushed_ = false;
            stream->flush();
        }
    }
}

// --- Stream

Stream::Stream(Loop& loop, std::uint16_t port, std::unique_ptr<Speech> speech)
    : loop_(loop), fd_(connected_socket(port)), speech_(std::move(speech)) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.ptr = this;
    is_watching_writable_ = true;   // says that it is connected
    ::epoll_ctl(loop_.epoll_, EPOLL_CTL_ADD, fd_, &event);
}

Stream::~Stream() {
    ::close(fd_);
    std::erase(loop_.unflushed_, this);
    for (auto& [stream, events] : loop_.ready_)
        if (stream == this) stream = nullptr;
}

void Stream::open(std::string_view domain) { write(speech_->header(domain)); }
void Stream::send(std::string_view xml) { write(speech_->say(xml)); }
void Stream::say_goodbye() { write(speech_->goodbye()); }

void Stream::start_tls() {
    tls_ = std::make_unique<Tls>();
    write({});
}

void Stream::write(const std::string& bytes) {
    if (tls_)
        tls_->seal(bytes, out_);
    else
        out_ += bytes;
    if (!std::exchange(is_unflushed_, true)) loop_.unflushed_.push_back(this);
}

void Stream::flush() {
    if (!is_connected_ || has_ended_) return;
    while (!out_.empty()) {
        const auto n = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (n <= 0) break;   // when it is broken, reading tells
        out_.erase(0, static_cast<std::size_t>(n));
    }
    watch_writable(!out_.empty());
}

void Stream::watch_writable(bool wanted) {
    if (wanted == is_watching_writable_) return;
    is_watching_writable_ = wanted;
    epoll_event event{};
    event.events = EPOLLIN | (wanted ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    event.data.ptr = this;
    ::epoll_ctl(loop_.epoll_, EPOLL_CTL_MOD, fd_, &event);
}

// What comes resumes who waits, and that may end this stream: nothing of it is touched behind that.
void Stream::ready(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        is_connected_ = true;
        flush();
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !has_ended_) {
        read();
        hand_over();
    }
}

void Stream::read() {
    std::array<char, 65536> buffer;   // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
    const auto n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) return end(std::strerror(errno));
    if (n == 0) return end("the server hung up");
    hear({buffer.data(), static_cast<std::size_t>(n)});
}

void Stream::hear(std::string_view bytes) {
    if (!tls_) {
        if (!speech_->hear(bytes, arrived_)) end(std::string{closed_politely});
        return;
    }
    std::string plain, answer;
    const bool goes_on = tls_->open(bytes, plain, answer);
    if (!answer.empty()) {
        out_ += answer;
        flush();
    }
    if (!plain.empty() && !speech_->hear(plain, arrived_)) return end(std::string{closed_politely});
    if (!goes_on) end("the server closed the stream without a word");
}

void Stream::end(std::string why) {
    has_ended_ = true;
    why_ = std::move(why);
    ::epoll_ctl(loop_.epoll_, EPOLL_CTL_DEL, fd_, nullptr);
}

// One at a time: whoever gets it asks for the next.
void Stream::hand_over() {
    if (!waiter_ || (arrived_.empty() && !has_ended_)) return;
    std::optional<Node> next;
    if (!arrived_.empty()) {
        next = std::move(arrived_.front());
        arrived_.pop_front();
    }
    std::exchange(waiter_, {})->complete(std::move(next));
}

tambo::Later<std::optional<Node>> Stream::next() {
    if (!arrived_.empty()) {
        tambo::Later<std::optional<Node>> now{std::optional<Node>{std::move(arrived_.front())}};
        arrived_.pop_front();
        return now;
    }
    if (has_ended_) return tambo::Later<std::optional<Node>>{std::optional<Node>{}};
    tambo::Later<std::optional<Node>> later;
    waiter_ = later.state();
    return later;
}

}   // namespace load
