#include "stream/negotiation.hpp"

#include <algorithm>
#include <charconv>

#include "module/failure.hpp"
#include "net/connection.hpp"
#include "server/kernel.hpp"
#include "shard/shard.hpp"

namespace tambo {

Negotiation::Negotiation(Connection& connection) : connection_(connection), alive_(std::make_shared<bool>(true)) {
    info_.address = connection.address();
    if (const auto& guest = connection.entrance().guest) {
        info_.account = guest->account;
        info_.domain = guest->account.domain();
    }
}

Negotiation::~Negotiation() {
    *alive_ = false;
    if (step_ != 0) step_owner_->stop(step_);
}

void Negotiation::refresh_info() {
    info_.codec = connection_.codec_name();
    info_.is_secure = connection_.is_secure();
    info_.can_secure = !info_.is_secure && connection_.entrance().may_start_tls && connection_.wire().is_xml();
    info_.may_authenticate = info_.is_secure || connection_.entrance().plaintext_auth;
    const auto& limits = connection_.shard().kernel.settings.limits;
    const bool is_known = !info_.account.empty();
    info_.max_stanza_bytes = is_known ? limits.stanza_bytes : limits.stanza_bytes_before_auth;
    // Who does not log in is sent away; who has is asked by TCP, if there is one.
    const bool has_tcp = !connection_.entrance().is_private;
    const Duration idle = !is_known ? limits.negotiation_time : has_tcp ? limits.keepalive : Duration::zero();
    info_.idle_seconds = static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(idle).count());
}

// RFC 6120 §4.7: what a header has to say before it gets an answer.
void Negotiation::opened(const StreamHeader& header) {
    auto& kernel = connection_.shard().kernel;
    if (header.to.empty() && info_.domain.empty())
        return close(StreamCondition::host_unknown, "the stream needs a 'to'");
    const auto to = Jid::parse(header.to);
    if (!to || !to->is_domain()) return close(StreamCondition::improper_addressing, "'to' is not a domain");
    if (!kernel.is_local(to->text())) return close(StreamCondition::host_unknown);
    if (!info_.account.empty() && to->text() != info_.domain)
        return close(StreamCondition::host_unknown, "authenticated for another host");
    if (kernel.is_closed && !connection_.entrance().is_private)
        return close(StreamCondition::system_shutdown,
                     "the server takes nobody in at the moment; please come back later");
    unsigned major = 0;
    std::from_chars(header.version.data(), header.version.data() + header.version.size(), major);
    if (major < 1) return close(StreamCondition::unsupported_version);
    if (info_.account.empty() && !connection_.entrance().is_private &&
        !kernel.gate.may_authenticate(connection_.origin(), connection_.shard().steady()))
        return close(StreamCondition::policy_violation, "too many failed logins from this address, try again later");
    if (!connection_.shard().lacking.empty() && !connection_.entrance().guest) return ask_for_patience();
    info_.domain = to->text();
    id_ = random_token(20);
    refresh_info();
    if (connection_.entrance().guest) return welcome_guest();
    send_features();
}

// The host program said who it is and which resource it wants: nothing is left to negotiate.
void Negotiation::welcome_guest() {
    connection_.write_header();
    is_welcoming_ = true;
    auto& account = connection_.shard().account(info_.account);
    ++account.pins;
    account.when_loaded([this, alive = alive_, guest = connection_.entrance().guest, &account](bool ok) {
        --account.pins;
        if (!*alive) return;   // who waits for an answer sees that the stream has ended
        is_welcoming_ = false;
        const auto bound = bind_guest(*guest, ok ? &account : nullptr);
        finished_ = bound.has_value();
        guest->bound(connection_.shard(), bound);
        if (!bound) return close(StreamCondition::not_authorized, bound.error().text);
        connection_.resume_input();
    });
}

Result<Jid> Negotiation::bind_guest(const Guest& guest, LocalAccount* account) {
    if (account == nullptr) return fail(Condition::resource_constraint, "the account could not be loaded");
    if (!account->exists())
        return fail(Condition::item_not_found, "there is no account " + std::string{account->jid().text()});
    return bind_now(guest.resource, Conflict::replace, *account);
}

