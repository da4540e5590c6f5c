// urn:tambo:ticks:0 as it is written and read. man/ticks.md specifies it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tambo/stanza.hpp>

#include "record.hpp"

namespace tambo::ticks {

// --- between servers (or two accounts of one), never seen by clients

/// XEP-0334 §4: nothing is to be left of it.
bool wants_no_trace(const Stanza& message);
bool forbids_traces(const Element& child) noexcept;

/// In a message: its sender wants to be told what becomes of it.
inline constexpr std::string_view watched_mark = "<watched xmlns='urn:tambo:ticks:0'/>";

/// The id of stanzas with reports: what comes back of one is recognised by it.
inline constexpr std::string_view report_id = "urn:tambo:ticks:0";

/// What a recipient's server tells the sender's: `<tick/>` in a message from the recipient, or from the device that it
/// is about.
struct Report {
    enum class What : std::uint8_t { accepted, delivered, dropped, refused };
    What what = What::accepted;
    std::string id, stable_id;
    Time at{};
    bool operator==(const Report&) const = default;
};
std::string write(const Report& report);
std::optional<Report> read_report(const Element& tick);
Show level_of(Report::What what) noexcept;

/// Enters it. False if it says nothing new.
bool enter(Record& record, const Report& report, const Jid& from);
/// XEP-0333: `from` has seen it. False if that is known.
bool enter_read(Record& record, const Jid& from, Time at);

// --- with clients

/// Which entries a client asks for. Times of zero: not limited.
struct Query {
    std::string id, with;   ///< empty: any
    Time start{}, end{};    ///< when it was sent, both included
    Time since{};           ///< changed then or later
    std::string after;      ///< a Page's `next`
    std::size_t most = 0;
};
/// bad-request, jid-malformed: what RFC 6120 says.
Result<Query> read_query(const Element& ticks, std::size_t most);

/// A part of the records, in their order.
struct Page {
    std::vector<Record> records;
    std::string next;   ///< empty: that was all
};
Page select(std::vector<Record> records, const Query& query);

/// `<ticks/>` with an entry for each, as far as `show` goes.
std::string write(const Page& page, Show show);

}   // namespace tambo::ticks
