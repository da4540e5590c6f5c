#include "server/crash_note.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace tambo {

constinit thread_local Running on_this_thread [[gnu::tls_model("initial-exec")]];

// --- in a signal handler: only what is async-signal-safe (man 7 signal-safety)

namespace {

/// A line in memory of its own; what does not fit is cut off.
class Line {
public:
    void add(const char* word) noexcept {
        for (; *word != '\0'; ++word) add(*word);
    }
    void add(char c) noexcept {
        if (length_ < sizeof text_ - 1) text_[length_++] = c;
    }
    void add_number(long long number) noexcept {
        char digits[24] = {};
        const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        for (const char* d = digits; d != end; ++d) add(*d);
    }
    bool write_to(int descriptor) noexcept {
        text_[length_++] = '\n';
        return ::write(descriptor, text_, length_) == static_cast<ssize_t>(length_);
    }

private:
    char text_[256];
    std::size_t length_ = 0;
};

void add_signal(Line& line, int signal) noexcept {
    line.add("SIG");
    if (const char* name = ::sigabbrev_np(signal); name != nullptr)
        line.add(name);
    else
        line.add_number(signal);
}

}   // namespace

void CrashNote::write(int signal) const noexcept {
    const int file = file_.load(std::memory_order_relaxed);
    if (file < 0) return;
    const int error = errno;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    Line line;
    line.add_number(now.tv_sec);
    line.add(" died ");
    add_signal(line, signal);
    line.add(' ');
    const char* module = on_this_thread.module;
    if (module == nullptr && on_this_thread.shard < 0) module = suspect_.load(std::memory_order_relaxed);
    line.add(module != nullptr ? module : "-");
    line.add(' ');
    if (on_this_thread.shard >= 0)
        line.add_number(on_this_thread.shard);
    else
        line.add('-');
    line.write_to(file);
    errno = error;
}

// --- stacks

namespace {

constexpr std::size_t signal_stack_bytes = std::size_t{64} << 10;

class SignalStack {
public:
    SignalStack() {
        stack_t there{};
        if (::sigaltstack(nullptr, &there) != 0 || (there.ss_flags & SS_DISABLE) == 0) return;   // somebody else's
        memory_ = std::make_unique_for_overwrite<std::byte[]>(signal_stack_bytes);
        stack_t ours{};
        ours.ss_sp = memory_.get();
        ours.ss_size = signal_stack_bytes;
        if (::sigaltstack(&ours, nullptr) != 0) memory_.reset();
    }
    ~SignalStack() {
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        if (memory_) ::sigaltstack(&none, nullptr);
    }
    SignalStack(const SignalStack&) = delete;
    SignalStack& operator=(const SignalStack&) = delete;

private:
    std::unique_ptr<std::byte[]> memory_;
};

}   // namespace

void use_signal_stack() { thread_local const SignalStack until_the_thread_ends; }

// --- the file

namespace {

constexpr std::size_t most_bytes = std::size_t{64} << 10;

// The end of it, should something have made it large.
std::string read_end(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) return {};
    in.seekg(0, std::ios::end);
    const auto size = static_cast<std::streamoff>(in.tellg());
    in.seekg(std::max<std::streamoff>(0, size - static_cast<std::streamoff>(most_bytes)));
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::string in_words(Duration time) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
    return seconds % 60 == 0 ? fmt::format("{} min", seconds / 60) : fmt::format("{} s", seconds);
}

std::string in_words(const CrashHistory::Event& death) {
    return fmt::format("the last run died by {} in {}{} at {}", death.signal,
                       death.module.empty() ? "the kernel" : "module " + death.module,
                       death.shard.empty() ? "" : " on shard " + death.shard, format_time(death.time));
}

}   // namespace

CrashNotes::CrashNotes(const std::filesystem::path& folder, CrashNote* note, Blame blame, Time now)
    : note_(folder.empty() ? nullptr : note), blame_(blame), now_(now) {
    using enum CrashHistory::Event::Kind;
    if (note_ == nullptr) return;
    file_ = folder / "crash-notes";
    history_ = CrashHistory{read_end(file_)};
    if (const auto* last = history_.last_run()) {
        if (last->kind == died) news_ = in_words(*last);
        if (last->kind == started)
            news_ = fmt::format(
                "the last run, of {}, did not end in order: it was killed (out of memory?) or the machine went down",
                format_time(last->time));
    }
    history_.forget_before(now - blame_.window);
    history_.add({now, started});
    open();
}

CrashNotes::~CrashNotes() {
    if (descriptor_ < 0) return;
    note_->file_ = -1;
    append({std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
            CrashHistory::Event::Kind::stopped});
    ::close(descriptor_);
}

// Written under another name first: a server killed meanwhile must not find half of it.
void CrashNotes::open() {
    const auto half = std::filesystem::path{file_}.concat(".new");
    const auto text = history_.text();
    descriptor_ = ::open(half.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor_ >= 0 && ::write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::rename(half.c_str(), file_.c_str()) == 0) {
        note_->file_ = descriptor_;
        return;
    }
    const auto why = std::generic_category().message(errno);
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    news_ += fmt::format("{}{}: cannot be written: {}; should this run crash, nobody will know which module ran",
                         news_.empty() ? "" : "; ", file_.string(), why);
}

void CrashNotes::append(CrashHistory::Event event) {
    const auto line = to_line(event);
    history_.add(std::move(event));
    if (::write(descriptor_, line.data(), line.size()) < 0) return;   // the disk is full: then it is not remembered
}

std::string CrashNotes::objection(const std::string& module) const {
    const auto count = history_.blamed(module, now_, blame_.window);
    if (blame_.most == 0 || count < blame_.most) return {};
    return fmt::format("it ran at {} crashes within {}", count, in_words(blame_.window));
}

void CrashNotes::suspect(const char* module) noexcept {
    if (note_ != nullptr) note_->suspect_ = module;
}

void CrashNotes::forgive(const std::string& module, Time now) {
    if (descriptor_ >= 0 && history_.blamed(module, now, blame_.window) > 0)
        append({now, CrashHistory::Event::Kind::forgiven, {}, module});
}

}   // namespace tambo
