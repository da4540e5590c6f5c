#include "settings.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <stdexcept>
#include <sys/stat.h>

#include <ini.h>

namespace tambo::funxmpp {

namespace {

/// What can be wrong with a value; the caller knows where it stands.
struct BadValue : std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::uint64_t number(const std::string& text, std::uint64_t least, std::uint64_t most) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        throw BadValue{"expected a number from " + std::to_string(least) + " to " + std::to_string(most)};
    return value;
}

std::chrono::milliseconds duration(const std::string& text) {
    constexpr std::uint64_t most = 7 * 24 * 3'600;
    static const std::map<std::string, std::uint64_t> units{{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
    const auto digits = text.find_first_not_of("0123456789");
    const auto unit = units.find(digits == std::string::npos ? "" : text.substr(digits));
    if (unit == units.end()) throw BadValue{"expected a duration such as 250ms, 5s, 10m or 2h"};
    return std::chrono::milliseconds{static_cast<std::int64_t>(number(text.substr(0, digits), 0, most) * unit->second)};
}

template <class T>
T one_of(const std::map<std::string, T>& choices, const std::string& text) {
    const auto found = choices.find(text);
    if (found != choices.end()) return found->second;
    std::string all;
    for (const auto& [name, value] : choices) all += (all.empty() ? "" : ", ") + name;
    throw BadValue{"expected one of " + all};
}

bool yes_or_no(const std::string& text) { return one_of<bool>({{"yes", true}, {"no", false}}, text); }

class Reading {
public:
    /// `line`: the first that inih or take() did not like.
    Settings finish(const std::string& file, int line) {
        if (line < 0) throw std::runtime_error{file + ": it can't be read"};
        if (line > 0)
            throw std::runtime_error{file + ':' + std::to_string(line) + ": " +
                                     (fault_.empty() ? "expected key = value" : fault_)};
        if (settings_.login.credentials.user.empty()) throw std::runtime_error{file + ": jid is missing"};
        if (settings_.login.credentials.password.empty()) throw std::runtime_error{file + ": password is missing"};
        if (settings_.outbox_file.empty())
            throw std::runtime_error{file + ": outbox is missing: the file for what waits"};
        auto& target = settings_.target;
        target.name = settings_.login.credentials.domain;
        if (target.host.empty()) target.host = target.name;
        constexpr std::uint16_t tls_port = 5223, plain_port = 5222;
        if (target.port == 0) target.port = target.begins_with_tls ? tls_port : plain_port;
        if (settings_.login.wants_starttls && settings_.login.entry == Entry::direct)
            settings_.login.entry = Entry::compress;
        if (settings_.outbox_file.front() != '/') settings_.outbox_file.insert(0, file.substr(0, file.rfind('/') + 1));
        return std::move(settings_);
    }

    static int take(void* self, const char*, const char* name, const char* value) noexcept {
        return static_cast<Reading*>(self)->take(name, value) ? 1 : 0;
    }

private:
    bool take(const std::string& name, const std::string& value) {
        const auto key = keys_.find(name);
        try {
            if (key == keys_.end()) throw BadValue{"nobody knows this key"};
            key->second(value);
            return true;
        } catch (const BadValue& bad) {
            if (fault_.empty()) fault_ = name + ": " + bad.what();
            return false;
        }
    }

    void set_jid(const std::string& jid) {
        const auto at = jid.find('@');
        if (at == std::string::npos || at == 0 || at + 1 == jid.size() || jid.find('/') != std::string::npos)
            throw BadValue{"expected user@domain"};
        settings_.login.credentials.user = jid.substr(0, at);
        settings_.login.credentials.domain = jid.substr(at + 1);
    }
    void set_tls(const std::string& how) {
        settings_.target.begins_with_tls = how == "direct";
        settings_.login.wants_starttls = how == "starttls";
        settings_.login.may_be_plain = how == "none";
        one_of<int>({{"direct", 0}, {"starttls", 0}, {"none", 0}}, how);
    }
    void set_listen(const std::string& where) {
        const auto colon = where.rfind(':');
        if (colon == std::string::npos) throw BadValue{"expected address:port"};
        settings_.listen_address = where.substr(0, colon);
        if (settings_.listen_address == "[::1]") settings_.listen_address = "::1";
        if (settings_.listen_address != "::1" && !settings_.listen_address.starts_with("127."))
            throw BadValue{"it has to be of this machine (127.0.0.1 or [::1]): clients speak without encryption here"};
        settings_.listen_port = port(where.substr(colon + 1), 0);
    }
    static std::uint16_t port(const std::string& text, std::uint64_t least) {
        constexpr std::uint64_t most = 65'535;
        return static_cast<std::uint16_t>(number(text, least, most));
    }
    static std::chrono::seconds seconds(const std::string& text) {
        const auto time = std::chrono::duration_cast<std::chrono::seconds>(duration(text));
        if (time.count() < 1) throw BadValue{"expected at least 1s"};
        return time;
    }

    using Setter = std::function<void(const std::string&)>;
    std::string fault_;
    Settings settings_;
    const std::map<std::string, Setter> keys_{
        {"jid", [this](const auto& v) { set_jid(v); }},
        {"password", [this](const auto& v) { settings_.login.credentials.password = v; }},
        {"host", [this](const auto& v) { settings_.target.host = v; }},
        {"port", [this](const auto& v) { settings_.target.port = port(v, 1); }},
        {"tls", [this](const auto& v) { set_tls(v); }},
        {"ca", [this](const auto& v) { settings_.target.ca_file = v; }},
        {"insecure", [this](const auto& v) { settings_.target.is_unchecked = yes_or_no(v); }},
        {"wire",
         [this](const auto& v) {
             settings_.login.entry =
                 one_of<Entry>({{"direct", Entry::direct}, {"compress", Entry::compress}, {"xml", Entry::xml}}, v);
         }},
        {"dialect",
         [this](const auto& v) {
             settings_.login.dialect = one_of<Dialect>({{"page", Dialect::page}, {"classic", Dialect::classic}}, v);
         }},
        {"listen", [this](const auto& v) { set_listen(v); }},
        {"outbox", [this](const auto& v) { settings_.outbox_file = v; }},
        {"outbox_stanzas", [this](const auto& v) { settings_.outbox.stanzas = number(v, 1, 1'000'000); }},
        {"outbox_bytes", [this](const auto& v) { settings_.outbox.bytes = number(v, 1'024, std::uint64_t{1} << 32U); }},
        {"retry_base",
         [this](const auto& v) { settings_.back_off.base = std::max(duration(v), BackOff::Duration{1}); }},
        {"retry_max", [this](const auto& v) { settings_.back_off.max = std::max(duration(v), BackOff::Duration{1}); }},
        {"retry_jitter", [this](const auto& v) { settings_.back_off.jitter = duration(v); }},
        {"keepalive", [this](const auto& v) { settings_.keepalive = seconds(v); }},
        {"ack_timeout", [this](const auto& v) { settings_.ack_timeout = seconds(v); }},
    };
};

void refuse_if_others_may_read(const std::string& file) {
    struct stat found{};
    if (::stat(file.c_str(), &found) != 0) throw std::runtime_error{file + ": there is no such file"};
    if ((found.st_mode & 077U) != 0)
        throw std::runtime_error{file + ": others may read or write it, and the password is in it: chmod 600 " + file};
}

}   // namespace

Settings read_settings(const std::string& file) {
    refuse_if_others_may_read(file);
    Reading reading;
    const int line = ini_parse(file.c_str(), Reading::take, &reading);
    return reading.finish(file, line);
}

}   // namespace tambo::funxmpp
