// RFC 6120 §6: SASL, with SCRAM (RFC 5802, 7677), its channel-binding forms (RFC 9266), PLAIN (RFC 4616), and XEP-0440
// (0.4.2).
#include <algorithm>
#include <exception>
#include <functional>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

#include "exchange.hpp"
#include "hashing.hpp"
#include "proven.hpp"

namespace {

using namespace tambo;
using sasl::Failure;
using sasl::Mechanism;
using sasl::Outcome;

constexpr std::string_view sasl_space = "urn:ietf:params:xml:ns:xmpp-sasl";
constexpr std::string_view binding_space = "urn:xmpp:sasl-cb:0";
constexpr std::string_view exporter_type = "tls-exporter";
constexpr std::string_view unique_type = "tls-unique";

/// Who it was, and what is left to say.
struct Accepted {
    Jid account;
    Bytes last_words;
};

class Sasl final : public Module {
public:
    Sasl() {
        for (const auto& name : *names_) {
            const auto* known = sasl::find_mechanism(name);
            if (known == nullptr) names_.refuse(name + " is none of " + all());
            enabled_.push_back(known);
        }
        if (*iterations_ < 1 || *iterations_ > 10'000'000) iterations_.refuse("expected a number from 1 to 10000000");
    }

    void wire(Wiring& w) override {
        w.required();
        waiting_ = &w.gauge("hashes_waiting", "logins that wait until their password is checked");
        refused_ = &w.counter("hashes_refused_total", "logins turned away since too many waited for that");
        w.negotiate<&Sasl::advertise, &Sasl::step>(Phase::before_auth, sasl_space, 20, this);
    }

private:
    void advertise(const StreamInfo& info, Writer& features) {
        if (!info.may_authenticate || enabled_.empty()) return;
        features.element("mechanisms", sasl_space);
        for (const auto* mechanism : enabled_)
            if (is_offered(*mechanism, info)) features.element("mechanism").text(mechanism->name).end();
        features.end();
        if (!offers_plus(info)) return;
        features.element("sasl-channel-binding", binding_space);
        features.element("channel-binding").attribute("type", exporter_type).end().end();
    }

    /// Answers for an attempt that is ended where it waits, because a newer version of this module has come and would
    /// not wait any longer (RFC 6120 §6.5.11): the client tries again.
    class LastWord {
    public:
        explicit LastWord(Handshake& h) : handshake_(&h) {}
        ~LastWord() {
            if (handshake_ == nullptr || is_clients_turn_ || std::uncaught_exceptions() > 0) return;
            const auto name = sasl::to_string(Failure::temporary_auth_failure);
            handshake_->send(Writer{}.element("failure", sasl_space).element(name).take());
        }
        LastWord(const LastWord&) = delete;
        LastWord& operator=(const LastWord&) = delete;
        void is_not_needed() { handshake_ = nullptr; }
        /// What the client says next is answered by who is live then: two answers to one question would confuse it.
        void is_left_to_others(bool is_so) { is_clients_turn_ = is_so; }

    private:
        Handshake* handshake_;
        bool is_clients_turn_ = false;
    };

    /// One attempt, from <auth/> to <success/> or <failure/>.
    Task<void> step(Handshake& h, Stanza element) {
        LastWord last_word{h};
        auto attempt = authenticate(h, std::move(element), last_word);
        const Outcome<Accepted> outcome = co_await attempt;
        last_word.is_not_needed();
        if (outcome) {
            h.send(Writer{}.element("success", sasl_space).text(base64(outcome->last_words)).take());
            h.authenticated(outcome->account);
            co_return;
        }
        h.send(Writer{}.element("failure", sasl_space).element(sasl::to_string(outcome.error())).take());
        // An attempt that failed for our own sake is not held against the client.
        if (outcome.error() != Failure::temporary_auth_failure) h.failed_attempt();
    }

    Task<Outcome<Accepted>> authenticate(Handshake& h, Stanza element, LastWord& last_word) {
        if (const auto wrong = objection(h.info(), element)) co_return std::unexpected{*wrong};
        const Mechanism& mechanism = *offered(h.info(), element.xml().attribute("mechanism"));

        auto reading = first_message(h, std::string{element.xml().text()}, last_word);
        const Outcome<Bytes> first = co_await reading;
        if (!first) co_return std::unexpected{first.error()};
        Outcome<sasl::Claim> claim = sasl::read_claim(mechanism, *first);
        if (!claim) co_return std::unexpected{claim.error()};
        const Result<Jid> account = Jid::make(claim->name, h.info().domain);
        if (!account) co_return std::unexpected{Failure::not_authorized};
        if (!may_act_as(*account, *claim)) co_return std::unexpected{Failure::invalid_authzid};

        AuthProvider* provider = host().auth();
        if (provider == nullptr) co_return std::unexpected{Failure::temporary_auth_failure};
        auto asking = provider->look_up(*account);
        const Result<Credentials> found = co_await asking;
        if (!found && found.error().condition != Condition::item_not_found)
            co_return std::unexpected{Failure::temporary_auth_failure};
        const ScramKeys keys = keys_for(mechanism, *account, found ? *found : Credentials{});

        auto proving = mechanism.is_plain() ? prove_plain(*account, keys, std::move(claim->password))
                                            : prove_scram(h, mechanism, keys, *first, last_word);
        Outcome<Bytes> proven = co_await proving;
        if (!proven) {
            if (proven.error() == Failure::not_authorized)
                log().info("{} could not prove to be {} ({})", h.info().address, account->text(), mechanism.name);
            co_return std::unexpected{proven.error()};
        }
        log().debug("{} is {} ({})", h.info().address, account->text(), mechanism.name);
        co_return Accepted{*account, std::move(*proven)};
    }

