// Rules that keep a module unloadable (man 7 tambo-modules), and what each of them is good for: beside a module that
// keeps the rule and leaves memory stands one that breaks it, and stays, or ends the server.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <tambo/server.hpp>

#include "foreign.hpp"
#include "stage.hpp"

namespace {

namespace fs = std::filesystem;

const fs::path here{TAMBO_BINARY_DIR "/unloadable"};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

bool is_mapped(const std::string& part) {
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);)
        if (has(line, part)) return true;
    return false;
}

/// A server in which nothing runs but what is to be tried.
class Kernel {
public:
    Kernel() : stage_(play::in_process({{"ping"}, {}, {here}, 1})) {}

    tambo::SwapReport load(const std::string& module) { return stage_->server()->load(module); }
    /// True if its image is gone from memory.
    bool comes_and_goes(const std::string& module) {
        const auto loaded = load(module);
        EXPECT_TRUE(loaded.done) << loaded.reason;
        stage_->settle();
        stage_->server()->unload(module);
        return !is_mapped("/" + module + ".");
    }
    void pass(std::chrono::milliseconds time) { stage_->pass(time); }

private:
    std::unique_ptr<play::Stage> stage_;
};

/// For a process of its own, which is to end in that.
template <class Deed>
[[noreturn]] void after_it_left(const std::string& module, Deed deed) {
    Kernel kernel;
    if (!kernel.comes_and_goes(module)) std::_Exit(1);
    std::fputs("it has left\n", stderr);
    deed();
    std::_Exit(0);
}

/// What contrib/lint-module says of it.
std::string lint(const std::string& module) {
    const auto command = TAMBO_SOURCE_DIR "/contrib/lint-module " + (here / (module + ".so")).string() + " 2>&1";
    const std::unique_ptr<FILE, int (*)(FILE*)> said{::popen(command.c_str(), "r"), ::pclose};
    std::string all;
    std::array<char, 512> piece{};
    while (std::fgets(piece.data(), piece.size(), said.get()) != nullptr) all += piece.data();
    return all;
}

/// A file of its own each time, as the kernel makes it: the linker would know the old one again.
class Copy {
public:
    explicit Copy(const std::string& name)
        : path_(fs::temp_directory_path() /
                ("tambo-" + name + std::to_string(::getpid()) + "-" + std::to_string(++made_) + ".so")) {
        fs::copy_file(here / (name + ".so"), path_, fs::copy_options::overwrite_existing);
        handle_ = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    ~Copy() { fs::remove(path_); }
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;

    int next() const { return reinterpret_cast<int (*)()>(::dlsym(handle_, "next"))(); }
    bool leaves() const {
        ::dlclose(handle_);
        return !is_mapped(path_.string());
    }

private:
    static inline int made_ = 0;
    fs::path path_;
    void* handle_ = nullptr;
};

/// Most of these end in a signal, in a process of its own that begins this test anew.
class Unloadable : public testing::Test {
protected:
    Unloadable() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
    ~Unloadable() override { foreign::forget_reports(); }

