// Where a stanza goes (RFC 6120 §8, §10; RFC 6121 §8): the Shard's routing half.
#include <algorithm>
#include <optional>
#include <utility>

#include "module/failure.hpp"
#include "module/instance.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

bool is_known_message_type(std::string_view type) noexcept {
    return type.empty() || type == "chat" || type == "normal" || type == "groupchat" || type == "headline" ||
           type == "error";
}

bool is_answer(std::string_view iq_type) noexcept { return iq_type == "result" || iq_type == "error"; }

/// What a client wrote in a stanza's start tag. Null: nothing.
struct Addresses {
    std::optional<std::string_view> from, to;
};

Addresses addresses_in(const Tape& tape) noexcept {
    using Kind = Tape::Kind;
    Addresses found;
    for (std::size_t i = 1; i < tape.nodes.size(); ++i) {
        const auto& node = tape.nodes[i];
        if (node.kind != Kind::attribute && node.kind != Kind::declaration) break;
        if (node.kind != Kind::attribute || node.prefix != 0) continue;
        const auto name = tape.at(node.name);
        if (name == "to")
            found.to = tape.at(node.value);
        else if (name == "from")
            found.from = tape.at(node.value);
    }
    return found;
}

// Ids of the server's own questions carry the shard that asked.
constexpr std::string_view question_prefix = "tambo-";

}   // namespace

// --- from a client

void Shard::receive(Connection& connection, LocalSession& session, Stanza& stanza) {
    if (stanza.kind() == Stanza::Kind::other) return receive_element(connection, session, stanza);
    figures.in.count(stanza);
    session.count_received(now());
    if (standstill_) [[unlikely]]
        note_wait();
    const auto written = addresses_in(std::as_const(stanza).tape());
    const auto from = written.from.value_or(std::string_view{});
    if (!from.empty() && from != session.jid().text() && from != session.jid().bare_text()) {
        const auto claimed = jids.get(from);   // the same address may be written differently
        if (!claimed || (*claimed != session.jid() && *claimed != session.bare_jid()))
            return connection.close_stream(StreamCondition::invalid_from);
    }
    if (const auto origin = session.origin()) stanza.trail() = detail::Trail{origin, session.received()};
    stanza.set_from(session.jid());
    stanza.set_to({});
    if (stanza.lang().empty() && connection.context() != nullptr) stanza.set_lang(connection.context()->lang);
    if (written.to) {
        auto to = jids.get(*written.to);
        if (!to) return refuse(session, stanza, to.error());
        stanza.set_to(std::move(*to));
    }
    if (session.has_come_before(stanza)) return stanza.trail().end();
    if (!stanza.is_message()) session.may_have_changed();
    const auto asked = store->asked();
    from_client(session, stanza);
    let_go(stanza.trail(), asked);
}

// What was written because of it has to be on disk before it counts as taken care of.
void Shard::let_go(detail::Trail& trail, std::uint64_t asked_before) {
    if (!trail) return;
    if (store->asked() == asked_before) return trail.end();
    auto held = std::make_shared<detail::Trail>(std::move(trail));
    store->when_kept(asked_before, [held](const std::string&) { held->end(); });
}

void Shard::receive_element(Connection& connection, LocalSession& session, const Stanza& stanza) {
    const auto root = stanza.xml();
    session.may_have_changed();
    if (root.is("error", ns::streams)) return connection.close_stream();
    const auto* handler = hooks.find_element(root.space());
    if (handler == nullptr) {
        // RFC 6120 §4.9.3.24; a stanza name in a foreign namespace is §4.9.3.10.
        const bool is_stanza_name = root.name() == "message" || root.name() == "presence" || root.name() == "iq";
        return connection.close_stream(is_stanza_name ? StreamCondition::invalid_namespace
                                                      : StreamCondition::unsupported_stanza_type);
    }
    const Breadcrumb here{*handler->owner};
    try {
        handler->call(handler->self, session, stanza);
    } catch (const std::exception& e) {
        handler->owner->fault(fmt::format("element {}", handler->space), e.what(), &stanza);
        session.close(StreamCondition::internal_server_error, {}, {});
    } catch (...) {
        handler->owner->fault(fmt::format("element {}", handler->space), unknown_exception, &stanza);
        session.close(StreamCondition::internal_server_error, {}, {});
    }
}

// An error for the sender herself, who sent something that goes nowhere.
void Shard::refuse(LocalSession& session, const Stanza& stanza, const Error& error) {
    if (stanza.is_error() || (stanza.is_iq() && stanza.type() == "result")) return;
    auto answer = stanza.error(error);
    answer.set_to(session.jid());
    session.send(answer);
}

