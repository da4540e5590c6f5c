// For host programs: clients in the same process (man 3 tambo-embed). No descriptor, no TLS, otherwise clients like all
// others.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tambo/export.hpp>
#include <tambo/jid.hpp>
#include <tambo/option.hpp>
#include <tambo/result.hpp>
#include <tambo/stanza.hpp>
#include <tambo/task.hpp>

namespace tambo {

class Server;

/// One end of a pipe whose other end the server takes for a client's connection that needs no TLS: streams, SASL,
/// binding and limits are as on the network. What the server says waits here, up to 64 KB, then in the server, up to
/// [limits] send_queue; who does not read until then is dropped like any other client.
///
/// For one thread at a time, except for close(). May outlive the server; then it is at its end.
class TAMBO_API Pipe {
public:
    Pipe() = default;   ///< closed
    Pipe(Pipe&&) noexcept;
    Pipe& operator=(Pipe&&) noexcept;
    ~Pipe();   ///< closes

    /// Takes as much as there is room for (64 KB) and says how much that was. 0: try again later, unless is_closed().
    std::size_t write(std::string_view bytes);
    /// Waits for room. False if the server closed, or took nothing for so long.
    bool write_all(std::string_view bytes, Duration patience);
    /// All that is there; empty if nothing is.
    std::string read();
    /// Until there is something to read, or nothing will ever come (true); false if neither happened for so long. Never
    /// from a callback or a module: the shard would wait for itself.
    bool wait(Duration patience);
    bool at_end() const;      ///< all is read, and the server closed
    bool is_closed() const;   ///< the server takes nothing any more

    /// `change` is called when there is something to read where nothing was, room where none was, and at the end: on a
    /// shard's thread, so it should be quick, one call at a time, and never again when close() has returned. It may
    /// read and write, and close. At once if there is something already. It must not throw.
    void on_change(std::function<void()> change);
    /// As if the cable were cut (end the stream first, if it shall be polite). Waits for a callback that is running,
    /// unless that is the caller.
    void close();

    class Channel;

private:
    friend class Server;
    explicit Pipe(std::shared_ptr<Channel> channel);
    std::shared_ptr<Channel> channel_;   // shared with the server's end
};

/// A client that is logged in without a password, as whom the program says, which the server believes: it is the same
/// process. Everything else is as for any client: the account has to exist, stanzas have limits, modules see and judge
/// them, other resources and contacts see it come and go.
///
/// Thread-safe. Callbacks come from a shard's thread, one at a time for one client, and never again once the destructor
/// has returned; they should be quick, since a shard waits for them. They may send, and they may destroy the client;
/// they must not block (ready(), the blocking ask(), Server's functions).
class TAMBO_API Client {
public:
    struct Callbacks {
        std::function<void(const Stanza&)> on_stanza{};    ///< what no ask() waited for
        std::function<void(const Stanza&)> on_element{};   ///< other elements on the stream, such as XEP-0198's
        std::function<void(const Jid& full)> on_ready{};
        /// The last one. A stream error's condition and text, "the stream ended", or why there was no login.
        std::function<void(const std::string& why)> on_end{};
    };

    /// Begins to log in; what is sent meanwhile waits. `jid`: bare, or full for a resource of that name (which ends the
    /// session that had it). Throws std::runtime_error if it is no account of this server's domains.
    Client(Server& server, const Jid& jid, Callbacks callbacks);
    Client(Server& server, const Jid& jid);
    ~Client();   ///< ends the stream politely
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Waits for the login: the full JID, or why there is none (item-not-found: no such account).
    Result<Jid> ready(Duration patience = std::chrono::seconds{30});

    /// `from` may be left empty. Done when it is on its way; service-unavailable when the stream has ended,
    /// resource-constraint while too much waits for the server ([limits] send_queue).
    Result<Nothing> send(const Stanza& stanza);
    Result<Nothing> send(std::string_view xml);   ///< well-formed: a stanza, or another element of the stream
    /// RFC 6121 §4: `type` as in presence stanzas, `inner` what shall be in it.
    Result<Nothing> presence(std::string_view type = {}, std::string_view inner = {});
    /// Sends a request (its id is made here) and hears the answer: result or error stanza; an Error when none came.
    void ask(Stanza iq, std::function<void(Result<Stanza>)> answer);
    Result<Stanza> ask(Stanza iq, Duration patience = std::chrono::seconds{30});   ///< waits for it

private:
    class Impl;
    std::shared_ptr<Impl> impl_;   // shared with the callback that is running, which may destroy the client
};

}   // namespace tambo
