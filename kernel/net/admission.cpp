#include "net/admission.hpp"

#include "net/connection.hpp"
#include "shard/shard.hpp"

namespace tambo {

namespace {

Admission::Limits limits_of(const LimitSettings& settings) {
    return {settings.handshakes, settings.handshakes_waiting, settings.head_start};
}

FigureBoard::Name name(std::string what, std::string help) { return {"kernel", std::move(what), std::move(help)}; }

}   // namespace

Admission::Admission(Shard& shard)
    : shard_(shard),
      limits_(limits_of(shard.kernel.settings.limits)),
      waiting_(shard.kernel.board.gauge(name("handshakes_waiting", "clients that wait for their TLS handshake"),
                                        shard.index)),
      admitted_(shard.kernel.board.counter(name("handshakes_total", "TLS handshakes that were begun"), shard.index)),
      resumed_(shard.kernel.board.counter(name("handshakes_resuming_total", "those among them that came with a ticket"),
                                          shard.index)),
      refused_(shard.kernel.board.counter(
          name("handshakes_refused_total", "clients turned away since too many waited for their TLS handshake"),
          shard.index)),
      gave_up_(shard.kernel.board.counter(
          name("handshakes_abandoned_total", "clients that went away before it was their turn"), shard.index)) {}

void Admission::wait(Connection& connection, Duration came, bool resumes) {
    const Place place{came + (resumes ? Duration::zero() : limits_.head_start), ++last_number_};
    connection.wait_at(place);
    queue_.emplace(place, Guest{&connection, shard_.steady(), resumes});
    waiting_.add(1);
    shard_.kernel.crowd.joined();
    if (queue_.size() > limits_.waiting) turn_away_last();
    schedule();
}

void Admission::leave(Place place) {
    const auto at = queue_.find(place);
    if (at == queue_.end()) return;
    take(at);
    gave_up_.add();
    shard_.kernel.crowd.gave_up(shard_.steady());
}

Admission::Guest Admission::take(Queue::iterator at) {
    const auto guest = at->second;
    guest.connection->wait_at({});
    queue_.erase(at);
    waiting_.add(-1);
    return guest;
}

void Admission::turn_away_last() {
    auto* connection = take(std::prev(queue_.end())).connection;
    refused_.add();
    shard_.kernel.crowd.refused(shard_.steady());
    connection->drop();
}

// Posted, not called: what is ready meanwhile stands before it in the loop.
void Admission::schedule() {
    if (queue_.empty() || std::exchange(is_scheduled_, true)) return;
    shard_.post([this] { work(); });
}

void Admission::work() {
    is_scheduled_ = false;
    for (std::size_t done = 0; done < limits_.in_a_row && !queue_.empty();) {
        const auto first = queue_.begin();
        if (first->second.connection->has_hung_up()) {
            first->second.connection->drop();   // which leaves
            continue;
        }
        const auto guest = take(first);
        admitted_.add();
        if (guest.resumes) resumed_.add();
        shard_.kernel.crowd.admitted(shard_.steady() - guest.since, shard_.steady());
        guest.connection->admitted();
        ++done;
    }
    schedule();
}

}   // namespace tambo
