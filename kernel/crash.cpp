#include "crash.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <unistd.h>

namespace crash {

namespace {

constexpr std::array signals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
constexpr std::size_t stack_bytes = std::size_t{64} << 10;

// A handler is given nothing but its signal.
tambo::CrashNote note;
std::array<struct sigaction, signals.size()> before;
std::atomic<pid_t> who_dies{0};

void restore() noexcept {
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before[i], nullptr);
}

// The instruction that failed is about to be tried again, and to fail again: that gives debuggers and sanitizers the
// place and the address. A signal that somebody sent does not come again by itself.
bool comes_again(int signal, const siginfo_t& info) noexcept {
    if (info.si_code <= 0 || signal == SIGSYS || signal == SIGABRT) return false;
    return signal != SIGBUS || info.si_code != BUS_MCEERR_AO;
}

// No second thread may end the process while the first one still writes.
void die(int signal, siginfo_t* info, void*) noexcept {
    pid_t first = 0;
    const pid_t self = ::gettid();
    if (who_dies.compare_exchange_strong(first, self))
        note.write(signal);
    else if (first != self)
        for (;;) ::pause();
    restore();
    if (!comes_again(signal, *info)) ::raise(signal);   // when the handler has returned
}

// Shards bring theirs along; this one is for the thread that loads modules at the start.
void use_signal_stack() {
    static std::array<std::byte, stack_bytes> memory;
    stack_t there{};
    if (::sigaltstack(nullptr, &there) != 0 || (there.ss_flags & SS_DISABLE) == 0) return;   // a sanitizer's
    stack_t ours{};
    ours.ss_sp = memory.data();
    ours.ss_size = memory.size();
    ::sigaltstack(&ours, nullptr);
}

}   // namespace

tambo::CrashNote& note_signals() {
    use_signal_stack();
    struct sigaction ours{};
    ours.sa_sigaction = die;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigfillset(&ours.sa_mask);   // a fault inside the handler ends the process as if there were none
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &ours, &before[i]);
    return note;
}

}   // namespace crash
