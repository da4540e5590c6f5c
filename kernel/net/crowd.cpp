#include "net/crowd.hpp"

#include <utility>

namespace tambo {

void Crowd::joined() {
    const std::scoped_lock lock{mutex_};
    ++waiting_;
}

void Crowd::admitted(Duration waited, Duration now) {
    const std::scoped_lock lock{mutex_};
    if (waited >= noticeable) begin(now);
    ++admitted_;
    left(now);
}

void Crowd::refused(Duration now) {
    const std::scoped_lock lock{mutex_};
    begin(now);
    ++refused_;
    left(now);
}

void Crowd::gave_up(Duration now) {
    const std::scoped_lock lock{mutex_};
    ++gave_up_;
    left(now);
}

void Crowd::begin(Duration now) {
    if (std::exchange(is_there_, true)) return;
    admitted_ = refused_ = gave_up_ = 0;
    began_ = now;
    log_.warning(
        "many clients come at once: {} wait for TLS; they are let in one after the other, those that resume first "
        "([limits] handshakes, handshakes_waiting); who is in notices little",
        waiting_);
}

void Crowd::left(Duration now) {
    if (--waiting_ != 0 || !std::exchange(is_there_, false)) return;
    log_.info("the crowd is in: {} handshakes in {:.1f} s, {} clients gave up, {} were turned away", admitted_,
              static_cast<double>((now - began_).count()) / 1000, gave_up_, refused_);
}

}   // namespace tambo