void Negotiation::send_features() {
    connection_.write_header();
    auto& shard = connection_.shard();
    // Their memory comes from the shard: a login would take it several times, while they grow.
    auto features = shard.take_buffer(), text = shard.take_buffer();
    features += "<stream:features>";
    const auto phase = info_.account.empty() ? Phase::before_auth : Phase::before_bind;
    for (const auto& step : shard.hooks.steps) {
        if (step.phase != phase) continue;
        const Breadcrumb here{*step.owner};
        try {
            text.clear();
            Writer one{std::move(text)};
            step.advertise(step.self, info_, one);
            text = one.take();
            features += text;
        } catch (const std::exception& e) {
            step.owner->fault("the stream feature " + step.space, e.what());
        } catch (...) {
            step.owner->fault("the stream feature " + step.space, unknown_exception);
        }
    }
    features += "</stream:features>";
    connection_.write_element(features);
    shard.give_buffer(std::move(features));
    shard.give_buffer(std::move(text));
}

void Negotiation::element(Stanza& stanza) {
    if (auto receiver = std::exchange(receiver_, {})) return receiver->complete(std::move(stanza));
    const auto phase = info_.account.empty() ? Phase::before_auth : Phase::before_bind;
    const auto root = stanza.xml();
    const auto space = stanza.is_iq() ? stanza.payload().space() : root.space();
    const auto* step = connection_.shard().hooks.find_step(phase, space);
    if (step == nullptr) return refuse(stanza);
    take_step(*step, stanza);
}

// RFC 6120 §4.9.3.12: nobody may send stanzas before it is known who they are.
void Negotiation::refuse(const Stanza& stanza) {
    const auto root = stanza.xml();
    if (root.is("error", ns::streams)) return connection_.close_stream();
    if (!connection_.shard().lacking.empty()) return ask_for_patience();   // it was announced
    if (stanza.kind() != Stanza::Kind::other) return close(StreamCondition::not_authorized);
    if (root.space() == ns::client) return close(StreamCondition::unsupported_stanza_type);
    // A step that belongs to another phase, such as <starttls/> after authentication, or nobody's element.
    close(info_.account.empty() ? StreamCondition::not_authorized : StreamCondition::unsupported_stanza_type);
}

/// Goes with the task of a step, and says how it ended: by itself, or because its version was taken away where it
/// waited.
class Negotiation::StepEnd {
public:
    StepEnd(Negotiation& negotiation, std::shared_ptr<bool> alive)
        : negotiation_(negotiation), alive_(std::move(alive)) {}
    ~StepEnd() {
        if (*alive_ && !said_) negotiation_.step_lost();
    }
    StepEnd(const StepEnd&) = delete;
    StepEnd& operator=(const StepEnd&) = delete;
    void say(bool well) {
        said_ = true;
        if (*alive_ && !well) negotiation_.close(StreamCondition::internal_server_error);
        if (*alive_) negotiation_.step_ended();
    }

private:
    Negotiation& negotiation_;
    const std::shared_ptr<bool> alive_;   // shared with the negotiation, which may be gone first
    bool said_ = false;
};

void Negotiation::take_step(const Hooks::Step& step, Stanza& stanza) {
    ended_early_ = false;
    step_owner_ = step.owner;
    const Breadcrumb here{*step.owner};
    const auto where = "the step " + step.space;
    auto alive = alive_;
    try {
        auto task = step.take(step.self, *this, std::move(stanza));
        auto end = std::make_shared<StepEnd>(*this, alive);   // a std::function wants to be copied
        auto say = [end = std::move(end)](bool well) { end->say(well); };
        const auto id = step.owner->run(std::move(task), std::move(say), {where});
        if (*alive && !ended_early_) step_ = id;
    } catch (const std::exception& e) {
        step.owner->fault(where, e.what());
        close(StreamCondition::internal_server_error);
    } catch (...) {
        step.owner->fault(where, unknown_exception);
        close(StreamCondition::internal_server_error);
    }
}

void Negotiation::step_ended() {
    ended_early_ = true;
    step_ = 0;
    receiver_.reset();
    if (tls_wanted_) {
        tls_wanted_ = false;
        return connection_.start_tls(info_.domain);
    }
    if (restart_wanted_) {
        restart_wanted_ = false;
        return connection_.restart(connection_.shard().kernel.home(info_.account));
    }
    if (auto* wire = std::exchange(wire_wanted_, nullptr)) return connection_.restart(*wire);
    if (bound_ != nullptr) finished_ = true;
    connection_.resume_input();
}

void Negotiation::step_lost() {
    ended_early_ = true;
    step_ = 0;
    receiver_.reset();
    tls_wanted_ = restart_wanted_ = false;
    connection_.resume_input();
}

void Negotiation::secured() { refresh_info(); }

