// RFC 6120 §4.3: a stream before it is bound, whatever the client says. No socket: bytes in, bytes out; no modules but
// those of this test.
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "net/connection.hpp"
#include "net/transport.hpp"
#include "one_shard.hpp"
#include "route/account.hpp"

namespace {

using namespace tambo;

/// The peer's side of a transport.
struct Peer {
    std::string says, heard;
    bool is_gone = false;
};

class Tin final : public Transport {
public:
    explicit Tin(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) {}

    Outcome read(std::span<char> into) override {
        if (peer_->says.empty()) return {peer_->is_gone ? State::end : State::nothing, 0};
        const auto count = peer_->says.copy(into.data(), into.size());
        peer_->says.erase(0, count);
        return {State::some, count};
    }
    Outcome write(std::string_view bytes) override {
        peer_->heard += bytes;
        return {State::some, bytes.size()};
    }
    void wait_readable(std::shared_ptr<Connection>) override {}   // the test knows when
    void wait_writable(std::shared_ptr<Connection>) override {}
    void end_output() noexcept override {}
    int descriptor() const noexcept override { return -1; }
    void leave() override {}
    void enter(Connection&) override {}

private:
    const std::shared_ptr<Peer> peer_;   // shared with the test
};

/// Counts tasks that wait in a step.
struct Waiting {
    explicit Waiting(int& count) : count_(count) { ++count_; }
    ~Waiting() { --count_; }
    int& count_;
};

/// Steps of all kinds. What it is asked to do stands in the element.
class Porter final : public Module {
public:
    explicit Porter(int& waiting) : waiting_(waiting) {}

    void wire(Wiring& w) override {
        w.negotiate<&Porter::offer_login, &Porter::log_in>(Phase::before_auth, "urn:test:login", 20, this);
        w.negotiate<&Porter::forget, &Porter::stumble>(Phase::before_auth, "urn:test:stumble", 5, this);
        w.negotiate<&Porter::offer_first, &Porter::fail>(Phase::before_auth, "urn:test:fail", 10, this);
        w.negotiate<&Porter::offer_bind, &Porter::bind>(Phase::before_bind, "urn:test:bind", 1, this);
    }

private:
    void offer_login(const StreamInfo& info, Writer& w) { w.element("login", "urn:test:login").text(info.domain); }
    void offer_first(const StreamInfo&, Writer& w) { w.element("first", "urn:test:fail"); }
    void offer_bind(const StreamInfo& info, Writer& w) { w.element("bind", "urn:test:bind").text(info.account.text()); }
    void forget(const StreamInfo&, Writer& w) {
        w.element("half");
        throw std::runtime_error{"what was it that is offered here?"};
    }

    Task<void> log_in(Handshake& h, Stanza) {
        const Waiting here{waiting_};
        h.send("<who/>");
        auto asking = h.receive();
        const auto answer = co_await std::move(asking);
        h.send("<welcome/>");
        h.authenticated(*Jid::parse(answer.xml().text()));
    }
    Task<void> fail(Handshake& h, Stanza) {
        if (h.failed_attempt()) h.send("<again/>");
        co_return;
    }
    Task<void> stumble(Handshake& h, Stanza) {
        auto asking = h.receive();
        co_await std::move(asking);
        throw std::runtime_error{"stumbled"};
    }
    Task<void> bind(Handshake& h, Stanza wish) {
        const auto element = wish.xml();
        const auto policy = element.attribute("policy");
        auto binding = h.bind(element.text(), policy == "refuse"   ? Conflict::refuse
                                              : policy == "rename" ? Conflict::rename
                                                                   : Conflict::replace);
        const auto bound = co_await std::move(binding);
        h.send(bound ? "<bound>" + std::string{bound->text()} + "</bound>"
                     : "<refused>" + std::string{to_string(bound.error().condition)} + "</refused>");
    }

    int& waiting_;
};

class NegotiationTest : public testing::Test {
protected:
    NegotiationTest() : porter_(house_.make("porter", [this] { return new Porter{waiting_}; })) {
        romeo_ = &house_.account("romeo@localhost");
        porter_.go_live();
        connect();
    }
    ~NegotiationTest() override { porter_.cancel(); }

