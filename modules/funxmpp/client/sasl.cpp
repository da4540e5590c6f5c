#include "sasl.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <utility>

#include <gsasl.h>

namespace tambo::funxmpp {

namespace {

Gsasl* make_library() {
    Gsasl* library = nullptr;
    if (const int code = gsasl_init(&library); code != GSASL_OK)
        throw std::runtime_error{std::string{"GNU SASL does not start: "} + gsasl_strerror(code)};
    return library;
}

std::string in_base64(std::string_view bytes) {
    char* text = nullptr;
    std::size_t length = 0;
    if (gsasl_base64_to(bytes.data(), bytes.size(), &text, &length) != GSASL_OK) throw std::bad_alloc{};
    const std::unique_ptr<char, decltype(&gsasl_free)> owned{text, gsasl_free};
    return {text, length};
}

/// GNU SASL's server asks for the password of PLAIN anew, so that it compares it with another than what came.
int say_password(Gsasl*, Gsasl_session* session, Gsasl_property which) {
    if (which != GSASL_PASSWORD) return GSASL_NO_CALLBACK;
    const auto* credentials = static_cast<const Credentials*>(gsasl_session_hook_get(session));
    return gsasl_property_set(session, GSASL_PASSWORD, credentials->password.c_str());
}

std::string_view property(Gsasl_session* session, Gsasl_property which) {
    const auto* value = gsasl_property_fast(session, which);
    return value != nullptr ? value : "";
}

}   // namespace

const std::vector<std::string>& local_mechanisms() {
    static const std::vector<std::string> all{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"};
    return all;
}

std::string SaslExchange::choose(const std::vector<std::string>& offered, bool is_private, bool can_bind) {
    constexpr std::array<std::string_view, 5> preferred{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",
                                                        "SCRAM-SHA-1", "PLAIN"};
    for (const auto name : preferred) {
        if (name.ends_with("-PLUS") && !can_bind) continue;
        if (name == "PLAIN" && !is_private) continue;
        if (std::ranges::find(offered, name) != offered.end()) return std::string{name};
    }
    return {};
}

void SaslExchange::Finish::operator()(Gsasl_session* session) const noexcept { gsasl_finish(session); }

SaslExchange::SaslExchange(Role role, const std::string& mechanism, const Credentials& credentials,
                           std::string_view tls_exporter)
    : role_(role), credentials_(credentials), library_(make_library(), gsasl_done) {
    Gsasl_session* session = nullptr;
    const int code = role == Role::client ? gsasl_client_start(library_.get(), mechanism.c_str(), &session)
                                          : gsasl_server_start(library_.get(), mechanism.c_str(), &session);
    if (code != GSASL_OK) return;   // step() says so
    session_.reset(session);
    gsasl_session_hook_set(session, const_cast<Credentials*>(&credentials_));   // NOLINT(*-const-cast): only read
    gsasl_callback_set(library_.get(), say_password);
    gsasl_property_set(session, GSASL_SERVICE, "xmpp");
    gsasl_property_set(session, GSASL_HOSTNAME, credentials.domain.c_str());
    if (role == Role::client) gsasl_property_set(session, GSASL_AUTHID, credentials.user.c_str());
    if (!tls_exporter.empty() && mechanism.ends_with("-PLUS"))
        gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, in_base64(tls_exporter).c_str());
}

/// GNU SASL compares the password; whose it is, is for us to compare.
bool SaslExchange::is_own_name() const {
    const auto name = property(session_.get(), GSASL_AUTHID), other = property(session_.get(), GSASL_AUTHZID);
    const auto bare = credentials_.user + '@' + credentials_.domain;
    return (name == credentials_.user || name == bare) && (other.empty() || other == name || other == bare);
}

SaslExchange::Step SaslExchange::step(std::string_view message) {
    if (!session_) return {};
    const bool begins = std::exchange(is_first_, false) && role_ == Role::client;
    const std::string given{message == "=" ? "" : message};
    char* output = nullptr;
    const int code = gsasl_step64(session_.get(), given.c_str(), &output);
    const std::unique_ptr<char, decltype(&gsasl_free)> owned{output, gsasl_free};
    if (code != GSASL_OK && code != GSASL_NEEDS_MORE) return {};
    const bool is_done = code == GSASL_OK;
    if (is_done && role_ == Role::server && !is_own_name()) return {};
    const bool is_silent = output == nullptr || *output == '\0';
    const char* answer = !is_silent ? output : begins ? "=" : "";   // RFC 6120 §6.4.2
    return {is_done ? Step::State::done : Step::State::onward, answer};
}

}   // namespace tambo::funxmpp
