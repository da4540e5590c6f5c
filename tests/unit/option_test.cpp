#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <tambo/option.hpp>
#include <tambo/server.hpp>

#include "module/construction.hpp"
#include "server/options.hpp"

namespace {

using namespace tambo;
using namespace std::chrono_literals;

// Reads one option as a module named roster would.
template <class T>
T read(std::string_view written, T fallback) {
    std::vector<OptionInfo> declared;
    const auto config = Config::parse("[module roster]\nkey = " + std::string{written} + "\n", "tambo.ini");
    const Construction here{nullptr, config, "module roster", declared};
    return *Option<T>{"key", fallback, "what it does"};
}

std::string complaint(const std::function<void()>& act) {
    try {
        act();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "(none)";
}

template <class T>
std::string refusal(std::string_view written) {
    return complaint([&] { read<T>(written, T{}); });
}

TEST(Option, reads_each_type_as_it_is_written) {
    EXPECT_TRUE(read("yes", false) && read("true", false) && read("on", false));
    EXPECT_FALSE(read("no", true) || read("false", true) || read("off", true));
    EXPECT_EQ(read<std::int64_t>("-12", 0), -12);
    EXPECT_EQ(read<Duration>("250ms", {}), 250ms);
    EXPECT_EQ(read<Duration>("5s", {}), 5s);
    EXPECT_EQ(read<Duration>("10m", {}), 10min);
    EXPECT_EQ(read<Duration>("2h", {}), 2h);
    EXPECT_EQ(read<Duration>("7d", {}), 7 * 24h);
    EXPECT_EQ(read<Duration>("0", 1s), 0s);
    EXPECT_EQ(read<Size>("900", {}).bytes, 900U);
    EXPECT_EQ(read<Size>("64K", {}).bytes, 65536U);
    EXPECT_EQ(read<Size>("10M", {}).bytes, 10U << 20);
    EXPECT_EQ(read<Size>("1G", {}).bytes, 1U << 30);
    EXPECT_EQ(read<std::string>("two words", ""), "two words");
    EXPECT_EQ(read<std::string>("", "x"), "");
    EXPECT_EQ(read<List>("a, b c ,d", {}), (List{"a", "b c", "d"}));
    EXPECT_EQ(read<List>("", {"x"}), List{});
    EXPECT_EQ(read<List>("a, b,", {}), (List{"a", "b"}));
}

TEST(Option, refuses_what_is_not_of_its_type_in_one_sentence) {
    EXPECT_EQ(refusal<Duration>("fast"), "tambo.ini:2: [module roster] \"key = fast\": expected a duration such as 5s");
    for (const std::string_view written :
         {"5", "5 s", "-5s", "5S", "s", "", "5sm", "99999999999999999999s", "9999999999999d"})
        EXPECT_NE(refusal<Duration>(written), "(none)") << written;
    EXPECT_EQ(refusal<Size>("big"), "tambo.ini:2: [module roster] \"key = big\": expected a size such as 64K");
    for (const std::string_view written : {"64k", "64KB", "-1", "1.5M", "", "9999999999G"})
        EXPECT_NE(refusal<Size>(written), "(none)") << written;
    EXPECT_EQ(refusal<bool>("maybe"), "tambo.ini:2: [module roster] \"key = maybe\": expected yes or no");
    EXPECT_NE(refusal<bool>("1"), "(none)");
    EXPECT_EQ(refusal<std::int64_t>("ten"),
              "tambo.ini:2: [module roster] \"key = ten\": expected a whole number such as 10");
    for (const std::string_view written : {"1x", "", "1.0", "99999999999999999999"})
        EXPECT_NE(refusal<std::int64_t>(written), "(none)") << written;
    EXPECT_EQ(refusal<List>("a,,b"), "tambo.ini:2: [module roster] \"key = a,,b\": expected a list such as a, b, c");
}

TEST(Option, names_no_file_if_there_was_none) {
    Config config;
    config.set("module roster", "grace", "fast");
    std::vector<OptionInfo> declared;
    const Construction here{nullptr, config, "module roster", declared};
    EXPECT_EQ(complaint([] { Option<Duration>("grace", 5s, "help"); }),
              "[module roster] \"grace = fast\": expected a duration such as 5s");
}

TEST(Option, is_remembered_once_with_its_default_as_the_ini_writes_it) {
    const Config config;
    std::vector<OptionInfo> declared;
    const Construction here{nullptr, config, "module roster", declared};
    for (int shard = 0; shard < 2; ++shard) {
        EXPECT_EQ(*Option<Duration>("grace", 90s, "how long to wait"), 90s);
        EXPECT_EQ(Option<Size>("quota", Size{1 << 20}, "how much")->bytes, 1U << 20);
        EXPECT_EQ(*Option<List>("names", {"a", "b"}, "who"), (List{"a", "b"}));
        EXPECT_TRUE(*Option<bool>("visible", true, "whether"));
    }
    ASSERT_EQ(declared.size(), 4U);
    EXPECT_EQ(declared[0].section, "module roster");
    EXPECT_EQ(declared[0].name, "grace");
    EXPECT_EQ(declared[0].type, "duration");
    EXPECT_EQ(declared[0].fallback, "90s");
    EXPECT_EQ(declared[0].help, "how long to wait");
    EXPECT_EQ(declared[1].fallback, "1M");
    EXPECT_EQ(declared[2].fallback, "a, b");
    EXPECT_EQ(declared[3].fallback, "yes");
}

TEST(Option, cannot_be_made_outside_of_a_construction) {
    EXPECT_THROW((Option<bool>{"visible", true, "whether"}), std::logic_error);
}

// A module says why, the kernel where.
TEST(Option, is_refused_by_its_module_with_file_and_line) {
    std::vector<OptionInfo> declared;
    const auto config = Config::parse("[module sasl]\n\niterations = 0\n", "tambo.ini");
    const Construction here{nullptr, config, "module sasl", declared};
    const Option<std::int64_t> iterations{"iterations", 10, "how many"};
    EXPECT_EQ(complaint([&] { iterations.refuse("expected at least 1"); }),
              "tambo.ini:3: [module sasl] \"iterations = 0\": expected at least 1");
    const Option<std::int64_t> unset{"rounds", 10, "how many"};
    EXPECT_EQ(complaint([&] { unset.refuse("expected at least 11"); }),
              "[module sasl] \"rounds\": expected at least 11");
}

TEST(Option, may_be_a_word_out_of_a_few) {
    const auto read_word = [](std::string_view written) {
        std::vector<OptionInfo> declared;
        const auto config = Config::parse("[module bind]\nconflict = " + std::string{written} + "\n", "tambo.ini");
        const Construction here{nullptr, config, "module bind", declared};
        return *Option<std::string>{"conflict", "replace", "what happens", {"replace", "rename"}};
    };
    EXPECT_EQ(read_word("rename"), "rename");
    EXPECT_EQ(complaint([&] { read_word("renam"); }),
              "tambo.ini:2: [module bind] \"conflict = renam\": expected one of: replace, rename");
}

TEST(Construction, gives_the_outer_one_back_when_it_goes) {
    const Config config;
    std::vector<OptionInfo> declared;
    const Construction outer{nullptr, config, "outer", declared};
    {
        const Construction inner{nullptr, config, "inner", declared};
        EXPECT_EQ(Construction::current().section, "inner");
    }
    EXPECT_EQ(Construction::current().section, "outer");
}

std::vector<std::string> complaints_about(std::string_view text) {
    const std::vector<OptionInfo> declared{{"server", "domain", "list", "", ""},
                                           {"module roster", "grace", "duration", "5s", ""},
                                           {"listener c2s", "port", "number", "5222", ""}};
    return complaints(Config::parse(text, "tambo.ini"), declared, {"module disco", "listener *"});
}

TEST(Complaints, name_unknown_keys_with_the_nearest_known_one) {
    EXPECT_EQ(complaints_about("[module roster]\ngrase = 5s\n[server]\nfrobnicate = 1\n"),
              (std::vector<std::string>{"tambo.ini:2: [module roster] \"grase = 5s\": unknown key; did you mean grace?",
                                        "tambo.ini:4: [server] \"frobnicate = 1\": unknown key"}));
}

TEST(Complaints, name_unknown_sections_with_the_nearest_known_one) {
    EXPECT_EQ(complaints_about("[module rooster]\ngrace = 5s\n\n[servers]\n[listner c2s]\n[weather]\n"),
              (std::vector<std::string>{"tambo.ini:1: [module rooster]: unknown section; did you mean [module roster]?",
                                        "tambo.ini:4: [servers]: unknown section; did you mean [server]?",
                                        "tambo.ini:5: [listner c2s]: unknown section; did you mean [listener c2s]?",
                                        "tambo.ini:6: [weather]: unknown section"}));
}

TEST(Complaints, are_none_about_what_is_known) {
    EXPECT_EQ(complaints_about("[server]\ndomain = x\n[module disco]\n[listener c2s]\nport = 1\n[module absent]\n"),
              std::vector<std::string>{})
        << "a module's section may stay, empty, when the module is not loaded";
    EXPECT_EQ(complaints_about("[listener]\n").size(), 1U) << "a listener has a name";
}

Settings settings(std::string_view text) {
    std::vector<OptionInfo> declared;
    return read_settings(Config::parse(text, "/etc/tambo/tambo.ini"), declared);
}

std::string settings_refusal(std::string_view text) {
    return complaint([&] { settings(text); });
}

TEST(Settings, have_safe_defaults) {
    const auto s = settings("[server]\ndomain = localhost\n");
    EXPECT_EQ(s.server.domains, List{"localhost"});
    EXPECT_EQ(s.server.data, "/var/lib/tambo");
    EXPECT_EQ(s.server.run, "/var/lib/tambo/run");
    EXPECT_EQ(s.server.control, "/var/lib/tambo/run/tambo.sock");
    EXPECT_EQ(s.tls.folder, "/var/lib/tambo/certs");
    EXPECT_EQ(s.limits.stanza_bytes_before_auth, 10240U);
    EXPECT_EQ(s.limits.stanza_bytes, 262144U);
    EXPECT_EQ(s.limits.depth, 64U);
    EXPECT_EQ(s.limits.attributes, 64U);
    EXPECT_EQ(s.limits.negotiation_time, 60s);
    ASSERT_EQ(s.listeners.size(), 2U);
    EXPECT_EQ(s.listeners[0].name, "c2s");
    EXPECT_EQ(s.listeners[0].port, 5222);
    EXPECT_EQ(s.listeners[0].kind, ListenerSettings::Kind::starttls);
    EXPECT_EQ(s.listeners[1].name, "c2s-tls");
    EXPECT_EQ(s.listeners[1].port, 5223);
    EXPECT_EQ(s.listeners[1].kind, ListenerSettings::Kind::tls);
    EXPECT_FALSE(s.listeners[0].plaintext_auth || s.listeners[1].plaintext_auth);
    ASSERT_EQ(s.hosts.size(), 1U);
    EXPECT_TRUE(s.hosts[0].certificate.empty());
    EXPECT_EQ(s.log.level, Level::info);
    EXPECT_EQ(s.http.address, "") << "no HTTP unless it is asked for";
}

TEST(Settings, know_where_http_is_served_however_it_is_written) {
    const auto endpoint = [](const std::string& listen) {
        const auto http = settings("[server]\ndomain = x\n[http]\nlisten = " + listen + "\n").http;
        return http.address + " " + std::to_string(http.port);
    };
    EXPECT_EQ(endpoint("127.0.0.1:5280"), "127.0.0.1 5280");
    EXPECT_EQ(endpoint("5280"), "127.0.0.1 5280") << "without an address: for this machine only";
    EXPECT_EQ(endpoint("[::1]:0"), "::1 0");
    EXPECT_EQ(endpoint("*:80"), "* 80");
    for (const auto* bad :
         {"localhost:80", "::1:80", "[::1]", "127.0.0.1", "127.0.0.1:", ":80", "1.2.3.4:99999", "[]:80"})
        EXPECT_NE(settings_refusal(std::string{"[server]\ndomain = x\n[http]\nlisten = "} + bad)
                      .find("expected an IP address"),
                  std::string::npos)
            << bad;
}

TEST(Settings, are_what_the_ini_says) {
    const auto s = settings(
        "[server]\n"
        "domain = Capulet.LIT\n"
        "data = data\n"
        "control = /run/tambo.sock\n"
        "modules = sasl, bind\n"
        "module_path = ../modules, /usr/lib/tambo\n"
        "[host montague.lit]\n"
        "certificate = m.pem\n"
        "key = m.key\n"
        "[listener c2s]\n"
        "address = [::1]\n"
        "port = 0\n"
        "plaintext_auth = yes\n"
        "[listener secure]\n"
        "kind = tls\n"
        "[limits]\n"
        "stanza_bytes = 1M\n"
        "connections = 0\n"
        "[tls]\n"
        "min_version = 1.3\n"
        "[log]\n"
        "level = debug\n"
        "target = tambo.log\n"
        "format = json\n");
    EXPECT_EQ(s.server.domains, (List{"capulet.lit", "montague.lit"}));
    EXPECT_EQ(s.server.data, "/etc/tambo/data");
    EXPECT_EQ(s.server.run, "/etc/tambo/data/run");
    EXPECT_EQ(s.server.control, "/run/tambo.sock");
    EXPECT_EQ(s.server.modules, (List{"sasl", "bind"}));
    ASSERT_EQ(s.server.module_path.size(), 2U);
    EXPECT_EQ(s.server.module_path[0], "/etc/modules");
    ASSERT_EQ(s.hosts.size(), 2U);
    EXPECT_EQ(s.hosts[1].domain, "montague.lit");
    EXPECT_EQ(s.hosts[1].certificate, "/etc/tambo/m.pem");
    ASSERT_EQ(s.listeners.size(), 2U);
    EXPECT_EQ(s.listeners[0].address, "::1");
    EXPECT_EQ(s.listeners[0].port, 0);
    EXPECT_TRUE(s.listeners[0].plaintext_auth);
    EXPECT_EQ(s.listeners[1].name, "secure");
    EXPECT_EQ(s.listeners[1].port, 5223);
    EXPECT_EQ(s.limits.stanza_bytes, 1U << 20);
    EXPECT_EQ(s.limits.connections, 0U);
    EXPECT_FALSE(s.tls.allow_tls12);
    EXPECT_EQ(s.log.level, Level::debug);
    EXPECT_EQ(s.log.target, "/etc/tambo/tambo.log");
    EXPECT_EQ(s.log.format, LogSettings::Format::json);
}

TEST(Settings, refuse_what_cannot_work) {
    const std::string place = "/etc/tambo/tambo.ini:";
    EXPECT_EQ(settings_refusal(""), "[server] \"domain\": expected at least one domain, such as localhost");
    EXPECT_EQ(settings_refusal("[server]\ndomain = a b\n"),
              place + "2: [server] \"domain = a b\": \"a b\" is no domain: the domain is no valid domain name");
    EXPECT_EQ(settings_refusal("[host a b]\n"),
              place + "1: [host a b]: expected a domain: the domain is no valid domain name");
    EXPECT_EQ(settings_refusal("[host A]\n[host a]\n"),
              place + "2: [host a]: another section is about this domain, too");
    const auto with = [](std::string_view more) { return "[server]\ndomain = x\n" + std::string{more}; };
    EXPECT_EQ(settings_refusal(with("[listener c2s]\nport = 70000\n")),
              place + "4: [listener c2s] \"port = 70000\": expected a whole number from 0 to 65535");
    EXPECT_EQ(settings_refusal(with("[listener c2s]\naddress = localhost\n")),
              place + "4: [listener c2s] \"address = localhost\": expected an IP address such as 127.0.0.1, or *");
    EXPECT_EQ(settings_refusal(with("[listener c2s]\nkind = udp\n")),
              place + "4: [listener c2s] \"kind = udp\": expected one of: starttls, tls, any");
    EXPECT_EQ(settings_refusal(with("[limits]\nstanza_bytes = 1K\n")),
              place + "4: [limits] \"stanza_bytes = 1K\": expected at least 10000");
    EXPECT_EQ(settings_refusal(with("[limits]\nnegotiation_time = 0\n")),
              place + "4: [limits] \"negotiation_time = 0\": expected at least 1s");
    EXPECT_EQ(settings_refusal(with("[tls]\ncertificate = x.pem\n")),
              place + "4: [tls] \"certificate = x.pem\": expected certificate and key, both or none");
    EXPECT_EQ(settings_refusal(with("modules = a, ../b\n")),
              place + "3: [server] \"modules = a, ../b\": \"../b\" is no name; expected a list such as roster, disco");
    EXPECT_EQ(settings_refusal(with("modules = a, b, a\n")),
              place + "3: [server] \"modules = a, b, a\": a is there twice");
    EXPECT_EQ(settings_refusal(with("data =\n")), place + "3: [server] \"data = \": expected a path");
}

// What the shipped ini says of each option, commented out or not: "section/key" to "default – sentence".
std::map<std::string, std::string> described_options() {
    std::map<std::string, std::string> options;
    std::ifstream ini{TAMBO_SOURCE_DIR "/etc/tambo.ini"};
    std::string section;
    for (std::string line; std::getline(ini, line);) {
        std::smatch found;
        if (std::regex_match(line, found, std::regex{R"((?:; )?\[(.*)\])"})) section = found[1];
        if (std::regex_match(line, found, std::regex{R"(; (\w+) =\s*(.*?)\s*– (.*))"}))
            options[section + '/' + found.str(1)] = found.str(2) + " – " + found.str(3);
    }
    return options;
}

std::vector<OptionInfo> kernel_options(const Config& config) {
    std::vector<OptionInfo> declared;
    read_settings(config, declared);
    return declared;
}

TEST(ShippedIni, describes_each_option_of_the_kernel_with_its_true_default) {
    const auto described = described_options();
    for (const auto& option : kernel_options(Config{}.domain("example.org").listen("*", 5222))) {
        const auto found = described.find(option.section + '/' + option.name);
        ASSERT_NE(found, described.end()) << option.section << ' ' << option.name;
        const auto said = option.fallback + " – ";
        EXPECT_TRUE(found->second.starts_with(said)) << found->first << ": " << found->second << ", expected " << said;
        EXPECT_FALSE(option.help.empty());
    }
}

TEST(ShippedIni, has_nothing_in_it_that_the_kernel_complains_about) {
    const auto config = Config::load(TAMBO_SOURCE_DIR "/etc/tambo.ini");
    EXPECT_EQ(complaints(config, kernel_options(config), kernel_sections()), std::vector<std::string>{});
}

}   // namespace
