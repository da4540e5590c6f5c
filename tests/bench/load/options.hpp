// What the load generator is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct Options {
    std::string command;   ///< login, register, idle, chat, offline, herd, presence, churn, relay

    std::string host = "127.0.0.1", domain = "localhost";
    std::uint16_t port = 5222;
    bool tls = false;                  ///< STARTTLS, TLS 1.3
    bool funxmpp = false;              ///< FunXMPP with the page from the first byte
    bool management = false;           ///< XEP-0198
    bool roster = false;               ///< ask for it
    bool presence = true;              ///< a session is up when a ping behind its initial presence is answered
    std::string mechanism = "plain";   ///< or scram
    std::string scram_keys;            ///< a file that keeps the clients' keys from run to run

    std::string prefix = "user", password = "pass";   ///< accounts user0, user1 … with passwords pass0, pass1 …
    std::uint32_t first = 0, count = 100;             ///< which of them
    std::uint32_t concurrency = 200;                  ///< logins under way
    double timeout = 120;                             ///< seconds that logins, storing or delivering may take
    std::vector<int> pids;                            ///< of the server: whose CPU time and memory count

    double warm_up = 2, time = 8, drain = 15;                  ///< seconds before the measurement, of it, behind it
    std::string mode = "ping";                                 ///< chat: ping, sat or rate
    std::uint32_t pairs = 50, window = 10, size = 100;         ///< chat; the size is the body's
    double rate = 1000;                                        ///< chat, rate: messages a second
    double every = 0;                                          ///< chat: a line of figures each so many seconds
    std::uint32_t senders = 50, recipients = 200, each = 50;   ///< offline
    std::uint32_t contacts = 20, broadcasts = 20;              ///< presence

    std::string fault;               ///< relay: drop, repeat or swap …
    std::uint32_t fault_every = 0;   ///< … each so many messages
};

/// Ends the program if they make no sense.
Options read_options(int argc, char** argv);

}   // namespace bench
