// The Store of a shard: it asks the store thread, and knows which of its writes are kept.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/store_request.hpp"
#include "store/store_service.hpp"

namespace tambo {

StoreService::Front::Front(StoreService& service, Post post)
    : service_(service), line_(std::make_shared<Line>(std::move(post))), alive_(std::make_shared<bool>(true)) {}

StoreService::Front::~Front() {
    line_->close();
    *alive_ = false;
    if (is_wake_due_) service_.wake();
}

void StoreService::Front::send(Weight weight, Job job, Answer answer) {
    const auto number = weight.writes ? ++asked_ : 0;
    auto settle = [this, alive = alive_, number, answer = std::move(answer)](const std::string& error) {
        if (!*alive) return;
        const bool was_accepted = error != overloaded;
        const auto text = error.empty() || !was_accepted || error == no_store ? error : std::string{general_failure};
        if (number > 0) answered(number, was_accepted, text);
        answer(text);
    };
    Request request{std::move(job), line_, std::move(settle), weight.bytes, weight.writes};
    if (service_.offer(request)) {
        if (number > 0) last_accepted_ = number;
        return wake_later();
    }
    line_->post([settled = std::move(request.answer)] { settled(std::string{overloaded}); });
}

// All that the shard does now asks first: waking the thread for each question would make it answer each by itself, with
// two switches between the threads where they share a core. Each front wakes for its own: a shard that hangs must not
// keep the others waiting.
void StoreService::Front::wake_later() {
    if (std::exchange(is_wake_due_, true)) return;
    line_->post([this, alive = alive_] {
        if (!*alive) return;
        is_wake_due_ = false;
        service_.wake();
    });
}

/// Answers come in the order of their numbers, except that a refusal overtakes what was accepted before it.
void StoreService::Front::answered(std::uint64_t number, bool was_accepted, const std::string& error) {
    if (!was_accepted) last_refused_ = number;
    if (was_accepted) settled_ = number;
    if (settled_ >= last_accepted_) settled_ = std::max(settled_, last_refused_);
    if (!error.empty()) {
        last_failed_ = std::max(last_failed_, number);
        last_error_ = error;
    }
    if (!waiting_.empty()) tell_waiting(error.empty() ? 0 : number, error);
}

void StoreService::Front::tell_waiting(std::uint64_t failed, const std::string& error) {
    std::vector<std::pair<Answer, bool>> due;   // called last: a callback may come back here, or end this front
    std::erase_if(waiting_, [&](Waiting& w) {
        const bool has_failed = w.since < failed && failed <= w.until;
        if (!has_failed && w.until > settled_) return false;
        due.emplace_back(std::move(w.then), has_failed);
        return true;
    });
    for (auto& [then, has_failed] : due) then(has_failed ? error : std::string{});
}

void StoreService::Front::when_kept(std::uint64_t since, Answer then) {
    if (last_failed_ > since) return then(last_error_);
    if (settled_ >= asked_) return then({});
    waiting_.push_back({since, asked_, std::move(then)});
}

template <class T, class F>
Later<Result<T>> StoreService::Front::ask(Weight weight, F job) {
    Later<Result<T>> later;
    auto value = std::make_shared<std::optional<T>>();   // written by the store thread, read here after its answer
    send(
        weight, [value, job = std::move(job)](StoreDriver& driver) { value->emplace(job(driver)); },
        [value, state = later.state()](const std::string& error) {
            if (error.empty())
                state->complete(std::move(**value));
            else
                state->complete(fail(Condition::resource_constraint, error));
        });
    return later;
}

Later<Result<std::optional<Bytes>>> StoreService::Front::get(std::string table, std::string owner, std::string key) {
    return ask<std::optional<Bytes>>({false, 0},
                                     [=](StoreDriver& d) { return d.get(Space::items, table, owner, key); });
}

Later<Result<Nothing>> StoreService::Front::put(std::string table, std::string owner, std::string key, Bytes value) {
    check(table, owner);
    const auto bytes = key.size() + value.size();
    return ask<Nothing>({true, bytes}, [table = std::move(table), owner = std::move(owner), key = std::move(key),
                                        value = std::move(value)](StoreDriver& d) {
        d.put(Space::items, table, owner, key, value);
        return Nothing{};
    });
}

Later<Result<Nothing>> StoreService::Front::insert(std::string table, std::string owner, std::string key, Bytes value) {
    check(table, owner);
    Later<Result<Nothing>> later;
    const auto bytes = key.size() + value.size();
    auto is_new = std::make_shared<bool>(false);   // written by the store thread, read here after its answer
    send(
        {true, bytes},
        [is_new, table = std::move(table), owner = std::move(owner), key = std::move(key),
         value = std::move(value)](StoreDriver& d) {
            *is_new = !d.get(Space::items, table, owner, key);
            if (*is_new) d.put(Space::items, table, owner, key, value);
        },
        [is_new, state = later.state()](const std::string& error) {
            if (!error.empty())
                state->complete(fail(Condition::resource_constraint, error));
            else if (!*is_new)
                state->complete(fail(Condition::conflict, "it exists"));
            else
                state->complete(Nothing{});
        });
    return later;
}

Later<Result<Nothing>> StoreService::Front::erase(std::string table, std::string owner, std::string key) {
    return ask<Nothing>({true, 0}, [=](StoreDriver& d) {
        d.erase(Space::items, table, owner, key);
        return Nothing{};
    });
}

Later<Result<Rows>> StoreService::Front::list(std::string table, std::string owner) {
    return ask<Rows>({false, 0}, [=](StoreDriver& d) { return d.list(Space::items, table, owner); });
}

Later<Result<std::vector<std::string>>> StoreService::Front::owners(std::string table, std::string after,
                                                                    std::size_t limit) {
    return ask<std::vector<std::string>>({false, 0},
                                         [=](StoreDriver& d) { return d.owners(Space::items, table, after, limit); });
}

Later<Result<Nothing>> StoreService::Front::erase_owner(std::string owner) {
    return ask<Nothing>({true, 0}, [=](StoreDriver& d) {
        d.erase_owner(owner);
        return Nothing{};
    });
}

namespace {

/// Gives what `job` found, or why it could not.
template <class T>
StoreService::Answer pass_on(const std::shared_ptr<T>& found, std::function<void(Result<T>)> answer) {
    return [found, answer = std::move(answer)](const std::string& error) {
        if (error.empty())
            answer(std::move(*found));
        else
            answer(fail(Condition::resource_constraint, error));
    };
}

StoreService::Front::Loaded load_all(StoreDriver& driver, const std::string& owner) {
    StoreService::Front::Loaded all{driver.load(owner), driver.journal_state(owner), {}, {}};
    for (auto& session : driver.sessions(owner)) {
        auto sent = driver.journal_sent(session.device, session.accepted);
        all.sessions.push_back({std::move(session), std::move(sent)});
    }
    if (all.journal.count > 0) all.held = driver.journal_held(owner);
    return all;
}

}   // namespace

void StoreService::Front::load(std::string owner, std::function<void(Result<Loaded>)> answer) {
    auto loaded = std::make_shared<Loaded>();
    send(
        {false, 0}, [loaded, owner = std::move(owner)](StoreDriver& d) { *loaded = load_all(d, owner); },
        pass_on(loaded, std::move(answer)));
}

void StoreService::Front::journal_read(std::string owner, std::uint64_t after, std::size_t limit,
                                       std::function<void(Result<std::vector<JournalEntry>>)> answer) {
    auto found = std::make_shared<std::vector<JournalEntry>>();
    send(
        {false, 0},
        [found, owner = std::move(owner), after, limit](StoreDriver& d) {
            *found = d.journal_read(owner, after, limit);
        },
        pass_on(found, std::move(answer)));
}

void StoreService::Front::session_owners(std::string after, std::size_t limit,
                                         std::function<void(Result<std::vector<std::string>>)> answer) {
    auto found = std::make_shared<std::vector<std::string>>();
    send(
        {false, 0},
        [found, after = std::move(after), limit](StoreDriver& d) { *found = d.session_owners(after, limit); },
        pass_on(found, std::move(answer)));
}

void StoreService::Front::change(std::size_t bytes, Job job, Answer answer) {
    send({true, bytes}, std::move(job), std::move(answer));
}

void StoreService::Front::put_row(std::string table, std::string owner, std::string key, std::string value) {
    const auto bytes = key.size() + value.size();
    send(
        {true, bytes},
        [table = std::move(table), owner = std::move(owner), key = std::move(key),
         value = std::move(value)](StoreDriver& d) { d.put(Space::resident, table, owner, key, value); },
        [](const std::string&) {});
}

void StoreService::Front::erase_row(std::string table, std::string owner, std::string key) {
    send(
        {true, 0},
        [table = std::move(table), owner = std::move(owner), key = std::move(key)](StoreDriver& d) {
            d.erase(Space::resident, table, owner, key);
        },
        [](const std::string&) {});
}

}   // namespace tambo
