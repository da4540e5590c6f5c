#include "player.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <sstream>

#include "client.hpp"
#include "pattern.hpp"

namespace play {

namespace {

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// `5m` and its friends.
std::chrono::milliseconds read_duration(const std::string& text) {
    std::size_t used = 0;
    const auto count = std::stol(text, &used);
    const auto unit = text.substr(used);
    using namespace std::chrono;
    if (unit == "ms") return milliseconds{count};
    if (unit == "s") return seconds{count};
    if (unit == "m") return minutes{count};
    if (unit == "h") return hours{count};
    if (unit == "d") return days{count};
    throw std::runtime_error{"\"" + text + "\" is no duration such as 5m"};
}

std::string cut(const std::string& text, std::string_view prefix) {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string{};
}

/// `connects as romeo/phone with priority 5, no roster`.
struct Entrance {
    std::string user, resource;
    Wishes wishes;

    Entrance(const std::string& who, const std::string& what) : user(lower(who)), resource(lower(who)) {
        auto rest = cut(what, "connects");
        if (const auto with = rest.find(" with "); with != std::string::npos) {
            read_wishes(rest.substr(with + 6));
            rest.resize(with);
        }
        if (const auto as = cut(rest, " as "); !as.empty())
            read_address(as);
        else if (!rest.empty())
            throw std::runtime_error{"what does \"connects" + rest + "\" mean?"};
    }

private:
    void read_address(const std::string& as) {
        const auto slash = as.find('/');
        user = as.substr(0, slash);
        if (slash != std::string::npos) resource = as.substr(slash + 1);
    }
    void read_wishes(const std::string& list) {
        std::istringstream in{list};
        for (std::string wish; std::getline(in, wish, ',');) {
            wish.erase(0, wish.find_first_not_of(' '));
            if (const auto priority = cut(wish, "priority "); !priority.empty())
                wishes.priority = std::stoi(priority);
            else if (wish == "no presence")
                wishes.presence = false;
            else if (wish == "no roster")
                wishes.roster = false;
            else if (wish == "stream management")
                wishes.stream_management = true;
            else
                throw std::runtime_error{"nobody can connect with \"" + wish + "\""};
        }
    }
};

struct Character {
    std::unique_ptr<Client> client;
    Wishes wishes;
    bool has_account = true;
};

class Performance {
public:
    Performance(const Script& script, Stage& stage) : script_(script), stage_(stage) { cast(); }

    void run(const StageHand& stage_hand) {
        for (const auto& line : script_.lines) {
            try {
                play(line);
                if (stage_hand) stage_hand(stage_, line);
            } catch (const Failure&) {
                throw;
            } catch (const std::exception& e) {
                throw Failure{line.number, e.what()};
            }
        }
        curtain();
    }

private:
    /// Who is in the play, and under which address.
    void cast() {
        names_["server"] = Stage::domain;
        for (const auto& line : script_.lines) {
            if (line.who.empty()) continue;
            introduce(line.who, line.what);
            if (const auto friendly = friend_in(line); !friendly.empty()) introduce(friendly, {});
            if (line.what == "has no account") characters_.at(line.who).has_account = false;
        }
        std::vector<std::string> made;
        for (const auto& [name, character] : characters_) {
            const auto& user = character.client->user();
            if (!character.has_account || std::ranges::find(made, user) != made.end()) continue;
            stage_.add_user(user, "secret");
            made.push_back(user);
        }
    }

    void introduce(const std::string& who, const std::string& what) {
        auto& character = characters_[who];
        const bool is_told = what.starts_with("connects as ");
        if (character.client && !is_told) return;
        const Entrance entrance{who, is_told ? what : "connects"};
        character.client = std::make_unique<Client>(entrance.user, entrance.resource, std::string{Stage::domain});
        names_[lower(who)] = entrance.user + '@' + std::string{Stage::domain};
    }

    /// `Juliet and Romeo are friends`: Romeo.
    static std::string friend_in(const Line& line) {
        constexpr std::string_view end = " are friends";
        const auto name = cut(line.what, "and ");
        return name.ends_with(end) ? name.substr(0, name.size() - end.size()) : std::string{};
    }

