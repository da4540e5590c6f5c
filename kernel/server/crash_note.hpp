// Which module ran when the process died, and what follows from that at the next start.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <tambo/server.hpp>

#include "server/crash_history.hpp"

namespace tambo {

/// What runs on this thread, for a signal handler to look at: no lock, no allocation, not even for the thread's first
/// look (initial-exec).
struct Running {
    const char* module = nullptr;   ///< a name that outlives the module (Kernel::lasting_name); null: the kernel
    int shard = -1;                 ///< -1: this is no shard's thread
};
extern constinit thread_local Running on_this_thread [[gnu::tls_model("initial-exec")]];

/// Names the module that runs on this thread, for as long as it is in scope.
class ThreadCrumb {
public:
    explicit ThreadCrumb(const char* module) noexcept : outer_(on_this_thread.module) {
        on_this_thread.module = module;
    }
    ~ThreadCrumb() { on_this_thread.module = outer_; }
    ThreadCrumb(const ThreadCrumb&) = delete;
    ThreadCrumb& operator=(const ThreadCrumb&) = delete;

private:
    const char* outer_;
};

/// Gives one of our own threads a stack for signal handlers, until it ends, unless it has one: whoever has used up the
/// thread's stack is named as well.
void use_signal_stack();

/// The crash notes of a server: the file DATA/crash-notes. Does nothing without a data folder, or if the program writes
/// no notes (Server::Options::crash_note).
class CrashNotes {
public:
    struct Blame {
        unsigned most = 3;   ///< crashes that a module may be blamed for, within `window`; 0: it never stays out
        Duration window = std::chrono::minutes{10};
    };

    /// Reads what earlier runs left, and opens the file for `note`.
    CrashNotes(const std::filesystem::path& folder, CrashNote* note, Blame blame, Time now);
    ~CrashNotes();   ///< this run ends in order
    CrashNotes(const CrashNotes&) = delete;
    CrashNotes& operator=(const CrashNotes&) = delete;

    /// How the last run ended, unless it was in order; or that no notes can be kept. For the log.
    const std::string& news() const noexcept { return news_; }
    /// Why a module should stay out at this start; empty: it may come in.
    std::string objection(const std::string& module) const;
    /// The module in which a shard stands still (its crumb), or null: whoever ends the process for that, does so from
    /// outside, on any thread.
    void suspect(const char* module) noexcept;
    /// An operator brings it back: what it is blamed for does not count any more.
    void forgive(const std::string& module, Time now);

private:
    void open();
    void append(CrashHistory::Event event);

    std::filesystem::path file_;
    CrashNote* note_;
    const Blame blame_;
    const Time now_;
    CrashHistory history_;
    std::string news_;
    int descriptor_ = -1;
};

}   // namespace tambo
