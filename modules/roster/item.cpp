#include "item.hpp"

#include <algorithm>

namespace tambo::roster {

namespace {

constexpr char layout = 1;

enum Flag : unsigned char { flag_to = 1, flag_from = 2, flag_out = 4, flag_approved = 8 };

unsigned char flags_of(State s) {
    return static_cast<unsigned char>((s.to ? flag_to : 0) | (s.from ? flag_from : 0) | (s.out ? flag_out : 0) |
                                      (s.approved ? flag_approved : 0));
}

void put_number(std::string& out, std::uint64_t n) {
    for (; n >= 0x80; n >>= 7) out.push_back(static_cast<char>((n & 0x7f) | 0x80));
    out.push_back(static_cast<char>(n));
}

void put_text(std::string& out, std::string_view text) {
    put_number(out, text.size());
    out.append(text);
}

// Takes values off the front of a row; once something was missing, everything is.
class Cursor {
public:
    explicit Cursor(std::string_view bytes) : rest_(bytes) {}

    unsigned char byte() {
        if (rest_.empty()) return fail();
        const auto b = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return b;
    }
    std::uint64_t number() {
        std::uint64_t n = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto b = byte();
            n |= static_cast<std::uint64_t>(b & 0x7f) << shift;
            if ((b & 0x80) == 0) return n;
        }
        return fail();
    }
    std::string text() {
        const auto length = number();
        if (length > rest_.size()) {
            fail();
            return {};
        }
        std::string t{rest_.substr(0, length)};
        rest_.remove_prefix(length);
        return t;
    }
    std::size_t left() const { return rest_.size(); }
    bool is_good() const { return good_; }

private:
    unsigned char fail() {
        good_ = false;
        rest_ = {};
        return 0;
    }
    std::string_view rest_;
    bool good_ = true;
};

Result<std::vector<std::string>> read_groups(Element item, std::size_t max_groups) {
    std::vector<std::string> groups;
    for (const Element group : item.children()) {
        if (!group.is("group", ns_roster)) continue;
        const auto name = group.text();
        if (name.empty()) return fail(Condition::not_acceptable, "a group without a name");
        if (name.size() > max_group_bytes) return fail(Condition::not_acceptable, "the group's name is too long");
        if (std::ranges::find(groups, name) != groups.end())
            return fail(Condition::bad_request, "the same group twice");
        if (groups.size() == max_groups) return fail(Condition::not_acceptable, "too many groups");
        groups.emplace_back(name);
    }
    return groups;
}

// §2.3.3: exactly one item, and nothing else.
Result<Element> only_item(Element query) {
    const auto item = query.first();
    if (!item.is("item", ns_roster)) return fail(Condition::bad_request, "a roster set names one item");
    if (item.next()) return fail(Condition::bad_request, "a roster set names one item only");
    return item;
}

}   // namespace

std::string encode(const Item& item) {
    std::string out;
    out.push_back(layout);
    out.push_back(static_cast<char>(flags_of(item.state)));
    put_number(out, item.changed);
    put_text(out, item.name);
    put_number(out, item.groups.size());
    for (const auto& group : item.groups) put_text(out, group);
    return out;
}

std::optional<Item> decode(std::string_view row) {
    Cursor cursor{row};
    if (cursor.byte() != layout) return std::nullopt;
    Item item;
    const auto flags = cursor.byte();
    item.state = {.to = (flags & flag_to) != 0,
                  .from = (flags & flag_from) != 0,
                  .out = (flags & flag_out) != 0,
                  .approved = (flags & flag_approved) != 0};
    item.changed = cursor.number();
    item.name = cursor.text();
    const auto count = cursor.number();
    if (count > cursor.left()) return std::nullopt;   // each group takes a byte at least
    for (std::uint64_t i = 0; i < count; ++i) item.groups.push_back(cursor.text());
    if (!cursor.is_good() || cursor.left() != 0) return std::nullopt;
    return item;
}

bool asks(std::string_view row) noexcept {
    return row.size() > 1 && row[0] == layout && (static_cast<unsigned char>(row[1]) & flag_out) != 0;
}

void write(Writer& query, std::string_view contact, const Item& item) {
    query.element("item").attribute("jid", contact).attribute_if("name", item.name);
    query.attribute("subscription", subscription_name(item.state));
    if (item.state.out) query.attribute("ask", "subscribe");
    if (item.state.approved) query.attribute("approved", "true");
    for (const auto& group : item.groups) query.element("group").text(group).end();
    query.end();
}

void write_removed(Writer& query, std::string_view contact) {
    query.element("item").attribute("jid", contact).attribute("subscription", "remove").end();
}

Result<Wish> read_wish(Element query, std::size_t max_groups) {
    const auto item = only_item(query);
    if (!item) return std::unexpected{item.error()};
    if (item->attribute("jid").empty()) return fail(Condition::bad_request, "an item needs a jid");
    const auto contact = Jid::parse(item->attribute("jid"));
    if (!contact) return std::unexpected{contact.error()};

    Wish wish{.contact = contact->bare(), .removal = item->attribute("subscription") == "remove"};
    if (wish.removal) return wish;
    wish.name = item->attribute("name");
    if (wish.name.size() > max_name_bytes) return fail(Condition::not_acceptable, "the name is too long");
    auto groups = read_groups(*item, max_groups);
    if (!groups) return std::unexpected{groups.error()};
    wish.groups = std::move(*groups);
    return wish;
}

std::optional<std::pair<Jid, Item>> read_exported(Element item, std::size_t max_groups) {
    const auto contact = Jid::parse(item.attribute("jid"));
    const auto subscription = item.attribute("subscription");
    if (!contact || subscription == "remove") return std::nullopt;
    Item kept;
    kept.state.to = subscription == "to" || subscription == "both";
    kept.state.from = subscription == "from" || subscription == "both";
    kept.state.out = item.attribute("ask") == "subscribe" && !kept.state.to;
    const auto approved = item.attribute("approved");
    kept.state.approved = (approved == "true" || approved == "1") && !kept.state.from;
    if (const auto name = item.attribute("name"); name.size() <= max_name_bytes) kept.name = name;
    for (const Element group : item.children()) {
        const auto name = group.text();
        if (!group.is("group", ns_roster) || name.empty() || name.size() > max_group_bytes) continue;
        if (kept.groups.size() == max_groups) break;
        if (std::ranges::find(kept.groups, name) == kept.groups.end()) kept.groups.emplace_back(name);
    }
    return std::pair{contact->bare(), std::move(kept)};
}

}   // namespace tambo::roster