    void connect() {
        peer_ = std::make_shared<Peer>();
        const auto entrance =
            std::make_shared<const Entrance>(Entrance{.name = "c2s", .may_start_tls = false, .plaintext_auth = true});
        const auto connection =
            std::make_shared<Connection>(house_.shard(), std::make_unique<Tin>(peer_), entrance, "192.0.2.1");
        connection_ = connection;
        house_.shard().turn([&] { connection->open(); });
    }

    /// What the server answers.
    std::string say(std::string_view words) {
        peer_->says += words;
        house_.shard().turn([this] {
            if (const auto connection = connection_.lock()) connection->readable();
        });
        house_.work();
        return std::exchange(peer_->heard, {});
    }
    std::string open(std::string_view attributes = "to='localhost' version='1.0'") {
        return say("<stream:stream " + std::string{attributes} +
                   " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
    }
    /// As romeo, up to the features of the second stream.
    std::string log_in() {
        open();
        say("<login xmlns='urn:test:login'/>");
        say("<me xmlns='urn:test:login'>romeo@localhost</me>");
        return open();
    }
    std::string bind(const std::string& resource, const std::string& policy = "replace") {
        return say("<bind xmlns='urn:test:bind' policy='" + policy + "'>" + resource + "</bind>");
    }

    int waiting_ = 0;
    OneShard house_;
    Instance& porter_;
    LocalAccount* romeo_ = nullptr;
    std::shared_ptr<Peer> peer_;
    std::weak_ptr<Connection> connection_;   // the shard owns it
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
bool is_over(const std::string& answer) { return answer.ends_with("</stream:stream>"); }

TEST_F(NegotiationTest, offers_what_belongs_to_the_phase_by_rank) {
    const auto first = open();
    const auto features = first.substr(first.find("<stream:features>"));
    EXPECT_EQ(features,
              "<stream:features><first xmlns='urn:test:fail'/><login "
              "xmlns='urn:test:login'>localhost</login></stream:features>")
        << "without what threw on the way";
    EXPECT_EQ(porter_.faults(), 1U);

    connect();
    const auto second = log_in();
    EXPECT_TRUE(has(second, "<stream:features><bind xmlns='urn:test:bind'>romeo@localhost</bind></stream:features>"))
        << second;
}

TEST_F(NegotiationTest, refuses_headers_that_it_cannot_answer) {
    const auto refused = [this](const char* attributes, std::string_view condition) {
        connect();
        const auto answer = open(attributes);
        EXPECT_TRUE(has(answer, condition) && has(answer, "<stream:error>") && is_over(answer)) << attributes << answer;
        EXPECT_TRUE(answer.starts_with("<?xml") || answer.starts_with("<stream:stream")) << "§4.9.1.2: header first";
    };
    refused("version='1.0'", "<host-unknown");
    refused("to='verona.lit' version='1.0'", "<host-unknown");
    refused("to='romeo@localhost' version='1.0'", "<improper-addressing");
    refused("to='localhost'", "<unsupported-version");
    refused("to='localhost' version='0.9'", "<unsupported-version");
}

TEST_F(NegotiationTest, keeps_to_the_host_that_the_first_header_named) {
    open();
    say("<login xmlns='urn:test:login'/>");
    say("<me xmlns='urn:test:login'>romeo@localhost</me>");
    EXPECT_TRUE(has(open("to='verona.lit' version='1.0'"), "<host-unknown"));
}

TEST_F(NegotiationTest, gives_all_that_comes_to_the_step_under_way_and_to_nobody_else) {
    open();
    EXPECT_EQ(say("<login xmlns='urn:test:login'/>"), "<who/>");
    EXPECT_EQ(say("<fail xmlns='urn:test:fail'>romeo@localhost</fail>"), "<welcome/>")
        << "the other step was not asked";
    EXPECT_EQ(waiting_, 0);
}

TEST_F(NegotiationTest, ends_the_stream_of_who_sends_stanzas_too_early) {
    for (const auto* early : {"<message to='juliet@localhost'><body>x</body></message>", "<presence/>",
                              "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
                              "<bind xmlns='urn:test:bind'>orchard</bind>", "<nobody xmlns='urn:test:nobody'/>"}) {
        connect();
        open();
        const auto answer = say(early);
        EXPECT_TRUE(has(answer, "<not-authorized") && is_over(answer)) << early << answer;
    }
    connect();
    log_in();
    EXPECT_TRUE(has(say("<login xmlns='urn:test:login'/>"), "<unsupported-stanza-type")) << "that was another phase";
}

TEST_F(NegotiationTest, ends_the_stream_whose_step_throws) {
    open();
    EXPECT_EQ(say("<x xmlns='urn:test:stumble'/>"), "");
    const auto before = porter_.faults();
    const auto answer = say("<y xmlns='urn:test:stumble'/>");
    EXPECT_EQ(porter_.faults(), before + 1);
    EXPECT_TRUE(has(answer, "<internal-server-error") && is_over(answer)) << answer;
}

TEST_F(NegotiationTest, goes_on_when_the_version_whose_step_waits_is_taken_away) {
    open();
    EXPECT_EQ(say("<login xmlns='urn:test:login'/>"), "<who/>");
    porter_.cancel();
    EXPECT_EQ(waiting_, 0);
    EXPECT_EQ(say("<login xmlns='urn:test:login'/>"), "<who/>") << "another try, another step";
    porter_.cancel();
}

TEST_F(NegotiationTest, loses_patience_with_who_fails_too_often) {
    open();
    const auto allowed = house_.kernel().settings.limits.auth_failures;
    for (unsigned i = 1; i < allowed; ++i) ASSERT_EQ(say("<fail xmlns='urn:test:fail'/>"), "<again/>") << i;
    const auto answer = say("<fail xmlns='urn:test:fail'/>");
    EXPECT_TRUE(has(answer, "<policy-violation") && is_over(answer)) << answer;
}

TEST_F(NegotiationTest, ends_the_task_where_it_waits_when_the_client_goes) {
    open();
    say("<login xmlns='urn:test:login'/>");
    EXPECT_EQ(waiting_, 1);
    peer_->is_gone = true;
    say("");
    EXPECT_EQ(waiting_, 0);
    EXPECT_EQ(porter_.holds(), "");
    EXPECT_TRUE(connection_.expired());
}

TEST_F(NegotiationTest, binds_the_resource_that_was_asked_for_or_one_of_its_own) {
    log_in();
    EXPECT_EQ(bind("orchard"), "<bound>romeo@localhost/orchard</bound>");
    ASSERT_NE(romeo_->find("orchard"), nullptr);
    connect();
    log_in();
    const auto answer = bind("");
    EXPECT_TRUE(has(answer, "<bound>romeo@localhost/")) << answer;
    EXPECT_EQ(romeo_->sessions().size(), 2U);
}

TEST_F(NegotiationTest, settles_a_conflict_as_the_policy_says) {
    log_in();
    bind("orchard");
    const auto first = peer_;
    connect();
    log_in();
    EXPECT_EQ(bind("orchard", "refuse"), "<refused>conflict</refused>");
    const auto renamed = bind("orchard", "rename");
    EXPECT_TRUE(has(renamed, "<bound>romeo@localhost/orchard-")) << renamed;
    EXPECT_EQ(romeo_->sessions().size(), 2U);
    connect();
    log_in();
    EXPECT_EQ(bind("orchard", "replace"), "<bound>romeo@localhost/orchard</bound>");
    EXPECT_TRUE(has(first->heard, "<conflict") && is_over(first->heard)) << first->heard;
    EXPECT_EQ(romeo_->sessions().size(), 2U);
}

TEST_F(NegotiationTest, binds_nothing_for_an_account_that_is_gone) {
    log_in();
    romeo_->set_exists(false);
    EXPECT_EQ(bind("orchard"), "<refused>not-authorized</refused>");
}

}   // namespace
