// XEP-0092 (1.1): which software runs here?
#include <string>
#include <string_view>
#include <sys/utsname.h>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

constexpr std::string_view version_space = "jabber:iq:version";

class Version final : public Module {
public:
    void wire(Wiring& w) override {
        w.iq<&Version::answer>(version_space, "query", this, Scope::server);
        w.feature(version_space);
    }

private:
    Reply answer(Iq& iq) {
        if (!iq.is_get()) return Error{Condition::bad_request, "the version can be asked for, not set"};
        Reply reply;
        reply.element("query", version_space);
        reply.element("name").text("tambo").end();
        reply.element("version").text(host().version()).end();
        if (show_os_) reply.element("os").text(operating_system()).end();
        return reply;
    }

    static std::string operating_system() {
        utsname names{};
        if (::uname(&names) != 0) return "unknown";
        return fmt::format("{} {}", names.sysname, names.release);
    }

    // §5: an attacker can use it, so somebody has to want it.
    Option<bool> show_os_{"show_os", false, "tell everybody who asks which operating system the server runs on"};
};

}   // namespace

TAMBO_MODULE(Version, "version", "0.1.0", 1)
