#include "connection.hpp"

#include <array>
#include <netinet/tcp.h>
#include <optional>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

namespace tambo::funxmpp {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

/// How long the network may swallow what was sent before the connection counts as lost; the kernel's own answer is a
/// quarter of an hour.
using UserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
constexpr int patience_with_silence_ms = 30'000;

}   // namespace

struct Connection::Impl : std::enable_shared_from_this<Impl> {
    using Secure = asio::ssl::stream<tcp::socket&>;

    Impl(asio::io_context& context, Target target, Events events)
        : target(std::move(target)), events(std::move(events)), resolver(context), socket(context) {}

    void open() {
        resolver.async_resolve(target.host, std::to_string(target.port),
                               [self = shared_from_this()](error_code error, const tcp::resolver::results_type& found) {
                                   if (error) return self->fail(error);
                                   self->connect(found);
                               });
    }
    void connect(const tcp::resolver::results_type& found) {
        asio::async_connect(socket, found, [self = shared_from_this()](error_code error, const tcp::endpoint&) {
            if (error) return self->fail(error);
            error_code ignored;
            self->socket.set_option(tcp::no_delay{true}, ignored);
            self->socket.set_option(UserTimeout{patience_with_silence_ms}, ignored);
            if (self->target.begins_with_tls) return self->start_tls();
            self->opened();
        });
    }

    void start_tls() {
        namespace ssl = asio::ssl;
        tls_context.emplace(ssl::context::tls_client);
        error_code error;
        tls_context->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
        if (target.is_unchecked)
            tls_context->set_verify_mode(ssl::verify_none, error);
        else if (target.ca_file.empty())
            tls_context->set_default_verify_paths(error);
        else
            tls_context->load_verify_file(target.ca_file, error);
        if (error) return fail(error);
        if (!target.is_unchecked) tls_context->set_verify_mode(ssl::verify_peer, error);
        tls.emplace(socket, *tls_context);
        if (!target.is_unchecked) tls->set_verify_callback(ssl::host_name_verification{target.name}, error);
        static constexpr std::array<unsigned char, 12> protocol{11,  'x', 'm', 'p', 'p', '-',
                                                                'c', 'l', 'i', 'e', 'n', 't'};
        SSL_set_tlsext_host_name(tls->native_handle(), target.name.c_str());
        SSL_set_alpn_protos(tls->native_handle(), protocol.data(), protocol.size());   // XEP-0368
        tls->async_handshake(Secure::client, [self = shared_from_this()](error_code failed) {
            if (failed) return self->fail(failed);
            self->is_secure = true;
            self->opened();
        });
    }

    void opened() {
        if (is_closed) return;
        events.opened();
        if (!is_closed) read();
    }

    void read() {
        const auto came = [self = shared_from_this()](error_code error, std::size_t count) {
            if (self->is_closed) return;
            if (error) return self->fail(error);
            self->events.came({self->input.data(), count});
            // A step to TLS reads by itself.
            if (!self->is_closed && self->is_secure == self->tls.has_value()) self->read();
        };
        if (tls)
            tls->async_read_some(asio::buffer(input), came);
        else
            socket.async_read_some(asio::buffer(input), came);
    }

    void send(std::string_view bytes) {
        if (is_closed) return;
        waiting.append(bytes);
        if (waiting.size() > most_unsent_bytes) return fail(asio::error::make_error_code(asio::error::no_buffer_space));
        if (under_way.empty()) write();
    }
    void write() {
        under_way.swap(waiting);
        if (under_way.empty()) return;
        const auto wrote = [self = shared_from_this()](error_code error, std::size_t) {
            if (self->is_closed) return;
            if (error) return self->fail(error);
            self->under_way.clear();
            self->write();
        };
        if (tls)
            asio::async_write(*tls, asio::buffer(under_way), wrote);
        else
            asio::async_write(socket, asio::buffer(under_way), wrote);
    }

    void fail(error_code error) {
        if (is_closed) return;
        auto why = error.message();
        if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) why = "the connection ended";
        // It may be within a call from the owner, whose state is his own until he returns.
        asio::post(socket.get_executor(), [self = shared_from_this(), why] {
            if (self->is_closed) return;
            self->close();
            self->events.lost(why);
        });
    }
    void close() noexcept {
        is_closed = true;
        error_code ignored;
        resolver.cancel();
        socket.close(ignored);
    }

    const Target target;
    const Events events;
    tcp::resolver resolver;
    tcp::socket socket;
    std::optional<asio::ssl::context> tls_context;
    std::optional<Secure> tls;
    std::array<char, 16384> input;
    std::string waiting, under_way;
    bool is_secure = false, is_closed = false;
};

Connection::Connection(asio::io_context& context, Target target, Events events)
    : impl_(std::make_shared<Impl>(context, std::move(target), std::move(events))) {}
Connection::~Connection() { impl_->close(); }
void Connection::open() { impl_->open(); }
void Connection::start_tls() { impl_->start_tls(); }
void Connection::send(std::string_view bytes) { impl_->send(bytes); }
void Connection::close() noexcept { impl_->close(); }
bool Connection::is_encrypted() const noexcept { return impl_->is_secure; }
std::string Connection::tls_version() const {
    return is_encrypted() ? SSL_get_version(impl_->tls->native_handle()) : "none";
}

std::string Connection::tls_exporter() const {
    if (!is_encrypted() || SSL_version(impl_->tls->native_handle()) != TLS1_3_VERSION) return {};
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    std::array<unsigned char, 32> key{};
    if (SSL_export_keying_material(impl_->tls->native_handle(), key.data(), key.size(), label.data(), label.size(),
                                   nullptr, 0, 0) != 1)
        return {};
    return {key.begin(), key.end()};
}

}   // namespace tambo::funxmpp
