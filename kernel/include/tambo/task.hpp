// Work that waits: coroutines on a shard.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include <tambo/export.hpp>

namespace tambo {

namespace detail {
/// Whose code runs on this thread: a mark that only the kernel can read; null outside of modules.
TAMBO_API void* running() noexcept;
/// Goes on with a coroutine in the name of `whose`, so that what it does (and breaks) is put down to that module.
TAMBO_API void go_on(void* whose, std::coroutine_handle<> waiter);
}   // namespace detail

/// What the kernel will know later. `co_await` gives the value, on the shard that asked.
///
/// The kernel completes it exactly once; if the waiting coroutine was destroyed meanwhile, nothing happens. Not
/// thread-safe: completion is always brought to the shard first.
template <class T>
class Later {
public:
    struct State {
        std::optional<T> value;
        std::coroutine_handle<> waiter;
        void* whose = nullptr;   ///< the waiter
        void complete(T v) {
            value.emplace(std::move(v));
            if (auto w = std::exchange(waiter, {})) detail::go_on(whose, w);
        }
    };

    Later() : state_(std::make_shared<State>()) {}
    explicit Later(T ready) : Later() { state_->value.emplace(std::move(ready)); }
    Later(Later&&) noexcept = default;
    Later& operator=(Later&&) noexcept = default;
    ~Later() {
        if (state_) state_->waiter = {};
    }

    /// Shared with the kernel, which completes it while the asking side may be gone.
    const std::shared_ptr<State>& state() const noexcept { return state_; }

    bool await_ready() const noexcept { return state_->value.has_value(); }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        state_->waiter = h;
        state_->whose = detail::running();
    }
    T await_resume() { return std::move(*state_->value); }

private:
    std::shared_ptr<State> state_;
};

struct Nothing {};   ///< the value of a Later that only says "done"

/// A coroutine that gives a T. Starts when it is awaited or spawned; destroying it destroys the frame where it waits.
template <class T = void>
class [[nodiscard]] Task {
    struct Final {
        bool await_ready() noexcept { return false; }
        template <class P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
            auto after = h.promise().continuation;
            return after ? after : std::noop_coroutine();
        }
        void await_resume() noexcept {}
    };
    struct PromiseBase {
        std::coroutine_handle<> continuation;
        std::exception_ptr failure;
        std::suspend_always initial_suspend() noexcept { return {}; }
        Final final_suspend() noexcept { return {}; }
        void unhandled_exception() noexcept { failure = std::current_exception(); }
    };
    struct ValuePromise : PromiseBase {
        std::optional<T> value;
        Task get_return_object() { return Task{std::coroutine_handle<ValuePromise>::from_promise(*this)}; }
        template <class U>
        void return_value(U&& u) {
            value.emplace(std::forward<U>(u));
        }
        T result() {
            if (this->failure) std::rethrow_exception(std::exchange(this->failure, {}));
            return std::move(*value);
        }
    };

public:
    using promise_type = ValuePromise;
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) noexcept {
        handle_.promise().continuation = h;
        return handle_;
    }
    T await_resume() { return handle_.promise().result(); }

private:
    explicit Task(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    std::coroutine_handle<promise_type> handle_;
};

template <>
class [[nodiscard]] Task<void> {
    struct Promise;
    struct Final {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept {
            auto after = h.promise().continuation;
            return after ? after : std::noop_coroutine();
        }
        void await_resume() noexcept {}
    };
    struct Promise {
        std::coroutine_handle<> continuation;
        std::exception_ptr failure;
        std::suspend_always initial_suspend() noexcept { return {}; }
        Final final_suspend() noexcept { return {}; }
        void unhandled_exception() noexcept { failure = std::current_exception(); }
        Task get_return_object() { return Task{std::coroutine_handle<Promise>::from_promise(*this)}; }
        void return_void() noexcept {}
    };

public:
    using promise_type = Promise;
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) noexcept {
        handle_.promise().continuation = h;
        return handle_;
    }
    void await_resume() {
        if (handle_.promise().failure) std::rethrow_exception(std::exchange(handle_.promise().failure, {}));
    }

private:
    explicit Task(std::coroutine_handle<Promise> h) noexcept : handle_(h) {}
    std::coroutine_handle<Promise> handle_;
};

}   // namespace tambo