// RFC 6120 §8.2.3.
bool Shard::is_proper_iq(const Stanza& iq) {
    const auto type = iq.type();
    if (iq.id().empty()) return false;
    if (type == "error") return true;
    const auto first = iq.payload();
    if (type == "result") return !first || !first.next();
    return (type == "get" || type == "set") && first && !first.next();
}

void Shard::from_client(LocalSession& session, Stanza& stanza) {
    if (stanza.is_iq() && !is_proper_iq(stanza)) return refuse(session, stanza, {Condition::bad_request, {}});
    const auto outcome = fire(Event::stanza_in, session, &stanza);
    work_off();   // what handlers sent goes before the stanza that made them send it
    if (outcome.faulted) refuse(session, stanza, {Condition::internal_server_error, {}});
    if (outcome.handled || outcome.faulted || session.has_ended()) return;
    if (stanza.is_message() && !is_known_message_type(stanza.type())) stanza.set_type("normal");   // RFC 6121 §5.2.2
    if (!stanza.to().empty()) {
        if (stanza.is_iq() && stanza.to() == session.bare_jid()) return answer(stanza, &session, &session.local());
        if (stanza.is_iq() && stanza.to().local().empty() && kernel.is_local(stanza.to().domain()))
            return answer(stanza, &session, nullptr);
        return route(stanza);
    }
    if (stanza.is_iq()) return answer(stanza, &session, &session.local());   // RFC 6120 §10.3.3
    if (stanza.is_presence()) return;                                        // broadcast is a module's business
    stanza.set_to(session.bare_jid());                                       // RFC 6120 §10.3.1
    arrive(stanza);
}

// --- routing

void Shard::route_later(Stanza stanza) { to_route_.push_back(std::move(stanza)); }

void Shard::route(Stanza& stanza) {
    const auto& to = stanza.to();
    if (to.empty()) return;
    if (!kernel.is_local(to.domain())) return bounce(stanza, {Condition::remote_server_not_found, {}});
    if (to.local().empty()) return to_server(stanza);
    auto& home = kernel.home(to);
    if (&home == this)
        arrive(stanza);
    else
        mail(home, std::move(stanza));
}

void Shard::bounce(const Stanza& stanza, const Error& error) {
    // RFC 6120 §8.3.1: no error in answer to an error; answers and presence of absence need none either.
    if (stanza.is_error() || stanza.from().empty() || (stanza.is_iq() && is_answer(stanza.type()))) return;
    if (stanza.is_presence() && stanza.type() == "unavailable") return;
    route_later(stanza.error(error));
}

void Shard::arrive(Stanza& stanza) {
    if (stanza.is_iq() && is_answer(stanza.type()) && stanza.id().starts_with(question_prefix) && stanza.to().is_bare())
        return settle_question(stanza);
    stanza.set_sequence(0);
    auto& home = account(stanza.to());
    if (home.is_loaded()) return dispatch(home, stanza);
    ++home.pins;
    home.when_loaded([this, &home, waiting = std::make_shared<Stanza>(std::move(stanza))](bool ok) {
        --home.pins;
        if (ok)
            dispatch(home, *waiting);
        else
            bounce(*waiting, {Condition::resource_constraint, "the store is not available"});
    });
}

void Shard::dispatch(LocalAccount& home, Stanza& stanza) {
    const auto asked = store->asked();
    home.arrive(stanza);
    let_go(stanza.trail(), asked);
}

// A stanza for one of our domains.
void Shard::to_server(Stanza& stanza) {
    if (!stanza.is_iq()) {
        if (stanza.is_message()) bounce(stanza, {Condition::service_unavailable, {}});
        return;
    }
    if (is_answer(stanza.type())) return settle_question(stanza);
    answer(stanza, nullptr, nullptr);
}

// --- questions and answers

void Shard::answer(Stanza& stanza, LocalSession* session, LocalAccount* account) {
    if (!stanza.is_request()) return settle_question(stanza);
    const auto* handler = hooks.find_iq(stanza.payload(), account != nullptr ? Scope::account : Scope::server);
    if (handler == nullptr || (account != nullptr && !account->exists()))
        return bounce(stanza, {Condition::service_unavailable, {}});
    const Breadcrumb here{*handler->owner};
    const auto asked = store->asked();
    try {
        Iq iq{stanza, session, account};
        if (handler->task != nullptr) return answer_in_time(*handler, std::move(iq));
        send_reply(stanza, handler->call(handler->self, iq), asked);
    } catch (const std::exception& e) {
        handler->owner->fault(fmt::format("iq {}", handler->space), e.what(), &stanza);
        bounce(stanza, {Condition::internal_server_error, {}});
    } catch (...) {
        handler->owner->fault(fmt::format("iq {}", handler->space), unknown_exception, &stanza);
        bounce(stanza, {Condition::internal_server_error, {}});
    }
}

