// XEP-0077 (2.4): in-band registration, change of password, removal of the own account.
#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view register_space = "jabber:iq:register";
constexpr std::string_view feature_space = "http://jabber.org/features/iq-register";
constexpr std::string_view instructions = "Choose a username and a password.";

/// The answer to somebody who removes the account.
struct Goodbye {
    Jid who;
    Stanza result;
};

class Register final : public Module {
public:
    Register() {
        check_range("iterations", *iterations_, 1, 10'000'000);
        check_range("min_username", *min_username_, 1, *max_username_);
        check_range("max_username", *max_username_, 1, std::int64_t{Jid::max_part_bytes});
        check_range("min_password", *min_password_, 1, *max_password_);
        check_range("max_password", *max_password_, 1, 4096);
        for (const auto& name : *domains_) {
            auto domain = prepare_domain(name);
            if (!domain) throw std::runtime_error{"\"domains\": " + name + " is not a domain: " + domain.error().text};
            open_domains_.push_back(std::move(*domain));
        }
    }

    void wire(Wiring& w) override {
        w.negotiate<&Register::advertise, &Register::before_login>(Phase::before_auth, register_space, 30, this);
        w.iq<&Register::after_login>(register_space, "query", this);
        w.on<&Register::say_goodbye>(Event::removed, this);
        w.feature(register_space);
    }

private:
    // --- before login: making an account (XEP-0077 §3.1.1)

    void advertise(const StreamInfo& info, Writer& features) {
        if (is_open(info)) features.element("register", feature_space).end();
    }

    /// An account's password crosses the stream here: where it may not do so to log in, it may not do so to register.
    bool is_open(const StreamInfo& info) const { return info.may_authenticate && is_open(info.domain); }
    bool is_open(std::string_view domain) const {
        return open_domains_.empty() || std::ranges::find(open_domains_, domain) != open_domains_.end();
    }

    Task<void> before_login(Handshake& h, Stanza request) {
        if (!request.is_request()) {
            h.close(StreamCondition::not_authorized, "log in or register first");
            co_return;
        }
        auto answering = answer_stranger(h, request);
        Reply reply = co_await answering;
        if (reply.is_error()) {
            h.send(request.error(reply.error()).str());
            co_return;
        }
        auto result = request.result();
        result.set_inner(reply.take_inner());
        h.send(result.str());
    }

    Task<Reply> answer_stranger(Handshake& h, const Stanza& request) {
        const Element query = request.payload();
        if (!query.is("query", register_space) || request.id().empty()) co_return Error{Condition::bad_request};
        if (!h.info().may_authenticate)
            co_return Error{Condition::not_authorized, "this stream is not safe enough: start TLS first"};
        if (!is_open(h.info())) co_return Error{Condition::service_unavailable, "registration is closed here"};
        if (request.type() == "get") co_return form();
        if (query.child("remove")) co_return Error{Condition::unexpected_request, "log in to remove your account"};
        auto making =
            make_account(h, std::string{query.child("username").text()}, std::string{query.child("password").text()});
        co_return co_await making;
    }

    Task<Reply> make_account(Handshake& h, std::string username, std::string raw_password) {
        if (username.empty() || raw_password.empty())
            co_return Error{Condition::not_acceptable, "both username and password are needed"};
        const Result<Jid> account = Jid::make(username, h.info().domain);
        if (!account) co_return Error{Condition::jid_malformed, account.error().text};
        if (!fits(account->local(), *min_username_, *max_username_))
            co_return Error{Condition::not_acceptable, "the username is too short or too long"};
        Result<std::string> password = prepare(raw_password);
        if (!password) co_return password.error();
        // §3.1.1: "attempts to register too many times". Each try costs one, or names could be probed without end.
        if (!h.may_register())
            co_return Error{Condition::not_acceptable, "too many registrations from your address; try again later"};

        auto keeping = keep(*account, std::move(*password), /*only_new=*/true);
        const Result<Nothing> kept = co_await keeping;
        if (!kept) co_return kept.error();
        host().account_made(*account);
        log().info("{} was registered from {}", account->text(), h.info().address);
        co_return Iq::result();
    }

    static Reply form() {
        return Iq::result()
            .element("query", register_space)
            .element("instructions")
            .text(instructions)
            .end()
            .element("username")
            .end()
            .element("password")
            .end();
    }

    // --- after login: the own account (§3.2, §3.3)

    Task<Reply> after_login(Iq request) {
        if (!is_about_own_account(request))
            co_return Error{Condition::forbidden, "you can register or remove nobody but yourself"};
        const Jid me = request.from().bare();
        const Element query = request.payload();
        if (request.is_get())
            co_return Iq::result()
                .element("query", register_space)
                .element("registered")
                .end()
                .element("username")
                .text(me.local())
                .end()
                .element("password")
                .end();
        if (query.child("remove")) {
            if (query.child("remove").next() || query.first().name() != "remove")
                co_return Error{Condition::bad_request, "<remove/> has to stand alone"};
            auto removing = remove(std::move(request));
            co_return co_await removing;
        }
        auto changing = change_password(me, std::string{query.child("username").text()},
                                        std::string{query.child("password").text()});
        co_return co_await changing;
    }

