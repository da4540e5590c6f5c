#include "protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include <tambo/bytes.hpp>

#include "../shared/message.hpp"

namespace tambo::ticks {

namespace {

using What = Report::What;

constexpr std::array<std::string_view, 4> names{"accepted", "delivered", "dropped", "refused"};

void write_time(Writer& w, std::string_view name, Time time) {
    if (time != Time{}) w.attribute(name, format_time(time));
}

void write(Writer& w, const Record& record, Show show) {
    w.element("entry").attribute("id", record.id).attribute("with", record.with);
    w.attribute_if("stable-id", record.stable_id);
    write_time(w, "sent", record.sent);
    if (show >= Show::accepted) {
        write_time(w, "accepted", record.accepted);
        if (record.failure != Failure::none) write_time(w, name_of(record.failure), record.failed);
    }
    for (const auto& device : record.devices) {
        const auto delivered = show >= Show::delivered ? device.delivered : Time{};
        const auto read = show >= Show::read ? device.read : Time{};
        if (delivered == Time{} && read == Time{}) continue;
        w.element("device").attribute("jid", device.jid);
        write_time(w, "delivered", delivered);
        write_time(w, "read", read);
        w.end();
    }
    w.end();
}

/// In the order of records: time, then key. Opaque to clients.
std::string cursor_of(const Record& record) {
    return base64(fmt::format("{} {}", count(record.sent), key_of(record.with, record.id)));
}

using Place = std::pair<Time, std::string>;

std::optional<Place> place_of(std::string_view cursor) {
    const auto text = from_base64(cursor);
    if (!text) return std::nullopt;
    std::int64_t milliseconds = 0;
    const auto [at, error] = std::from_chars(text->data(), text->data() + text->size(), milliseconds);
    if (error != std::errc{} || at == text->data() + text->size() || *at != ' ') return std::nullopt;
    return Place{moment(milliseconds), std::string{at + 1, text->data() + text->size()}};
}

Result<Time> read_time(const Element& query, std::string_view name) {
    if (!query.has_attribute(name)) return Time{};
    if (const auto time = parse_time(query.attribute(name))) return *time;
    return fail(Condition::bad_request, fmt::format("\"{}\" is no time (XEP-0082)", name));
}

Result<std::size_t> read_most(const Element& query, std::size_t most) {
    const auto digits = query.attribute("max");
    if (!query.has_attribute("max")) return most;
    std::size_t wanted = 0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), wanted);
    if (error != std::errc{} || at != digits.data() + digits.size() || wanted == 0)
        return fail(Condition::bad_request, "\"max\" is a number from 1 on");
    return std::min(wanted, most);
}

}   // namespace

bool forbids_traces(const Element& child) noexcept {
    return child.space() == shared::hints_space && (child.name() == "no-store" || child.name() == "no-permanent-store");
}

bool wants_no_trace(const Stanza& message) {
    if (!message.xml().child_in(shared::hints_space)) return false;
    for (const auto child : message.xml().children())
        if (forbids_traces(child)) return true;
    return false;
}

std::string write(const Report& report) {
    return Writer{}
        .element("tick", ticks_space)
        .attribute("id", report.id)
        .attribute("stable-id", report.stable_id)
        .attribute("state", names.at(static_cast<std::size_t>(report.what)))
        .attribute("at", format_time(report.at))
        .take();
}

std::optional<Report> read_report(const Element& tick) {
    const auto state = std::ranges::find(names, tick.attribute("state"));
    const auto at = parse_time(tick.attribute("at"));
    const auto id = tick.attribute("id"), stable_id = tick.attribute("stable-id");
    if (state == names.end() || !at || id.empty() || id.size() > max_id_bytes || stable_id.size() > max_id_bytes)
        return std::nullopt;
    return Report{static_cast<What>(state - names.begin()), std::string{id}, std::string{stable_id}, *at};
}

Show level_of(What what) noexcept { return what == What::delivered ? Show::delivered : Show::accepted; }

bool enter(Record& record, const Report& report, const Jid& from) {
    const auto before = record;
    if (record.stable_id.empty()) record.stable_id = report.stable_id;
    if (report.what == What::delivered) {
        auto* device = record.device(from.text());
        if (device != nullptr && device->delivered == Time{}) device->delivered = report.at;
        record.failure = Failure::none;   // one device let it expire, another one had it
        record.failed = {};
    } else if (report.what == What::accepted) {
        if (record.accepted == Time{}) record.accepted = report.at;
    } else if (record.devices.empty()) {
        record.failure = report.what == What::dropped ? Failure::dropped : Failure::refused;
        record.failed = report.at;
    }
    return record != before;
}

bool enter_read(Record& record, const Jid& from, Time at) {
    auto* device = record.device(from.text());
    if (device == nullptr || device->read != Time{}) return false;
    device->read = at;
    return true;
}

Result<Query> read_query(const Element& ticks, std::size_t most) {
    Query query{.id = std::string{ticks.attribute("id")}, .with = {}, .after = std::string{ticks.attribute("after")}};
    if (ticks.has_attribute("with")) {
        const auto with = Jid::parse(ticks.attribute("with"));
        if (!with) return std::unexpected{with.error()};
        query.with = with->bare_text();
    }
    for (const auto& [name, time] : {std::pair{"start", &query.start}, {"end", &query.end}, {"since", &query.since}}) {
        const auto read = read_time(ticks, name);
        if (!read) return std::unexpected{read.error()};
        *time = *read;
    }
    if (!query.after.empty() && !place_of(query.after))
        return fail(Condition::item_not_found, "\"after\" is what an earlier answer had as \"next\"");
    const auto wanted = read_most(ticks, most);
    if (!wanted) return std::unexpected{wanted.error()};
    query.most = *wanted;
    return query;
}

Page select(std::vector<Record> records, const Query& query) {
    const auto after = query.after.empty() ? std::nullopt : place_of(query.after);
    std::erase_if(records, [&](const Record& r) {
        if (!query.id.empty() && r.id != query.id) return true;
        if (!query.with.empty() && r.with != query.with) return true;
        if (r.sent < query.start || (query.end != Time{} && r.sent > query.end)) return true;
        return r.changed() < query.since || (after && Place{r.sent, key_of(r.with, r.id)} <= *after);
    });
    Page page{std::move(records), {}};
    if (page.records.size() > query.most) {
        page.records.resize(query.most);
        page.next = cursor_of(page.records.back());
    }
    return page;
}

std::string write(const Page& page, Show show) {
    Writer w;
    w.element("ticks", ticks_space).attribute_if("next", page.next);
    for (const auto& record : page.records) write(w, record, show);
    return w.take();
}

}   // namespace tambo::ticks
