#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <unordered_map>

#include <fmt/format.h>

#include <tambo/client.hpp>

#include "net/pipe.hpp"
#include "server/impl.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

using Answer = std::function<void(Result<Stanza>)>;

// The server bounds what it writes; it need not be judged again.
constexpr FrameLimits no_limits{std::numeric_limits<std::size_t>::max() / 2, 1U << 20, 1U << 20};

std::string header(std::string_view domain) {
    Writer w;
    w.raw("<stream:stream").raw(" xmlns='").raw(ns::client).raw("' xmlns:stream='").raw(ns::streams);
    w.raw("' version='1.0' to='").raw(domain).raw("'>");   // a prepared domain has nothing to escape
    return w.take();
}

}   // namespace

/// What arrives is worked off on the shard's thread, in changed(); what is sent comes from anywhere.
class Client::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(Callbacks callbacks, std::size_t max_waiting) : callbacks_(std::move(callbacks)), max_waiting_(max_waiting) {}

    void enter(Shard& shard, const Jid& jid) {
        auto guest = std::make_shared<Guest>(Guest{jid.bare(), std::string{jid.resource()}, {}});
        guest->bound = [weak = weak_from_this()](Shard& here, const Result<Jid>& bound) {
            if (const auto self = weak.lock()) self->bound(here, bound);
        };
        const std::lock_guard guard{lock_};   // nobody may be quicker than the header
        channel_ = enter_by_pipe(shard, std::move(guest), [weak = weak_from_this()](Shard* here) {
            if (const auto self = weak.lock()) self->changed(here);
        });
        channel_->write(header(jid.domain()));
    }

    void leave() {
        [[maybe_unused]] const auto said = send("</stream:stream>");   // it may be gone already
        channel_->close();
    }

    Result<Jid> ready(Duration patience) {
        if (!channel_->wait_for([this] { return is_settled_.load(); }, patience))
            return fail(Condition::remote_server_timeout, "the server does not answer");
        const std::lock_guard guard{lock_};
        return *login_;
    }

    Result<Nothing> send(std::string_view xml) {
        const std::lock_guard guard{lock_};
        if (has_ended_) return fail(Condition::service_unavailable, why_);
        if (waiting_.size() + xml.size() > max_waiting_)
            return fail(Condition::resource_constraint, "too much waits for the server");
        if (waiting_.empty()) xml.remove_prefix(channel_->write(xml));
        waiting_.append(xml);
        return Nothing{};
    }

    void ask(Stanza iq, Answer answer) {
        std::string id;
        {
            const std::lock_guard guard{lock_};
            id = fmt::format("{}-{}", asks_as_, ++last_question_);
            iq.set_id(id);
            questions_.emplace(id, std::move(answer));
        }
        if (const auto sent = send(iq.str()); !sent) settle(id, std::unexpected{sent.error()});
    }

    Result<Stanza> ask(Stanza iq, Duration patience) {
        struct Waiting {
            std::atomic<bool> is_answered{false};
            Result<Stanza> answer = fail(Condition::remote_server_timeout, "no answer");
        };
        auto waiting = std::make_shared<Waiting>();   // shared with an answer that may come too late
        ask(std::move(iq), [waiting](Result<Stanza> answer) {
            waiting->answer = std::move(answer);
            waiting->is_answered = true;
        });
        if (!channel_->wait_for([&] { return waiting->is_answered.load(); }, patience))
            return fail(Condition::remote_server_timeout, "no answer");
        return std::move(waiting->answer);
    }