    /// Each sees the other's presence from now on. Done by devices that are gone again before the play goes on.
    void befriend(Client& one, Client& other) {
        const std::string domain{Stage::domain};
        Client a{one.user(), "stage", domain};
        Client b{other.user(), "stage", domain};
        const Wishes silent{.priority = {}, .presence = false, .roster = false, .stream_management = false};
        a.connect(stage_.connect(), silent);
        b.connect(stage_.connect(), silent);
        const auto says = [&](Client& from, const std::string& what, const Client& to) {
            from.send("<presence type='" + what + "' to='" + to.user() + '@' + domain + "'/>");
            from.sync();
            stage_.settle();
        };
        says(a, "subscribe", b);
        says(b, "subscribed", a);
        says(b, "subscribe", a);
        says(a, "subscribed", b);
        a.disconnect();
        b.disconnect();
        settle();
    }

    void play(const Line& line) {
        if (line.who.empty()) return play_nobody(line);
        auto& character = characters_.at(line.who);
        if (const auto friendly = friend_in(line); !friendly.empty())
            return befriend(*character.client, *characters_.at(friendly).client);
        if (line.what == "has no account" || play_entrance(line, character) || play_exit(line, character)) return;
        auto& client = *character.client;
        const bool is_speech = line.what == "sends" || line.what == "begins to send";
        if (is_speech && client.has_never_connected()) enter(line.who, character);
        if (play_hearing(line, client) || play_speech(line, client)) return;
        throw std::runtime_error{"nobody knows how to \"" + line.what + "\""};
    }

    void play_nobody(const Line& line) {
        if (line.what == "the server has") return;   // was done before the curtain rose
        if (line.what == "the server dies") return restart();
        if (line.what != "time passes") throw std::runtime_error{"who \"" + line.what + "\"?"};
        settle();
        stage_.pass(read_duration(line.text));
        settle();
    }

    /// Nobody is told: who was there finds the cable cut.
    void restart() {
        settle();
        stage_.restart();
        for (auto& [name, character] : characters_) character.client->drop();
    }

    bool play_entrance(const Line& line, Character& character) {
        auto& client = *character.client;
        if (line.what == "connects" || line.what.starts_with("connects ")) {
            character.wishes = Entrance{line.who, line.what}.wishes;
            enter(line.who, character);
        } else if (line.what == "reconnects") {
            leave(line.who, client);
            enter(line.who, character);
        } else if (line.what == "resumes") {
            client.resume(stage_.connect());
            settle();
        } else if (line.what == "cannot resume") {
            client.refused_resumption(stage_.connect());
        } else if (line.what == "opens a stream") {
            client.open(stage_.connect());
        } else if (line.what == "logs in") {
            client.log_in("secret");
        } else if (line.what == "restarts the stream") {
            client.restart();
        } else {
            return false;
        }
        return true;
    }

    bool play_exit(const Line& line, Character& character) {
        auto& client = *character.client;
        if (line.what == "disconnects")
            leave(line.who, client);
        else if (line.what == "drops the connection")
            client.drop();
        else if (line.what == "is disconnected")
            expect_end(client, {});
        else if (const auto condition = cut(line.what, "is disconnected with "); !condition.empty())
            expect_end(client, condition);
        else
            return false;
        settle();
        return true;
    }

    bool play_speech(const Line& line, Client& client) {
        names_["sent"] = std::to_string(client.sent());
        const auto text = expand(line.text, names_);
        if (line.what == "sends")
            client.send(text);
        else if (line.what == "begins to send")
            client.send_part(text, false);
        else if (line.what == "goes on")
            client.send_part(text, true);
        else
            return false;
        settle();
        return true;
    }

    bool play_hearing(const Line& line, Client& client) {
        if (const auto kind = cut(line.what, "ignores "); !kind.empty())
            client.ignore(kind);
        else if (line.what == "receives nothing")
            expect_nothing(line.who, client);
        else if (line.what == "receives")
            expect_in_order(line, client);
        else if (line.what == "receives, in any order")
            expect_in_any_order(line, client);
        else
            return false;
        return true;
    }

