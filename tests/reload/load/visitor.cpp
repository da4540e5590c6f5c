#include "visitor.hpp"

#include <chrono>

namespace load {

Visitor::Visitor(World& world, std::string user, Wire wire, unsigned seed)
    : Client(world, std::move(user), "visit", wire), dice_(seed) {}

tambo::Task<void> Visitor::script() {
    while (!world_.is_ending) {
        auto visiting = visit();
        co_await std::move(visiting);
        auto sleeping = world_.loop.after(std::chrono::milliseconds{dice_() % 20});
        co_await std::move(sleeping);
    }
}

tambo::Task<void> Visitor::visit() {
    auto logging_in = log_in(dice_() % 2 == 0 ? Mechanism::plain : Mechanism::scram);
    co_await std::move(logging_in);
    auto binding = bind();
    co_await std::move(binding);
    if (dice_() % 2 == 0) {
        auto enabling = enable_resumption();
        co_await std::move(enabling);
    }
    if (is_resumable() && dice_() % 2 == 0) {
        auto resuming = resume();
        co_await std::move(resuming);
    }
    auto rosters = ask("get", "<query xmlns='jabber:iq:roster'/>");
    co_await std::move(rosters);
    send("<presence/>");
    auto disco = ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", world_.domain);
    co_await std::move(disco);
    auto setting = ask("set", "<vCard xmlns='vcard-temp'><FN>visitor</FN></vCard>");
    co_await std::move(setting);
    auto pinging = ask("get", "<ping xmlns='urn:xmpp:ping'/>", world_.domain);
    co_await std::move(pinging);
    auto leaving = log_out();
    co_await std::move(leaving);
}

}   // namespace load
