// What a local client sent and the server has not yet acknowledged, on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace tambo::funxmpp {

/// A login of a local client, and the session that it has, or will have, at the server.
struct Sitting {
    std::int64_t id = 0;
    std::string resource;
    std::string sm_id;           ///< XEP-0198; empty: no session that could be resumed
    std::uint32_t heard = 0;     ///< the server's h when the oldest stanza of the outbox became the oldest
    std::uint32_t handled = 0;   ///< our h
};

/// One SQLite file. What add() returned from is on the disk; everything else survives the end of the process. Throws
/// std::runtime_error if the disk fails: then nothing may be taken from a client any more.
///
/// The stanzas of a sitting are those that its session was not heard to have, in order: the first of them is number
/// `heard` + 1 of the session.
class Outbox {
public:
    struct Bounds {
        std::uint64_t stanzas = 10'000, bytes = std::uint64_t{32} << 20;
    };
    Outbox(const std::string& file, const Bounds& bounds);
    ~Outbox();
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    Sitting sit_down(const std::string& resource);
    std::vector<Sitting> sittings();   ///< oldest first
    void note(const Sitting& sitting);
    void leave(std::int64_t sitting);   ///< with all that it has here

    /// False if there is no room.
    bool add(std::int64_t sitting, const std::string& stanza);
    /// Before all others: what a new session needs to be told first.
    void add_first(std::int64_t sitting, const std::vector<std::string>& stanzas);
    /// Stanzas behind the first `skipped`, at most `most`.
    std::vector<std::string> read(std::int64_t sitting, std::uint64_t skipped, std::uint64_t most);
    std::uint64_t count(std::int64_t sitting);
    /// The server has the first `count`, and said h = `heard`.
    void acknowledge(Sitting& sitting, std::uint32_t count, std::uint32_t heard);

private:
    class Statement;
    void execute(const char* sql);
    [[noreturn]] void fail(const char* what) const;
    void measure();

    struct Close {
        void operator()(sqlite3* database) const noexcept;
    };
    std::unique_ptr<sqlite3, Close> database_;
    const Bounds bounds_;
    std::uint64_t stanzas_ = 0, bytes_ = 0;
};

}   // namespace tambo::funxmpp
