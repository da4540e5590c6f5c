// XEP-0049 (1.2): XML that a user's clients keep on the server, for nobody but themselves.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view private_space = "jabber:iq:private";

/// What the row of an element is called. A space is in no element's name, so no two elements share a key.
std::string key_of(Element element) { return std::string{element.name()}.append(" ").append(element.space()); }

/// An element that says nothing: what a client gets where nothing is kept, and what it sends to have something
/// forgotten.
bool is_empty(Element element) {
    const auto& nodes = element.tape()->nodes;
    const auto first = nodes.begin() + element.index();
    return std::all_of(first + 1, nodes.begin() + first->next,
                       [](const Tape::Node& node) { return node.kind == Tape::Kind::declaration; });
}

class Private final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Private::answer>(private_space, "query", this, Scope::account);
        w.on<&Private::write_out>(Event::exported, this);
        w.on<&Private::read_in>(Event::imported, this);
        w.keeps("private", "what clients keep for themselves (XEP-0049)");
        w.feature(private_space, Scope::both);
    }

private:
    Reply answer(Iq& iq) {
        // §2.3 lets a server choose; this is also the answer for an account that does not exist.
        if (!iq.is_own()) return Error{Condition::service_unavailable, "this belongs to somebody else"};
        const auto element = iq.payload().first();
        if (!element && iq.is_get()) return Error{Condition::bad_request, "say which element is wanted"};
        if (!element || element.next()) return Error{Condition::not_acceptable, "one element at a time"};
        if (element.space() == private_space)
            return Error{Condition::not_acceptable, "the element needs a namespace of its own"};
        return iq.is_get() ? get(*iq.account(), element) : set(*iq.account(), element);
    }

    Reply get(const Account& account, Element wanted) const {
        Writer query;
        query.element("query", private_space);
        if (const auto* kept = rows_.get(account, key_of(wanted)))
            query.raw(*kept);
        else
            query.element(wanted.name(), wanted.space());
        return Reply{}.raw(query.take());
    }

    Reply set(Account& account, Element element) const {
        const auto key = key_of(element);
        if (is_empty(element)) {
            rows_.erase(account, key);
            return {};
        }
        auto xml = element.standalone();
        if (!has_room(account, key, xml))
            return Error{Condition::resource_constraint, "there is no room for that beside what is kept already"};
        rows_.put(account, key, std::move(xml));
        return {};
    }

    bool has_room(const Account& account, std::string_view key, std::string_view xml) const {
        std::int64_t count = 1;
        std::uint64_t bytes = key.size() + xml.size();
        rows_.each(account, [&](std::string_view other, const std::string& kept) {
            if (other == key) return;
            ++count;
            bytes += other.size() + kept.size();
        });
        return count <= *max_items_ && bytes <= max_bytes_->bytes;
    }

    // --- XEP-0227 §4.5

    void write_out(Account& account, Stanza& user) const {
        Writer query;
        query.element("query", private_space);
        bool is_anything_kept = false;
        rows_.each(account, [&](std::string_view, const std::string& xml) {
            query.raw(xml);
            is_anything_kept = true;
        });
        if (is_anything_kept) user.append(query.take());
    }

    void read_in(Account& account, Stanza& user) const {
        const auto query = user.child("query", private_space);
        if (!query) return;
        std::vector<std::string> old;
        rows_.each(account, [&](std::string_view key, const std::string&) { old.emplace_back(key); });
        for (const auto& key : old) rows_.erase(account, key);
        for (const auto element : query.children()) rows_.put(account, key_of(element), element.standalone());
        user.remove(query);
    }

    Option<std::int64_t> max_items_{"max_items", 100, "elements that one user may keep"};
    Option<Size> max_bytes_{"max_bytes", Size{std::uint64_t{128} << 10}, "bytes that all of them may have together"};
    Table rows_{"private"};   ///< name and namespace → element, as XML
};

}   // namespace

TAMBO_MODULE(Private, "private", "0.1.0", 1)
