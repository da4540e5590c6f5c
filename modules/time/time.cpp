// XEP-0202 (2.0): what time is it here?
#include <ctime>
#include <string>
#include <string_view>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view time_space = "urn:xmpp:time";

/// XEP-0082 §3.1: the numeric offset from UTC of the server's time zone, at that moment.
std::string zone(Time moment) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
    std::tm local{};
    if (::localtime_r(&seconds, &local) == nullptr) return "+00:00";
    const long minutes = (local.tm_gmtoff < 0 ? -local.tm_gmtoff : local.tm_gmtoff) / 60;
    return fmt::format("{}{:02}:{:02}", local.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

class EntityTime final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&EntityTime::answer>(time_space, "time", this, Scope::server);
        w.feature(time_space);
    }

private:
    Reply answer(Iq& iq) {
        if (!iq.is_get()) return Error{Condition::bad_request, "the time can be asked for, not set"};
        const auto moment = now();
        Reply reply;
        reply.element("time", time_space);
        reply.element("tzo").text(zone(moment)).end();
        reply.element("utc").text(format_time(moment)).end();
        return reply;
    }
};

}   // namespace

TAMBO_MODULE(EntityTime, "time", "0.1.0", 1)
