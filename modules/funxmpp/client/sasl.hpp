// Both ends of a SASL exchange (RFC 5802, 7677, 4616), by GNU SASL.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct Gsasl;
struct Gsasl_session;

namespace tambo::funxmpp {

struct Credentials {
    std::string user, domain, password;
};

/// One attempt. Messages are as they stand in XMPP: base64, or "=" for an empty one.
class SaslExchange {
public:
    struct Step {
        enum class State { onward, done, failed };
        State state = State::failed;
        std::string message = {};
    };

    /// The best of what is offered that is safe here: SCRAM, with the channel bound if `tls_exporter` (RFC 9266) is not
    /// empty; PLAIN only if `is_private`. Empty if there is none.
    static std::string choose(const std::vector<std::string>& offered, bool is_private, bool can_bind);

    enum class Role { client, server };
    SaslExchange(Role role, const std::string& mechanism, const Credentials& credentials,
                 std::string_view tls_exporter = {});
    SaslExchange(const SaslExchange&) = delete;
    SaslExchange& operator=(const SaslExchange&) = delete;

    /// A client begins with an empty message.
    Step step(std::string_view message);

private:
    struct Finish {
        void operator()(Gsasl_session* session) const noexcept;
    };
    bool is_own_name() const;

    const Role role_;
    const Credentials credentials_;
    std::unique_ptr<Gsasl, void (*)(Gsasl*)> library_;
    std::unique_ptr<Gsasl_session, Finish> session_;
    bool is_first_ = true;
};

/// What a server of ours offers, best first.
const std::vector<std::string>& local_mechanisms();

}   // namespace tambo::funxmpp
