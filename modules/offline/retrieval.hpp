// XEP-0013 (1.2): who wants to choose looks at what waits, takes some of it, and says what may go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/tambo.hpp>

namespace tambo::offline {

inline constexpr std::string_view retrieval_space = "http://jabber.org/protocol/offline";

/// How an entry is called here: in the order of entries also where names are compared as texts (§2.3).
std::string node_of(std::uint64_t sequence);
std::optional<std::uint64_t> sequence_of(std::string_view node);

/// §2.2: the answer to "how many?", as the content of an iq.
std::string number_of_messages(std::uint64_t count);

/// The entries that a wish names to be treated so ("view", "remove"); 0 for one that cannot exist. Nothing if that is
/// no proper wish, or too much of one.
std::optional<std::vector<std::uint64_t>> chosen(const Element& wish, std::string_view action);

/// Whoever asks is the owner; that has been seen to. Everything here reads the journal in pieces.
class Retrieval {
public:
    explicit Retrieval(Host& host) : host_(host) {}

    /// §2.3: the content of the answer.
    Task<Result<std::string>> headers(Jid owner);
    /// §2.4, §2.6: to the device that asks. What waits goes on waiting.
    Task<Result<Nothing>> view(Jid device, std::vector<std::uint64_t> sequences);
    Task<Result<Nothing>> fetch(Jid device);
    /// §2.5, §2.7
    Task<Result<Nothing>> remove(Jid owner, std::vector<std::uint64_t> sequences);
    Task<Result<Nothing>> purge(Jid owner);

private:
    Task<Result<std::vector<JournalEntry>>> read(Jid owner, std::uint64_t after, std::size_t limit);
    Task<Result<std::vector<JournalEntry>>> find(Jid owner, std::vector<std::uint64_t> sequences);
    Later<Result<Nothing>> drop(const Jid& owner, const std::vector<JournalEntry>& entries);
    bool show(const Jid& device, const JournalEntry& entry);
    Task<bool> has_room(Jid device);

    Host& host_;
};

}   // namespace tambo::offline
