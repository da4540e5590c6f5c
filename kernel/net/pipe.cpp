#include "net/pipe.hpp"

#include <chrono>

#include "shard/shard.hpp"

namespace tambo {

namespace {

constexpr Duration pump_time{100};   // then the clock is looked at again

}   // namespace

// --- the host's end

std::size_t Pipe::Channel::write(std::string_view bytes) {
    const std::lock_guard guard{lock_};
    if (closed_ || ended_ || bytes.empty()) return 0;
    const auto n = std::min(bytes.size(), free_room());
    was_full_ = n < bytes.size();
    to_server_.append(bytes.substr(0, n));
    if (n > 0) wake_reader();
    return n;
}

bool Pipe::Channel::write_all(std::string_view bytes, Duration patience) {
    while (true) {
        bytes.remove_prefix(write(bytes));
        if (bytes.empty()) return true;
        if (!wait_for([this] { return closed_ || ended_ || free_room() > 0; }, patience) || is_closed()) return false;
    }
}

std::string Pipe::Channel::read() {
    const std::lock_guard guard{lock_};
    auto bytes = std::move(to_host_);
    to_host_ = {};
    wake_writer();
    return bytes;
}

bool Pipe::Channel::wait(Duration patience) {
    return wait_for([this] { return closed_ || can_read(); }, patience);
}

bool Pipe::Channel::at_end() const {
    const std::lock_guard guard{lock_};
    return closed_ || (ended_ && to_host_.empty());
}

bool Pipe::Channel::is_closed() const {
    const std::lock_guard guard{lock_};
    return closed_ || ended_;
}

void Pipe::Channel::on_change(Change change) {
    {
        const std::lock_guard guard{lock_};
        change_ = std::make_shared<const Change>(std::move(change));
        if (!can_read()) return;
    }
    tell(nullptr);
}

void Pipe::Channel::close() {
    std::shared_ptr<const Change> last;   // dies when the lock is free: it may own whatever it likes
    {
        const std::lock_guard guard{lock_};
        closed_ = true;
        to_host_ = {};
        last = std::move(change_);
        wake_reader();
        wake_writer();
        for (auto* waiter : waiters_) waiter->notify_all();
        if (caller_ == std::this_thread::get_id()) return;
    }
    is_calling_.wait(true);
}

void Pipe::Channel::tell(Shard* here) {
    std::shared_ptr<const Change> change;
    {
        const std::lock_guard guard{lock_};
        for (auto* waiter : waiters_) waiter->notify_all();
        if (!change_) return;
        again_ = is_calling_;
        if (is_calling_) return;   // by another thread, or by ourselves further up
        is_calling_ = true;
        caller_ = std::this_thread::get_id();
        change = change_;
    }
    while (change) {
        try {
            (*change)(here);
        } catch (const std::exception& e) {
            if (here != nullptr) here->kernel.log->error("a callback of the host program threw: {}", e.what());
        }
        const std::lock_guard guard{lock_};
        change = std::exchange(again_, false) ? change_ : nullptr;
        if (change) continue;
        caller_ = {};
        is_calling_ = false;
    }
    is_calling_.notify_all();
}

void Pipe::Channel::nudge() {
    const std::lock_guard guard{lock_};
    for (auto* waiter : waiters_) waiter->notify_all();
}

bool Pipe::Channel::wait_for(const std::function<bool()>& is_so, Duration patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    std::unique_lock lock{lock_};
    while (kernel_ != nullptr && kernel_->runs_loop()) {
        if (is_so()) return true;
        if (std::chrono::steady_clock::now() >= until) return false;
        auto& kernel = *kernel_;   // goes at the hands of this thread only
        lock.unlock();
        kernel.pump(std::min(patience, pump_time));
        lock.lock();
    }
    std::condition_variable changed;
    waiters_.push_back(&changed);
    const bool was_so = changed.wait_until(lock, until, is_so);
    std::erase(waiters_, &changed);
    return was_so;
}

// --- the server's end

Transport::Outcome Pipe::Channel::take(std::span<char> into) {
    std::size_t n = 0;
    {
        const std::lock_guard guard{lock_};
        n = std::min(into.size(), to_server_.size() - taken_);
        if (n == 0) return {closed_ ? Transport::State::end : Transport::State::nothing};
        to_server_.copy(into.data(), n, taken_);
        taken_ += n;
        if (taken_ == to_server_.size()) {
            to_server_ = {};   // an idle pipe holds no buffer
            taken_ = 0;
        }
        if (!std::exchange(was_full_, false)) return {Transport::State::some, n};
    }
    tell(shard_);
    return {Transport::State::some, n};
}

Transport::Outcome Pipe::Channel::put(std::string_view bytes) {
    std::size_t n = 0;
    {
        const std::lock_guard guard{lock_};
        if (closed_) return {};
        n = std::min(bytes.size(), room - std::min(room, to_host_.size()));
        if (n == 0) return {Transport::State::nothing};
        const bool was_empty = to_host_.empty();
        to_host_.append(bytes.substr(0, n));
        if (!was_empty) return {Transport::State::some, n};
    }
    tell(shard_);
    return {Transport::State::some, n};
}

void Pipe::Channel::watch_readable() {
    const std::lock_guard guard{lock_};
    wants_input_ = true;
    if (closed_ || taken_ < to_server_.size()) wake_reader();
}

void Pipe::Channel::watch_writable() {
    const std::lock_guard guard{lock_};
    wants_room_ = true;
    if (closed_ || to_host_.size() < room) wake_writer();
}

void Pipe::Channel::wake_reader() {
    if (shard_ == nullptr || !std::exchange(wants_input_, false)) return;
    shard_->post([weak = connection_] {
        if (const auto connection = weak.lock()) connection->readable();
    });
}

void Pipe::Channel::wake_writer() {
    if (shard_ == nullptr || !std::exchange(wants_room_, false)) return;
    shard_->post([weak = connection_] {
        if (const auto connection = weak.lock()) connection->writable();
    });
}

void Pipe::Channel::end_output() {
    {
        const std::lock_guard guard{lock_};
        ended_ = true;
    }
    tell(shard_);
}

void Pipe::Channel::leave() {
    const std::lock_guard guard{lock_};
    shard_ = nullptr;
    wants_input_ = wants_room_ = false;
}

void Pipe::Channel::enter(Connection& connection) {
    const std::lock_guard guard{lock_};
    shard_ = &connection.shard();
    connection_ = connection.weak_from_this();
}

void Pipe::Channel::abandon() {
    {
        const std::lock_guard guard{lock_};
        ended_ = true;
        kernel_ = nullptr;
        shard_ = nullptr;
        to_server_ = {};
        taken_ = 0;
    }
    tell(nullptr);
}

std::shared_ptr<Pipe::Channel> enter_by_pipe(Shard& shard, std::shared_ptr<const Guest> guest,
                                             Pipe::Channel::Change change) {
    auto channel = std::make_shared<Pipe::Channel>(shard.kernel);
    if (change) channel->on_change(std::move(change));
    Entrance entrance;
    entrance.name = "in process";
    entrance.is_private = true;
    entrance.may_start_tls = false;
    entrance.plaintext_auth = true;
    entrance.guest = std::move(guest);
    auto connection =
        std::make_shared<Connection>(shard, std::make_unique<PipeTransport>(channel),
                                     std::make_shared<const Entrance>(std::move(entrance)), std::string{});
    shard.post([connection] { connection->open(); });
    return channel;
}

// --- Pipe

Pipe::Pipe(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
Pipe::Pipe(Pipe&&) noexcept = default;
Pipe& Pipe::operator=(Pipe&& other) noexcept {
    if (this != &other) {
        close();
        channel_ = std::move(other.channel_);
    }
    return *this;
}
Pipe::~Pipe() { close(); }

std::size_t Pipe::write(std::string_view bytes) { return channel_ ? channel_->write(bytes) : 0; }
bool Pipe::write_all(std::string_view bytes, Duration patience) {
    return channel_ && channel_->write_all(bytes, patience);
}
std::string Pipe::read() { return channel_ ? channel_->read() : std::string{}; }
bool Pipe::wait(Duration patience) { return !channel_ || channel_->wait(patience); }
bool Pipe::at_end() const { return !channel_ || channel_->at_end(); }
bool Pipe::is_closed() const { return !channel_ || channel_->is_closed(); }
void Pipe::on_change(std::function<void()> change) {
    if (channel_) channel_->on_change([change = std::move(change)](Shard*) { change(); });
}
void Pipe::close() {
    if (channel_) channel_->close();
}

}   // namespace tambo
