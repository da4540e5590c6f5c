// funxmpp-proxy: lets a stock XMPP client speak XML to this machine, and FunXMPP to its server (funxmpp-proxy(1)).
#include <csignal>
#include <exception>
#include <iostream>

#include "proxy.hpp"

int main(int count, char** words) {
    using namespace tambo::funxmpp;
    if (count != 2 || words[1][0] == '-') {
        std::cerr << "usage: funxmpp-proxy FILE.ini   (funxmpp-proxy(1) says what stands in it)\n";
        return 2;
    }
    try {
        const auto settings = read_settings(words[1]);
        Proxy{settings}.run();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "funxmpp-proxy: " << error.what() << '\n';
        return 1;
    }
}
