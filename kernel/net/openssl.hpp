// OpenSSL's C types with owners, for kernel/net only.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/ssl.h>

namespace tambo::openssl {

template <auto free>
struct Free {
    template <class T>
    void operator()(T* thing) const noexcept {
        free(thing);
    }
};

using Method = std::unique_ptr<BIO_METHOD, Free<BIO_meth_free>>;
using Ssl = std::unique_ptr<SSL, Free<SSL_free>>;

/// Why the last call failed, for the log. Leaves the thread's queue empty: it is shared by all sessions of a shard.
std::string take_error();

/// A BIO for a socket that somebody else owns. Unlike OpenSSL's own it never raises SIGPIPE (a library must leave
/// signal handlers alone). Throws std::bad_alloc.
Method make_socket_method();
/// Null when out of memory. Does not close the descriptor.
BIO* make_socket_bio(const BIO_METHOD& method, int descriptor) noexcept;

}   // namespace tambo::openssl