private:
    void bound(Shard& here, const Result<Jid>& login) {
        {
            const std::lock_guard guard{lock_};
            login_ = login;
            if (!login) why_ = login.error().text;
            is_news_ = login.has_value();
            is_settled_ = true;
        }
        channel_->tell(&here);
    }

    // On a shard, one at a time.
    void changed(Shard* here) {
        tell_login();
        if (here != nullptr) take(*here, channel_->read());
        send_waiting();
        if (channel_->at_end()) end("the stream ended");
        channel_->nudge();
    }

    void tell_login() {
        std::optional<Jid> full;
        {
            const std::lock_guard guard{lock_};
            if (std::exchange(is_news_, false)) full = **login_;
        }
        if (full && callbacks_.on_ready) callbacks_.on_ready(*full);
    }

    void send_waiting() {
        const std::lock_guard guard{lock_};
        if (!waiting_.empty()) waiting_.erase(0, channel_->write(waiting_));
    }

    void take(Shard& here, std::string bytes) {
        if (!tail_.empty()) bytes.insert(0, std::exchange(tail_, {}));
        std::string_view rest{bytes};
        while (!rest.empty()) {
            const auto frame = here.xml->find(rest, seen_, stream_, no_limits);
            if (frame.found != Codec::Found::frame) {
                seen_ = rest.size();
                tail_ = rest;
                return;
            }
            seen_ = 0;
            take_frame(here, rest.substr(0, frame.used));
            rest.remove_prefix(frame.used);
        }
    }

    void take_frame(Shard& here, std::string_view frame) {
        StreamHeader header;
        Stanza stanza;
        const auto kind = here.xml->decode(frame, no_limits, stream_, header, stanza).kind;
        if (kind == Codec::Kind::footer) return channel_->close();
        if (kind != Codec::Kind::stanza || !stanza.adopt()) return;
        if (stanza.kind() != Stanza::Kind::other) return hear(stanza);
        if (stanza.xml().is("error", ns::streams)) return remember_error(stanza.xml());
        if (callbacks_.on_element) callbacks_.on_element(stanza);
    }

    void hear(Stanza& stanza) {
        const std::string id{stanza.id()};
        if (stanza.is_iq() && !stanza.is_request() && is_question(id)) return settle(id, std::move(stanza));
        if (callbacks_.on_stanza) return callbacks_.on_stanza(stanza);
        // RFC 6120 §8.2.3: a request gets an answer.
        if (!stanza.is_request()) return;
        [[maybe_unused]] const auto said = send(stanza.error({Condition::service_unavailable}).str());
    }

    bool is_question(const std::string& id) {
        const std::lock_guard guard{lock_};
        return questions_.contains(id);
    }

    void settle(const std::string& id, Result<Stanza> result) {
        Answer answer;
        {
            const std::lock_guard guard{lock_};
            const auto at = questions_.find(id);
            if (at == questions_.end()) return;
            answer = std::move(at->second);
            questions_.erase(at);
        }
        answer(std::move(result));
    }

    void remember_error(const Element& error) {
        const auto text = error.child("text", ns::stream_errors).text();
        const std::lock_guard guard{lock_};
        if (why_.empty()) why_ = std::string{error.first().name()} + (text.empty() ? "" : ": ") + std::string{text};
    }

    void end(std::string_view otherwise) {
        decltype(questions_) questions;
        {
            const std::lock_guard guard{lock_};
            if (std::exchange(has_ended_, true)) return;
            if (why_.empty()) why_ = otherwise;
            if (!login_) login_ = fail(Condition::service_unavailable, why_);
            questions.swap(questions_);
            is_settled_ = true;
        }
        for (auto& [id, answer] : questions) answer(fail(Condition::service_unavailable, why_));
        if (callbacks_.on_end) callbacks_.on_end(why_);
    }

    const Callbacks callbacks_;
    const std::size_t max_waiting_;
    std::shared_ptr<Pipe::Channel> channel_;   // shared with the server's end

    // Of the shard.
    Codec::Stream stream_;
    std::string tail_;       // of an unfinished frame
    std::size_t seen_ = 0;   // bytes of tail_ that the framer has looked at

    std::mutex lock_;       // taken before the channel's
    std::string waiting_;   // for room in the channel
    std::unordered_map<std::string, Answer> questions_;
    std::uint64_t last_question_ = 0;
    const std::string asks_as_ = random_token(12);   // so that no stranger can answer
    std::optional<Result<Jid>> login_;
    std::string why_;   // … it ended; never changes afterwards
    bool is_news_ = false, has_ended_ = false;
    std::atomic<bool> is_settled_{false};   // there is a login_, or never will be
};

Client::Client(Server& server, const Jid& jid, Callbacks callbacks) {
    auto& kernel = server.impl_->kernel();
    if (jid.local().empty() || !kernel.is_local(jid.domain()))
        throw std::runtime_error(fmt::format("{} is no account of this server (user@domain)", jid.text()));
    impl_ = std::make_shared<Impl>(std::move(callbacks), kernel.settings.limits.send_queue);
    impl_->enter(kernel.home(jid), jid);
}
Client::Client(Server& server, const Jid& jid) : Client(server, jid, Callbacks{}) {}
Client::~Client() { impl_->leave(); }

Result<Jid> Client::ready(Duration patience) { return impl_->ready(patience); }
Result<Nothing> Client::send(const Stanza& stanza) { return impl_->send(stanza.str()); }
Result<Nothing> Client::send(std::string_view xml) { return impl_->send(xml); }
Result<Nothing> Client::presence(std::string_view type, std::string_view inner) {
    auto presence = Stanza::presence({}, {}, type);
    presence.set_inner(std::string{inner});
    return send(presence);
}
void Client::ask(Stanza iq, std::function<void(Result<Stanza>)> answer) {
    impl_->ask(std::move(iq), std::move(answer));
}
Result<Stanza> Client::ask(Stanza iq, Duration patience) { return impl_->ask(std::move(iq), patience); }

}   // namespace tambo
