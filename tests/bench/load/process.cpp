#include "process.hpp"

#include <array>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bench {

namespace {

double ticks_per_second() { return static_cast<double>(sysconf(_SC_CLK_TCK)); }

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu_seconds(int pid) {
    std::ifstream file{fmt::format("/proc/{}/stat", pid)};
    std::string line;
    std::getline(file, line);
    const auto name_end = line.rfind(')');
    if (name_end == std::string::npos) return 0;   // it is gone
    constexpr int first_of_time = 11;
    std::istringstream fields{line.substr(name_end + 2)};
    std::string field;
    for (int i = 0; i < first_of_time; ++i) fields >> field;
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / ticks_per_second();
}

double proportional_bytes(int pid) {
    std::ifstream file{fmt::format("/proc/{}/smaps_rollup", pid)};
    std::string key;
    while (file >> key) {
        if (key == "Pss:") {
            double kibibytes = 0;
            file >> kibibytes;
            return kibibytes * 1024;
        }
    }
    return 0;
}

struct Machine {
    double busy = 0, stolen = 0;
};

Machine machine() {
    std::ifstream file{"/proc/stat"};
    std::string name;
    std::array<double, 8> of{};   // user, nice, system, idle, iowait, irq, softirq, steal
    file >> name;
    for (auto& each : of) file >> each;
    return {.busy = (of[0] + of[1] + of[2] + of[5] + of[6]) / ticks_per_second(), .stolen = of[7] / ticks_per_second()};
}

}   // namespace

std::uint64_t now_ns() noexcept {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

double cpu_seconds(const std::vector<int>& pids) {
    double sum = 0;
    for (const int pid : pids) sum += cpu_seconds(pid);
    return sum;
}

double own_cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double proportional_bytes(const std::vector<int>& pids) {
    double sum = 0;
    for (const int pid : pids) sum += proportional_bytes(pid);
    return sum;
}

Span::Point Span::now() const {
    const auto [busy, stolen] = machine();
    return {.time = static_cast<double>(now_ns()) / 1e9,
            .server = cpu_seconds(*pids_),
            .own = own_cpu_seconds(),
            .busy = busy,
            .stolen = stolen};
}

void Span::begin() { begin_ = end_ = now(); }
void Span::end() { end_ = now(); }

void Span::add_disturbance(Json& json) const {
    if (seconds() <= 0) return;
    const auto cores = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
    json.add("other_cores", (end_.busy - begin_.busy - server_cpu() - own_cpu()) / seconds());
    json.add("steal_pct", 100 * (end_.stolen - begin_.stolen) / seconds() / cores);
}

}   // namespace bench
