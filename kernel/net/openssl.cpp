#include "net/openssl.hpp"

#include <cerrno>
#include <cstdint>
#include <new>
#include <sys/socket.h>

#include <fmt/format.h>
#include <openssl/err.h>

namespace tambo::openssl {

namespace {

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool is_temporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int send_bytes(BIO* bio, const char* bytes, std::size_t size, std::size_t* sent) {
    BIO_clear_retry_flags(bio);
    const auto n = ::send(descriptor_of(bio), bytes, size, MSG_NOSIGNAL);
    if (n < 0 && is_temporary(errno)) BIO_set_retry_write(bio);
    *sent = n > 0 ? static_cast<std::size_t>(n) : 0;
    return n > 0 ? 1 : 0;
}

int receive_bytes(BIO* bio, char* into, std::size_t size, std::size_t* received) {
    BIO_clear_retry_flags(bio);
    const auto n = ::recv(descriptor_of(bio), into, size, 0);
    if (n < 0 && is_temporary(errno)) BIO_set_retry_read(bio);
    if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    *received = n > 0 ? static_cast<std::size_t>(n) : 0;
    return n > 0 ? 1 : 0;
}

long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return 0;
}

}   // namespace

std::string take_error() {
    const unsigned long code = ERR_peek_error();
    const char* reason = ERR_reason_error_string(code);
    std::string text = reason ? reason : code != 0 ? fmt::format("OpenSSL error {:x}", code) : "unknown reason";
    ERR_clear_error();
    return text;
}

Method make_socket_method() {
    // No BIO_get_new_index(): it has 127 numbers for the whole process, and nobody looks for this BIO by its type.
    Method method{BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tambo socket")};
    if (!method) throw std::bad_alloc{};
    BIO_meth_set_write_ex(method.get(), send_bytes);
    BIO_meth_set_read_ex(method.get(), receive_bytes);
    BIO_meth_set_ctrl(method.get(), control);
    return method;
}

BIO* make_socket_bio(const BIO_METHOD& method, int descriptor) noexcept {
    BIO* bio = BIO_new(&method);
    if (!bio) return nullptr;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the BIO has room for a pointer; ours is a number and never followed
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
    BIO_set_init(bio, 1);
    return bio;
}

}   // namespace tambo::openssl
