#include "foreign.hpp"

#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace foreign {

namespace {

std::vector<std::function<void()>> bells;
std::vector<std::error_code> codes;
std::vector<std::exception_ptr> exceptions;
std::vector<std::string> texts;
auto own_loop = std::make_unique<boost::asio::io_context>();

}   // namespace

void on_ring(std::function<void()> f) { bells.push_back(std::move(f)); }

void ring() {
    for (const auto& bell : std::vector{bells}) bell();
}

void forget() { bells.clear(); }

void report(std::error_code code) { codes.push_back(code); }
void report(std::exception_ptr exception) { exceptions.push_back(std::move(exception)); }
void report(std::string text) { texts.push_back(std::move(text)); }

std::string reports() {
    std::string all;
    for (const auto& text : texts) all += text;
    for (const auto& code : codes) all += code.message();
    for (const auto& exception : exceptions) {
        try {
            std::rethrow_exception(exception);
        } catch (const std::exception& e) {
            all += e.what();
        }
    }
    return all;
}

void forget_reports() {
    texts.clear();
    codes.clear();
    exceptions.clear();
}

void Bell::await_suspend(std::coroutine_handle<> waiter) const {
    on_ring([waiter] { waiter.resume(); });
}

boost::asio::io_context& loop() { return *own_loop; }
void end_loop() { own_loop.reset(); }

}   // namespace foreign