    /// Addressed to nobody, to the own bare JID, or to the own server.
    static bool is_about_own_account(const Iq& request) {
        if (request.session() == nullptr) return false;
        return request.is_own() || request.to().text() == request.from().domain();
    }

    Task<Reply> change_password(Jid me, std::string username, std::string raw_password) {
        if (username.empty() || raw_password.empty())
            co_return Error{Condition::bad_request, "both username and password are needed"};
        if (!names(me, username)) co_return Error{Condition::forbidden, "that is not your username"};
        Result<std::string> password = prepare(raw_password);
        if (!password) co_return password.error();
        auto keeping = keep(me, std::move(*password), /*only_new=*/false);
        const Result<Nothing> kept = co_await keeping;
        if (!kept) co_return kept.error();
        log().info("{} changed the password", me.text());
        co_return Iq::result();
    }

    /// §3.2: the result first, then a stream error for every session. So the result leaves when the kernel says that
    /// the credentials are gone for good and is about to end the sessions; afterwards nobody would be there to hear it.
    Task<Reply> remove(Iq request) {
        const Jid me = request.from().bare();
        if (goodbyes_.contains(me)) co_return Error{Condition::conflict, "the account is being removed already"};
        goodbyes_.emplace(me, Goodbye{request.from(), request.Stanza::result()});
        auto removing = host().remove_account(me);
        const Result<Nothing> removed = co_await removing;
        const bool was_said = goodbyes_.erase(me) == 0;
        if (!removed && !was_said) co_return removed.error();
        if (!removed)
            log().warning("{} is removed, but some of its data is still there: {}", me.text(), removed.error().text);
        co_return Reply::none();
    }

    void say_goodbye(Account& account) {
        const auto found = goodbyes_.find(account.jid());
        if (found == goodbyes_.end()) return;
        log().info("{} removed the account", account.jid().text());
        if (auto* session = account.find(found->second.who.resource())) session->send(found->second.result);
        goodbyes_.erase(found);
    }

    // --- both

    Result<std::string> prepare(std::string_view raw_password) const {
        auto password = prepare_password(raw_password);
        if (!password) return fail(Condition::not_acceptable, "the password has characters that are not allowed");
        if (!fits(*password, *min_password_, *max_password_))
            return fail(Condition::not_acceptable, "the password is too short or too long");
        return password;
    }

    Task<Result<Nothing>> keep(Jid account, std::string password, bool only_new) {
        const auto rounds = static_cast<std::uint32_t>(*iterations_);
        auto deriving =
            host().offload([password = std::move(password), rounds] { return derive_credentials(password, rounds); });
        Credentials credentials = co_await deriving;
        if (!only_new && is_leaving(account)) co_return gone();
        AuthProvider* provider = host().auth();
        if (provider == nullptr) co_return fail(Condition::internal_server_error, "no auth plugin is loaded");
        auto setting = provider->set(account, std::move(credentials), only_new);
        Result<Nothing> set = co_await std::move(setting);
        if (!set || only_new || !is_leaving(account)) co_return set;
        // The new keys were waiting behind the removal of the old ones, and came back to life without an account.
        if (provider = host().auth(); provider != nullptr) {
            auto removing = provider->remove(account);
            (void)co_await std::move(removing);
        }
        co_return gone();
    }

    /// Asked about somebody who was logged in a moment ago.
    bool is_leaving(const Jid& bare) const {
        const auto* account = host().find_account(bare);
        return goodbyes_.contains(bare) || account == nullptr || !account->exists();
    }
    static std::unexpected<Error> gone() { return fail(Condition::item_not_found, "the account is removed"); }

    /// The username as the client wrote it, or the whole bare JID, as some do.
    static bool names(const Jid& me, std::string_view username) {
        const auto by_name = Jid::make(username, me.domain());
        if (by_name && *by_name == me) return true;
        const auto by_address = Jid::parse(username);
        return by_address && *by_address == me;
    }

    static bool fits(std::string_view text, std::int64_t least, std::int64_t most) noexcept {
        return std::cmp_less_equal(least, text.size()) && std::cmp_less_equal(text.size(), most);
    }

    static void check_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
        if (value < least || value > most)
            throw std::runtime_error{
                fmt::format("\"{} = {}\": expected a number from {} to {}", name, value, least, most)};
    }

    Option<std::int64_t> iterations_{"iterations", 10000,
                                     "rounds of key derivation for new passwords (RFC 7677: 4096 at least); "
                                     "an account's first PLAIN login costs as many again"};
    Option<std::int64_t> min_username_{"min_username", 1, "shortest username, in bytes"};
    Option<std::int64_t> max_username_{"max_username", 64, "longest username, in bytes"};
    Option<std::int64_t> min_password_{"min_password", 1, "shortest password, in bytes"};
    Option<std::int64_t> max_password_{"max_password", 1024, "longest password, in bytes"};
    Option<List> domains_{"domains", List{}, "hosts on which strangers can register; empty: all of them"};
    List open_domains_;
    std::unordered_map<Jid, Goodbye>
        goodbyes_;   // while the kernel removes; lost in a swap, when the stream error has to do
};

}   // namespace

TAMBO_MODULE(Register, "register", "0.1.0", 1)
