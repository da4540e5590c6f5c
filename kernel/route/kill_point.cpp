#include "route/kill_point.hpp"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

namespace tambo {

namespace {

struct Wish {
    std::string name;
    std::atomic<long> passes{0};

    Wish() {
        const char* text = std::getenv("TAMBO_KILL_AT");   // NOLINT(concurrency-mt-unsafe): nobody sets it
        if (text == nullptr) return;
        const std::string_view said{text};
        const auto colon = said.find(':');
        name = said.substr(0, colon);
        long count = 1;
        if (colon != std::string_view::npos) std::from_chars(said.data() + colon + 1, said.data() + said.size(), count);
        passes = count;
    }
};

}   // namespace

void kill_point(std::string_view name) noexcept {
    static Wish wish;
    if (wish.name.empty() || wish.name != name) return;
    if (--wish.passes == 0) (void)std::raise(SIGKILL);
}

}   // namespace tambo