    void enter(const std::string& who, Character& character) {
        character.client->connect(stage_.connect(), character.wishes);
        names_[who] = character.client->jid();
        settle();
    }

    void leave(const std::string& who, Client& client) {
        expect_nothing(who, client);
        client.disconnect();
        settle();
    }

    /// Everybody who is there has talked to the server and back, and it has finished what that started.
    void settle() {
        for (auto& [name, character] : characters_) character.client->sync();
        stage_.settle();
    }

    static void expect_end(Client& client, const std::string& condition) {
        client.await_end();
        const auto* error = client.stream_error();
        const auto arrived = error != nullptr ? error->str() : std::string{"no stream error"};
        client.drop();
        if (!condition.empty() && (error == nullptr || error->child(condition) == nullptr))
            throw std::runtime_error{"wanted " + condition + ", got " + arrived};
    }

    void expect_nothing(const std::string& who, Client& client) {
        settle();
        client.sync();
        if (const auto unread = client.unread(); !unread.empty())
            throw std::runtime_error{who + " should have received nothing more, but there is:" + unread};
    }

    void expect_in_order(const Line& line, Client& client) {
        for (const auto& pattern : read_pattern(expand(line.text, names_))) {
            if (pattern.name == "a") {
                expect_ack(pattern, client);
                continue;
            }
            const auto arrived = client.receive();
            if (const auto why = mismatch(pattern, arrived, names_); !why.empty())
                throw std::runtime_error{why + "\n  wanted:\n    " + pattern.str() + "\n  came:\n    " + arrived.str() +
                                         client.unread()};
        }
        client.acknowledge();
    }

    /// XEP-0198 §4: a server may send counts at any time, so the wanted one comes sooner or later.
    void expect_ack(const Node& pattern, Client& client) {
        while (!mismatch(pattern, client.receive_ack(), names_).empty()) {
        }
    }

    void expect_in_any_order(const Line& line, Client& client) {
        auto patterns = read_pattern(expand(line.text, names_));
        while (!patterns.empty()) {
            const auto arrived = client.receive();
            const auto fits =
                std::ranges::find_if(patterns, [&](const Node& p) { return mismatch(p, arrived, names_).empty(); });
            if (fits == patterns.end())
                throw std::runtime_error{"nobody told of this one:\n    " + arrived.str() + client.unread()};
            patterns.erase(fits);
        }
        client.acknowledge();
    }

    void curtain() {
        const auto last = script_.lines.empty() ? 0 : script_.lines.back().number;
        try {
            for (auto& [name, character] : characters_)
                if (character.client->is_connected()) expect_nothing(name, *character.client);
        } catch (const std::exception& e) {
            throw Failure{last, std::string{"when the curtain fell: "} + e.what()};
        }
    }

    const Script& script_;
    Stage& stage_;
    Names names_;
    std::map<std::string, Character> characters_;
};

}   // namespace

std::vector<Setting> settings(const Script& script) {
    std::vector<Setting> all;
    for (const auto& line : script.lines) {
        if (line.what != "the server has") continue;
        const auto close = line.text.find(']');
        const auto equals = line.text.find('=');
        if (!line.text.starts_with('[') || close == std::string::npos || equals == std::string::npos)
            throw Failure{line.number, "expected such as: [module offline] quota = 2"};
        const auto trim = [](std::string text) {
            text.erase(0, text.find_first_not_of(' '));
            text.erase(text.find_last_not_of(' ') + 1);
            return text;
        };
        all.push_back({line.text.substr(1, close - 1), trim(line.text.substr(close + 1, equals - close - 1)),
                       trim(line.text.substr(equals + 1))});
    }
    return all;
}

void perform(const Script& script, Stage& stage, const StageHand& stage_hand) {
    Performance{script, stage}.run(stage_hand);
}

}   // namespace play
