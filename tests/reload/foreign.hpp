// A library that others wrote: modules use it, and it is there before and after them. It keeps what it is given.
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <string>
#include <system_error>

namespace boost::asio {
class io_context;
}

#define FOREIGN_API __attribute__((visibility("default")))

namespace foreign {

/// Called by ring(), until forget().
FOREIGN_API void on_ring(std::function<void()> f);
FOREIGN_API void ring();
FOREIGN_API void forget();

FOREIGN_API void report(std::error_code code);
FOREIGN_API void report(std::exception_ptr exception);
FOREIGN_API void report(std::string text);
FOREIGN_API std::string reports();   ///< of all three kinds, in words
FOREIGN_API void forget_reports();

/// Something to wait for: it comes with ring().
struct Bell {
    bool await_ready() const noexcept { return false; }
    FOREIGN_API void await_suspend(std::coroutine_handle<> waiter) const;
    void await_resume() const noexcept {}
};

/// A loop of its own, until end_loop().
FOREIGN_API boost::asio::io_context& loop();
FOREIGN_API void end_loop();

}   // namespace foreign