    /// Why this can't begin an attempt; nullopt if it can.
    std::optional<Failure> objection(const StreamInfo& info, const Stanza& element) const {
        const Element xml = element.xml();
        if (xml.is("abort", sasl_space)) return Failure::aborted;   // §6.4.4, though there is nothing to abort
        // To a version that did not come to hear it.
        if (xml.is("response", sasl_space)) return Failure::temporary_auth_failure;
        if (!xml.is("auth", sasl_space) || xml.first()) return Failure::malformed_request;
        if (!info.may_authenticate) return Failure::encryption_required;
        if (offered(info, xml.attribute("mechanism")) == nullptr) return Failure::invalid_mechanism;
        return std::nullopt;
    }

    /// RFC 4422 §5.1: without an initial response the server asks for it with an empty challenge.
    Task<Outcome<Bytes>> first_message(Handshake& h, std::string text, LastWord& last_word) {
        if (!text.empty()) co_return sasl::decode(text);
        auto asking = challenge(h, {}, last_word);
        co_return co_await asking;
    }

    Task<Outcome<Bytes>> prove_plain(Jid account, ScramKeys keys, std::string raw_password) {
        Result<std::string> password = prepare_password(raw_password);   // RFC 4616 §2; not UTF-8 fails here too
        if (!password) co_return std::unexpected{Failure::malformed_request};
        if (proven_.knows(account, keys, *password)) co_return Bytes{};
        sasl::Hashing::Turn turn{hashing_, due(account)};
        auto waiting = wait_for(turn);
        const bool may_check = co_await waiting;
        if (!may_check) co_return std::unexpected{Failure::temporary_auth_failure};
        auto checking = host().offload([keys, password = *password] { return sasl::matches(keys, password); });
        const bool is_right = co_await checking;
        if (!is_right) co_return std::unexpected{Failure::not_authorized};
        proven_.remember(account, keys, *password);
        co_return Bytes{};
    }

    /// Who has a session that waits for its client goes before those who merely come; as far as it is known on this
    /// shard.
    Duration due(const Jid& account) const {
        const auto now = host().uptime();
        auto* known = host().find_account(account);
        const bool comes_back = known != nullptr && std::ranges::any_of(known->sessions(), [](const Session* session) {
                                    return !session->link().is_connected;
                                });
        return comes_back ? now - *head_start_ : now;
    }

    Task<bool> wait_for(sasl::Hashing::Turn& turn) {
        const auto began = host().uptime();
        auto begun = turn.begun();
        const bool is_its_turn = co_await std::move(begun);
        if (!is_its_turn) refused_->add();
        if (!is_its_turn || host().uptime() - began >= noticeable) crowd_is_noticed();
        co_return is_its_turn;
    }

    // Two lines for each crowd: when it is noticed, and when nobody waits any more.
    void crowd_is_noticed() {
        if (hashing_.waiting() == 0 || std::exchange(is_crowded_, true)) return;
        log().warning(
            "many clients log in with PLAIN at once: {} wait until their password is checked, {} at a time; beyond "
            "hashes_waiting they are told to come again",
            hashing_.waiting(), *hashes_);
    }
    void count_waiting(std::size_t waiting) {
        waiting_->set(static_cast<std::int64_t>(waiting));
        if (waiting == 0 && std::exchange(is_crowded_, false))
            log().info("no login waits for the check of its password any more");
    }

    Task<Outcome<Bytes>> prove_scram(Handshake& h, const Mechanism& mechanism, ScramKeys keys, Bytes message,
                                     LastWord& last_word) {
        sasl::Exchange exchange{library_, mechanism, keys, channel_of(h)};
        for (;;) {
            sasl::Exchange::Step next = exchange.step(message);
            if (next.state == sasl::Exchange::State::failure) co_return std::unexpected{next.failure};
            if (next.state == sasl::Exchange::State::success) co_return std::move(next.message);
            auto asking = challenge(h, std::move(next.message), last_word);
            Outcome<Bytes> response = co_await asking;
            if (!response) co_return std::unexpected{response.error()};
            message = std::move(*response);
        }
    }

