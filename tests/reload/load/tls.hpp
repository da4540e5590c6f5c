// TLS from the client's side, without a socket: bytes in, bytes out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace load {

/// Takes any certificate. What is said before the handshake is done waits for that.
class Tls {
public:
    Tls();

    /// Appends what has to be sent now.
    void seal(std::string_view plain, std::string& out);
    /// Takes what came; appends what that says and what has to be sent in turn. False: it is over. Throws
    /// std::runtime_error if that is no TLS.
    bool open(std::string_view bytes, std::string& plain, std::string& out);

private:
    bool shake_hands();
    void flush(std::string& out);

    std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
    BIO* from_server_;
    BIO* to_server_;
    std::string waiting_;
};

}   // namespace load