namespace {

/// A reply that takes its time. If nobody is left who works on it, since its module was replaced and did not come to
/// an end, the asker is told so.
struct Awaited {
    std::optional<Reply> reply;
    std::function<void()> given_up;
    ~Awaited() {
        if (given_up) given_up();
    }
};

Task<void> reply_from(Task<Reply> task, std::shared_ptr<Awaited> into) {
    into->reply.emplace(co_await std::move(task));
}

}   // namespace

void Shard::answer_in_time(const Hooks::OnIq& handler, Iq iq) {
    auto request = std::make_shared<Stanza>(iq);
    request->trail() = std::move(iq.trail());
    auto awaited = std::make_shared<Awaited>();   // by the task and by what is done at its end
    awaited->given_up = [this, request] {
        bounce(*request, {Condition::resource_constraint, "what worked on it was replaced meanwhile; ask again"});
    };
    const auto asked = store->asked();
    auto task = handler.task(handler.self, std::move(iq));
    auto answer = [this, request, awaited, asked](bool) {
        awaited->given_up = nullptr;
        if (awaited->reply)
            send_reply(*request, std::move(*awaited->reply), asked);
        else
            bounce(*request, {Condition::internal_server_error, {}});
    };
    handler.owner->run(reply_from(std::move(task), awaited), std::move(answer), {"iq " + handler.space, request});
}

// Nothing is confirmed before it is kept: a handler that wrote is answered for after the commit.
void Shard::send_reply(const Stanza& request, Reply reply, std::uint64_t asked_before) {
    if (reply.is_silent()) return;
    if (reply.is_error()) return bounce(request, reply.error());
    auto result = request.result();
    result.set_inner(reply.take_inner());
    if (result.from().empty()) result.set_from(request.from().bare());   // RFC 6120 §10.3.3: from the account
    if (store->asked() == asked_before) return route_later(std::move(result));
    auto held = std::make_shared<Stanza>(std::move(result));
    auto asked = std::make_shared<Stanza>(request);
    store->when_kept(asked_before, [this, held, asked](const std::string& error) {
        if (error.empty())
            route_later(std::move(*held));
        else
            bounce(*asked, {Condition::resource_constraint, "it could not be kept"});
    });
}

Later<Result<Stanza>> Shard::ask(Stanza iq, Duration patience) {
    Later<Result<Stanza>> later;
    const auto id = std::string{question_prefix} + std::to_string(index) + "-" + std::to_string(next_question_++) +
                    "-" + random_token(8);
    iq.set_id(id);
    Question question{later.state(), iq.to(), 0};
    question.patience = after(patience, [this, id] {
        const auto at = questions_.find(id);
        if (at == questions_.end()) return;
        auto asked = std::move(at->second);
        questions_.erase(at);
        asked.answer->complete(fail(Condition::remote_server_timeout));
    });
    questions_.emplace(id, std::move(question));
    route_later(std::move(iq));
    return later;
}

// An answer to one of our own questions; it may have come to another shard than the one that asked.
void Shard::settle_question(Stanza& stanza) {
    const auto id = stanza.id();
    if (!id.starts_with(question_prefix)) return;
    std::size_t shard = 0;
    for (const char c : id.substr(question_prefix.size())) {
        if (c < '0' || c > '9' || shard > 1000) break;
        shard = shard * 10 + static_cast<std::size_t>(c - '0');
    }
    if (shard >= kernel.shards.size()) return;
    auto& asker = *kernel.shards[shard];
    if (&asker != this) {
        auto travelling = std::make_shared<Stanza>(std::move(stanza));
        return asker.post([&asker, travelling] { asker.settle_question(*travelling); });
    }
    const auto at = questions_.find(std::string{id});
    if (at == questions_.end() || at->second.asked != stanza.from())
        return;   // an answer counts only from whom was asked
    auto question = std::move(at->second);
    questions_.erase(at);
    cancel(question.patience);
    question.answer->complete(std::move(stanza));
}

}   // namespace tambo