void Negotiation::send(std::string_view xml) {
    if (*alive_) connection_.write_element(xml);   // a step may have last words when the stream has gone
}

Later<Stanza> Negotiation::receive() {
    Later<Stanza> next;
    receiver_ = next.state();
    connection_.resume_input();
    return next;
}

void Negotiation::ask_for_patience() {
    close(StreamCondition::resource_constraint, "nobody can log in at the moment; please try again later");
}

void Negotiation::close(StreamCondition condition, std::string_view text) { connection_.close_stream(condition, text); }

void Negotiation::start_tls() { tls_wanted_ = true; }

bool Negotiation::switch_codec(std::string_view name) {
    wire_wanted_ = connection_.shard().find_wire(name);
    return wire_wanted_ != nullptr;
}

Bytes Negotiation::channel_binding(std::string_view type) const {
    const auto* tls = connection_.tls();
    if (tls == nullptr || !tls->established()) return {};
    if (type == "tls-exporter") return tls->exporter();
    if (type == "tls-unique") return tls->unique();
    if (type == "tls-server-end-point") return tls->server_end_point();
    return {};
}

void Negotiation::authenticated(const Jid& bare) {
    info_.account = bare;
    restart_wanted_ = true;
}

// RFC 6120 §6.4.5: a few retries, then the stream ends; the address is remembered.
bool Negotiation::failed_attempt() {
    auto& kernel = connection_.shard().kernel;
    if (!connection_.entrance().is_private) kernel.gate.auth_failed(connection_.origin(), connection_.shard().steady());
    if (++failures_ < kernel.settings.limits.auth_failures) return true;
    close(StreamCondition::policy_violation, "too many failed attempts");
    return false;
}

bool Negotiation::may_register() {
    return connection_.entrance().is_private ||
           connection_.shard().kernel.gate.may_register(connection_.origin(), connection_.shard().steady());
}

Later<Account*> Negotiation::account() {
    Later<Account*> later;
    auto& account = connection_.shard().account(info_.account);
    ++account.pins;
    account.when_loaded([state = later.state(), &account](bool ok) {
        --account.pins;
        state->complete(ok && account.exists() ? &account : nullptr);
    });
    return later;
}

Later<Result<Jid>> Negotiation::bind(std::string_view resource, Conflict policy) {
    Later<Result<Jid>> later;
    auto& account = connection_.shard().account(info_.account);
    ++account.pins;
    account.when_loaded(
        [this, alive = alive_, state = later.state(), &account, policy, wanted = std::string{resource}](bool ok) {
            --account.pins;
            if (!*alive) return;
            if (!ok) return state->complete(fail(Condition::resource_constraint, "the account could not be loaded"));
            if (!account.exists()) return state->complete(fail(Condition::not_authorized, "the account is gone"));
            state->complete(bind_now(wanted, policy, account));
        });
    return later;
}

// RFC 6120 §7.6, §7.7.
Result<Jid> Negotiation::bind_now(std::string_view resource, Conflict policy, LocalAccount& account) {
    if (bound_ != nullptr) return fail(Condition::not_allowed, "already bound");
    const auto& limits = connection_.shard().kernel.settings.limits;
    auto full = account.jid().with_resource(resource.empty() ? random_token(16) : std::string{resource});
    if (!full) return fail(Condition::bad_request, full.error().text);
    auto* rival = account.find_local(full->resource());
    if (rival == nullptr && limits.sessions_per_account != 0 &&
        account.sessions().size() >= limits.sessions_per_account)
        return fail(Condition::resource_constraint, "too many sessions");
    if (rival != nullptr) {
        if (policy == Conflict::refuse) return fail(Condition::conflict);
        if (policy == Conflict::rename)
            full = account.jid().with_resource(std::string{resource} + "-" + random_token(8));
        else
            rival->close(StreamCondition::conflict, "replaced by a new connection", {});
    }
    auto& session = account.add_session(*full);
    bound_ = &session;
    connection_.attach(session);
    connection_.shard().fire(Event::bound, session);
    return *full;
}

void Negotiation::resume(Session& session, std::string_view xml) {
    auto& local = static_cast<LocalSession&>(session);
    if (auto* old = local.connection()) {
        local.attach(nullptr);
        old->release_session();
        old->close_stream(StreamCondition::conflict, "resumed elsewhere");
    }
    bound_ = &local;
    connection_.write_element(xml);
    connection_.attach(local);
    connection_.shard().fire(Event::resumed, local);
}

}   // namespace tambo