    /// tls-unique is not announced, but old clients (slixmpp) take it unasked. Without an exporter, TLS lacks what
    /// makes either of them safe (RFC 7627).
    sasl::Channel channel_of(const Handshake& h) const {
        sasl::Channel channel;
        channel.plus_was_offered = offers_plus(h.info());
        channel.exporter = h.channel_binding(exporter_type);
        if (!channel.exporter.empty()) channel.unique = h.channel_binding(unique_type);
        return channel;
    }

    /// Sends a challenge and waits for the response to it.
    Task<Outcome<Bytes>> challenge(Handshake& h, Bytes message, LastWord& last_word) {
        h.send(Writer{}.element("challenge", sasl_space).text(base64(message)).take());
        last_word.is_left_to_others(true);
        auto waiting = h.receive();
        const Stanza element = co_await waiting;
        last_word.is_left_to_others(false);
        const Element xml = element.xml();
        if (xml.is("abort", sasl_space)) co_return std::unexpected{Failure::aborted};
        if (!xml.is("response", sasl_space) || xml.first()) co_return std::unexpected{Failure::malformed_request};
        co_return sasl::decode(xml.text());
    }

    /// RFC 6120 §6.3.8: nobody acts for somebody else. The own name is accepted as user name and as bare JID.
    static bool may_act_as(const Jid& account, const sasl::Claim& claim) {
        if (claim.authzid.empty() || claim.authzid == claim.name) return true;
        const auto wanted = Jid::parse(claim.authzid);
        return wanted && *wanted == account;
    }

    /// The account's keys for this mechanism, or keys of the same looks that nobody has.
    ScramKeys keys_for(const Mechanism& mechanism, const Jid& account, const Credentials& credentials) const {
        const std::string_view preferred = mechanism.is_plain() ? "SHA-256" : mechanism.hash;
        if (const auto* keys = credentials.find(preferred)) return *keys;
        if (mechanism.is_plain())
            if (const auto* keys = credentials.find("SHA-1")) return *keys;
        return sasl::decoy_keys(secret_, preferred, account.text(), static_cast<std::uint32_t>(*iterations_));
    }

    static bool is_offered(const Mechanism& mechanism, const StreamInfo& info) noexcept {
        return !mechanism.binds_channel || info.is_secure;
    }

    bool offers_plus(const StreamInfo& info) const noexcept {
        return info.is_secure && std::ranges::any_of(enabled_, &Mechanism::binds_channel);
    }

    const Mechanism* offered(const StreamInfo& info, std::string_view name) const noexcept {
        const auto found = std::ranges::find(enabled_, name, &Mechanism::name);
        return found == enabled_.end() || !is_offered(**found, info) ? nullptr : *found;
    }

    static std::string all() {
        std::string names;
        for (const auto& mechanism : sasl::mechanisms()) names.append(names.empty() ? "" : ", ").append(mechanism.name);
        return names;
    }

    Option<List> names_{"mechanisms",
                        List{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"},
                        "what is offered, best first; -PLUS needs TLS"};
    Option<std::int64_t> iterations_{
        "iterations", 10000, "rounds that a name without account is answered with; as [module register] has it"};
    Option<std::int64_t> remembered_{"remembered_plain", 10000,
                                     "PLAIN logins whose repetition costs no key derivation, for each shard"};
    Option<std::int64_t> hashes_{"hashes", 2, "passwords that a shard has checked at the same time, by worker threads"};
    Option<std::int64_t> hashes_waiting_{
        "hashes_waiting", 1000, "PLAIN logins that may wait for that on a shard; those who would go last come again"};
    Option<Duration> head_start_{
        "head_start", std::chrono::seconds{10},
        "how much earlier than others an account counts as having come that has a session to resume"};
    static constexpr Duration noticeable{1000};   ///< who waits longer than this makes a crowd

    std::vector<const Mechanism*> enabled_;
    sasl::Library library_;
    Bytes secret_ = host().secret("sasl-salt");
    sasl::Hashing hashing_{{static_cast<std::size_t>(std::clamp<std::int64_t>(*hashes_, 1, 1000)),
                            static_cast<std::size_t>(std::clamp<std::int64_t>(*hashes_waiting_, 1, 1'000'000))},
                           [this](std::function<void()> job) { host().defer(std::move(job)); },
                           [this](std::size_t waiting) { count_waiting(waiting); }};
    Gauge* waiting_ = nullptr;
    Counter* refused_ = nullptr;
    bool is_crowded_ = false;
    sasl::ProvenPlain proven_{static_cast<std::size_t>(std::clamp<std::int64_t>(*remembered_, 0, 1'000'000))};
};

}   // namespace

TAMBO_MODULE(Sasl, "sasl", "0.1.0", 1)
