// No XEP: tells a program, by HTTP, of each message that somebody sends. An example of something slow beside the path
// of the stanzas: nothing here waits, what waits is bounded, and a swap takes along what is not yet told.
#include <algorithm>
#include <chrono>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

#include "courier.hpp"
#include "event.hpp"

namespace {

using namespace tambo;
using webhook::Courier;

constexpr std::size_t max_batch_events = 100;
constexpr auto shortest_pause = std::chrono::seconds{1};
constexpr auto longest_pause = std::chrono::minutes{1};
constexpr auto pace = std::chrono::milliseconds{50};

class WebhookModule final : public Module {
public:
    void wire(Wiring& w) override {
        if (!url_->starts_with("http://") && !url_->starts_with("https://"))
            throw std::runtime_error{"[module webhook] url: expected such as http://127.0.0.1:8080/messages"};
        w.on<&WebhookModule::saw>(Event::stanza_in, this, priority::last);   // what others refused is not told
        w.every<&WebhookModule::work>(pace, this);
        told_ = &w.counter("told_total", "messages that the receiver took");
        dropped_ =
            &w.counter("dropped_total", "messages that it will never hear of: too many waited, or it refused them");
        failed_ = &w.counter("failed_total", "requests that the receiver did not take at once");
        waiting_ = &w.gauge("waiting", "messages that it is still to be told of");
    }

    /// A request that is under way at a swap is made again by the next version: better told twice, with the same id,
    /// than not at all.
    Bytes save() const override {
        Bytes lines;
        for (const auto& event : queue_) lines.append(event).append("\n");
        return lines;
    }
    bool load(std::string_view lines) override {
        for (auto end = lines.find('\n'); end != std::string_view::npos; end = lines.find('\n')) {
            push(std::string{lines.substr(0, end)});
            lines.remove_prefix(end + 1);
        }
        return true;
    }

private:
    void saw(Session&, Stanza& stanza) {
        if (!stanza.is_message() || stanza.is_error() || stanza.body().empty()) return;
        auto event = webhook::event(stanza, now(), with_body_);
        if (queued_bytes_ + event.size() > max_waiting_->bytes) return drop(1);
        push(std::move(event));
        waiting_->set(static_cast<std::int64_t>(queue_.size()));
    }

    void push(std::string event) {
        queued_bytes_ += event.size();
        queue_.push_back(std::move(event));
    }

    /// A little, 20 times a second.
    void work() {
        if (courier_.is_under_way()) {
            if (const auto outcome = courier_.step()) learn(*outcome);
        } else if (!queue_.empty() && host().uptime() >= next_try_) {
            send();
        }
    }

    void send() {
        std::string json{"["};
        batch_ = std::min(queue_.size(), max_batch_events);
        for (std::size_t i = 0; i < batch_; ++i) json.append(i == 0 ? "" : ",\n").append(queue_[i]);
        courier_.send(json + "]\n");
    }

    void learn(const Courier::Outcome& outcome) {
        if (outcome.is_taken()) {
            told_->add(batch_);
            if (pause_.count() != 0) log().info("{} takes messages again", *url_);
            pause_ = {};
            return forget_batch();
        }
        failed_->add();
        if (outcome.is_worth_another_try()) return try_later(outcome);
        log().warning("{} does not want {} messages ({}), they are given up", *url_, batch_, outcome.problem);
        dropped_->add(batch_);
        forget_batch();
    }

    void try_later(const Courier::Outcome& outcome) {
        if (pause_.count() == 0)
            log().warning("{} takes no messages ({}); they wait, up to {} bytes, and it is tried again and again",
                          *url_, outcome.problem, max_waiting_->bytes);
        pause_ = std::clamp<Duration>(pause_ * 2, shortest_pause, longest_pause);
        next_try_ = host().uptime() + pause_;
    }

    void forget_batch() {
        for (; batch_ > 0; --batch_) {
            queued_bytes_ -= queue_.front().size();
            queue_.pop_front();
        }
        is_full_ = false;
        waiting_->set(static_cast<std::int64_t>(queue_.size()));
    }

    void drop(std::size_t count) {
        dropped_->add(count);
        if (!is_full_) log().warning("too many messages wait for {}, it will not hear of further ones", *url_);
        is_full_ = true;
    }

    Option<std::string> url_{"url", "", "where messages are told of, by POST: http://… or https://…"};
    Option<bool> with_body_{"body", false, "tell what the messages say, too"};
    Option<Duration> patience_{"patience", std::chrono::seconds{10}, "how long one request may take"};
    Option<Size> max_waiting_{"max_waiting", Size{std::uint64_t{1} << 20},
                              "bytes that may wait on each shard; further messages are not told of"};
    std::deque<std::string> queue_;   // oldest first
    std::size_t queued_bytes_ = 0;
    std::size_t batch_ = 0;   // how many of them are under way
    Duration pause_{0}, next_try_{0};
    bool is_full_ = false;
    Courier courier_{url_, patience_};
    Counter *told_ = nullptr, *dropped_ = nullptr, *failed_ = nullptr;
    Gauge* waiting_ = nullptr;
};

}   // namespace

TAMBO_MODULE(WebhookModule, "webhook", "1.0", 1)
