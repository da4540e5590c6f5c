// RFC 6120 §7: resource binding; RFC 3921 §3: the session request that old clients still send.
#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view bind_space = "urn:ietf:params:xml:ns:xmpp-bind";
constexpr std::string_view session_space = "urn:ietf:params:xml:ns:xmpp-session";

Conflict conflict_from(const std::string& word) {
    if (word == "rename") return Conflict::rename;
    return word == "refuse" ? Conflict::refuse : Conflict::replace;
}

class Bind final : public Module {
public:
    void wire(Wiring& w) override {
        w.required();
        w.negotiate<&Bind::advertise, &Bind::bind>(Phase::before_bind, bind_space, 50, this);
        w.negotiate<&Bind::advertise_session, &Bind::too_early>(Phase::before_bind, session_space, 51, this);
        w.iq<&Bind::already_bound>(bind_space, "bind", this);
        w.iq<&Bind::nothing_to_do>(session_space, "session", this);
    }

private:
    void advertise(const StreamInfo&, Writer& features) { features.element("bind", bind_space).end(); }

    void advertise_session(const StreamInfo&, Writer& features) {
        features.element("session", session_space).element("optional").end().end();
    }

    /// A client whose request fails may ask again (§7.7.2); the kernel's deadline bounds its patience.
    Task<void> bind(Handshake& h, Stanza request) {
        if (const auto why = objection(request); !why.empty()) {
            refuse(h, request, Error{Condition::bad_request, std::string{why}});
            co_return;
        }
        const std::string wanted{request.payload().child("resource").text()};
        auto binding = h.bind(wanted, policy_);
        const Result<Jid> bound = co_await binding;
        if (!bound) {
            auto error = bound.error();
            if (error.condition == Condition::jid_malformed) error.condition = Condition::bad_request;   // §7.7.2.1
            refuse(h, request, error);
            co_return;
        }
        auto result = request.result();
        result.set_inner(Writer{}.element("bind", bind_space).element("jid").text(bound->text()).take());
        h.send(result.str());
    }

    /// RFC 3921 §3 puts the session behind the binding.
    Task<void> too_early(Handshake& h, Stanza request) {
        refuse(h, request, Error{Condition::unexpected_request, "bind a resource first"});
        co_return;
    }

    Reply already_bound(Iq&) { return Error{Condition::not_allowed, "this stream has its resource"}; }

    Reply nothing_to_do(Iq& request) {
        if (!request.is_set()) return Error{Condition::bad_request, "a session is established by a set"};
        return Iq::result();
    }

    static std::string_view objection(const Stanza& request) {
        if (request.type() != "set") return "a resource is bound by an iq of type set";
        if (request.id().empty()) return "an iq needs an id";
        if (!request.payload().is("bind", bind_space)) return "expected <bind/>";
        return {};
    }

    static void refuse(Handshake& h, const Stanza& request, const Error& error) {
        if (request.is_request())
            h.send(request.error(error).str());
        else
            h.close(StreamCondition::not_authorized, "nothing but binding is possible here");   // §7.1
    }

    Option<std::string> conflict_{"conflict",
                                  "replace",
                                  "what happens if a resource is in use: replace (the old session ends), rename "
                                  "(the new one gets another name) or refuse",
                                  {"replace", "rename", "refuse"}};
    Conflict policy_ = conflict_from(*conflict_);
};

}   // namespace

TAMBO_MODULE(Bind, "bind", "0.1.0", 1)