    static inline const testing::KilledBySignal crashed{SIGSEGV};
};

TEST_F(Unloadable, a_static_of_a_template_or_an_inline_one_pins_unless_the_flags_forbid_it) {
    const Copy first{"unique"};
    const Copy second{"unique"};
    EXPECT_EQ(first.next(), 1);
    EXPECT_EQ(second.next(), 2) << "worse than staying: two versions share one variable";
    EXPECT_FALSE(first.leaves());
    EXPECT_TRUE(has(lint("unique"), "unique symbols"));

    const Copy good{"not_unique"};
    const Copy another{"not_unique"};
    EXPECT_EQ(good.next(), 1);
    EXPECT_EQ(another.next(), 1);
    EXPECT_TRUE(good.leaves());
    EXPECT_TRUE(another.leaves());
}

TEST_F(Unloadable, a_thread_local_with_a_destructor_pins_while_the_thread_lives) {
    const Copy bad{"thread_string"};
    bad.next();
    EXPECT_FALSE(bad.leaves());
    EXPECT_TRUE(has(lint("thread_string"), "thread_local with a destructor"));

    const Copy good{"thread_number"};
    good.next();
    EXPECT_TRUE(good.leaves()) << "nothing to destroy, nothing to stay for";
}

TEST_F(Unloadable, a_closure_dies_with_its_code) {
    EXPECT_TRUE(Kernel{}.comes_and_goes("closures_good"));
    EXPECT_EXIT(after_it_left("closures_bad", foreign::ring), crashed, "it has left");
    EXPECT_EXIT(after_it_left("closures_bad", foreign::forget), crashed, "it has left")
        << "even to destroy it is a call";
}

TEST_F(Unloadable, an_exception_and_an_error_code_die_with_their_code) {
    EXPECT_TRUE(Kernel{}.comes_and_goes("errors_good"));
    EXPECT_EQ(foreign::reports(), "the ink is spiltthe ink is spilt");
    EXPECT_EXIT(after_it_left("errors_bad", foreign::forget_reports), crashed, "it has left");
    EXPECT_EXIT(after_it_left("errors_code", foreign::reports), crashed, "it has left");
}

TEST_F(Unloadable, a_thread_goes_on_where_the_code_was) {
    EXPECT_TRUE(Kernel{}.comes_and_goes("threads_good"));
    EXPECT_EXIT(after_it_left("threads_bad", ::pause), crashed, "");   // maybe before anybody can say so
    EXPECT_TRUE(has(lint("threads_bad"), "starts a thread"));
}

TEST_F(Unloadable, a_handler_of_the_c_library_stays_when_the_code_goes) {
    EXPECT_TRUE(Kernel{}.comes_and_goes("handlers_good"));
    EXPECT_EQ(foreign::reports(), "closed, and its code goes") << "atexit is about the image, not the process";
    EXPECT_EXIT(after_it_left("handlers_bad", [] { std::exit(0); }), crashed, "it has left");
    EXPECT_TRUE(has(lint("handlers_bad"), "on_exit"));
    EXPECT_EXIT(after_it_left("handlers_signal", [] { std::raise(SIGUSR1); }), crashed, "it has left");
    EXPECT_TRUE(has(lint("handlers_signal"), "signal()"));
}

TEST_F(Unloadable, a_service_that_asio_made_in_the_module_stays_in_the_loop) {
    EXPECT_TRUE(Kernel{}.comes_and_goes("services_good"));
    EXPECT_EXIT(after_it_left("services_bad", foreign::end_loop), crashed, "it has left");
}

TEST_F(Unloadable, a_coroutine_that_waits_for_others_is_resumed_where_the_code_was) {
    EXPECT_EXIT(after_it_left("frames_bad", foreign::ring), crashed, "it has left");

    Kernel kernel;
    EXPECT_FALSE(kernel.comes_and_goes("frames_good")) << "what waits in the kernel keeps its code";
    kernel.pass(std::chrono::minutes{1});
    const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    while (is_mapped("/frames_good.") && std::chrono::steady_clock::now() < patience)
        kernel.pass(std::chrono::milliseconds{1});   // the shards' round trips, no longer than they take
    EXPECT_FALSE(is_mapped("/frames_good.")) << "until the kernel ends it";
}

TEST_F(Unloadable, a_library_that_only_the_module_needs_stays_without_it) {
    Kernel kernel;
    EXPECT_TRUE(kernel.comes_and_goes("library_good"));
    EXPECT_TRUE(is_mapped("/liblonely.so"));
    EXPECT_TRUE(kernel.comes_and_goes("library_good"));
    EXPECT_EQ(foreign::reports(), "12") << "its statics went on";
}

TEST_F(Unloadable, what_would_stay_for_ever_is_refused) {
    Kernel kernel;
    const auto report = kernel.load("pinned_on_purpose");
    EXPECT_FALSE(report.done);
    EXPECT_TRUE(has(report.reason, "NODELETE")) << report.reason;
    EXPECT_TRUE(has(lint("pinned_on_purpose"), "NODELETE"));
    EXPECT_FALSE(is_mapped("/pinned_on_purpose."));
}

}   // namespace
