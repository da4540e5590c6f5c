#include "tambod.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <map>
#include <poll.h>
#include <set>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace load {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t ini_line_bytes = 150;   // inih takes 198
constexpr int glance_ms = 20;
constexpr int patience_glances = 60'000 / glance_ms;

fs::path own_folder() {
    auto pattern = (fs::temp_directory_path() / "tambo-load-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error{std::string{"mkdtemp: "} + std::strerror(errno)};
    return pattern;
}

void glance() { ::poll(nullptr, 0, glance_ms); }

/// A list of the ini, going on in further lines.
std::string names_in(const fs::path& folder, const std::set<std::string>& without) {
    std::string text;
    std::size_t line = 0;
    for (const auto& entry : fs::directory_iterator{folder}) {
        const auto name = entry.path().stem().string();
        if (entry.path().extension() != ".so" || without.contains(name)) continue;
        if (!text.empty()) text += line > ini_line_bytes ? ",\n    " : ", ";
        line = line > ini_line_bytes ? 0 : line + name.size() + 2;
        text += name;
    }
    return text;
}

std::string read_all(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

}   // namespace

Tambod::Tambod(const fs::path& build, unsigned threads, const std::vector<Setting>& settings)
    : folder_(own_folder()), control_((folder_ / "tambo.sock").string()) {
    write_ini(build, threads, settings);
    launch(build);
    await_listener();
}

Tambod::~Tambod() {
    if (is_alive()) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status_, 0);
    }
    std::error_code ignored;
    if (!keeps_folder_) fs::remove_all(folder_, ignored);
}

void Tambod::write_ini(const fs::path& build, unsigned threads, const std::vector<Setting>& settings) const {
    std::map<std::string, std::map<std::string, std::string>> ini{
        {"server",
         {{"domain", "localhost"},
          {"data", "data"},
          {"run", "run"},
          {"control", "tambo.sock"},
          {"threads", std::to_string(threads)},
          {"plugins", names_in(build / "plugins", {"store_memory"})},
          {"modules", names_in(build / "modules", {})},
          {"module_path", (build / "modules").string() + ",\n    " + (build / "plugins").string()}}},
        {"limits",
         {{"connections_per_address", "0"},
          {"auth_failures_per_address", "0"},
          {"sessions_per_account", "0"},
          {"read_rate", "0"}}},
        {"log", {{"target", "tambo.log"}}},
        {"listener c2s", {{"address", "127.0.0.1"}, {"port", "0"}, {"plaintext_auth", "yes"}}},
        {"module stream_management", {{"max_waiting", "1000"}}},   // many share an account
        {"http", {{"listen", "127.0.0.1:0"}}}};
    for (const auto& [section, key, value] : settings) ini[section][key] = value;
    std::ofstream out{folder_ / "tambo.ini"};
    for (const auto& [section, keys] : ini) {
        out << '[' << section << "]\n";
        for (const auto& [key, value] : keys) out << key << " = " << value << '\n';
    }
}

void Tambod::launch(const fs::path& build) {
    const auto program = (build / "bin" / "tambod").string();
    const auto ini = (folder_ / "tambo.ini").string();
    const auto said = (folder_ / "said").string();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error{std::string{"fork: "} + std::strerror(errno)};
    if (pid_ != 0) return;
    const int out = ::open(said.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execl(program.c_str(), program.c_str(), "--config", ini.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
}

void Tambod::await_listener() {
    constexpr std::string_view sentence = "listener c2s on port ";
    for (int left = patience_glances; left > 0 && is_alive(); --left, glance()) {
        const auto text = log();
        const auto at = text.find(sentence);
        const auto end = at == std::string::npos ? at : text.find('\n', at);
        if (end == std::string::npos || !fs::exists(folder_ / "tambo.sock")) continue;
        port_ = static_cast<std::uint16_t>(std::stoul(text.substr(at + sentence.size(), end - at)));
        return;
    }
    throw std::runtime_error{"tambod does not start:\n" + log()};
}

bool Tambod::is_alive() {
    if (pid_ <= 0) return false;
    if (::waitpid(pid_, &status_, WNOHANG) == 0) return true;
    pid_ = -1;
    return false;
}

int Tambod::ask(const tambo::ctl::Words& words, std::string& answer) const { return control_.ask(words, answer); }

std::vector<std::string> Tambod::modules() const {
    constexpr std::string_view key = "\"name\":\"";
    std::string answer;
    if (ask({"modules", "--json"}, answer) != 0) throw std::runtime_error{"tamboctl modules: " + answer};
    std::vector<std::string> names;
    for (auto at = answer.find(key); at != std::string::npos; at = answer.find(key, at + 1)) {
        const auto begin = at + key.size();
        names.push_back(answer.substr(begin, answer.find('"', begin) - begin));
    }
    return names;
}

Footprint Tambod::footprint() const {
    const auto proc = fs::path{"/proc"} / std::to_string(pid_);
    Footprint f;
    std::ifstream statm{proc / "statm"};
    std::size_t all = 0, resident = 0;
    statm >> all >> resident;
    f.resident_bytes = resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto maps = read_all(proc / "maps");
    f.mappings = static_cast<std::size_t>(std::ranges::count(maps, '\n'));
    std::error_code gone;
    for (auto entry = fs::directory_iterator{proc / "fd", gone}; entry != fs::directory_iterator{};
         entry.increment(gone))
        ++f.descriptors;
    return f;
}

std::size_t Tambod::images() const {
    std::istringstream maps{read_all(fs::path{"/proc"} / std::to_string(pid_) / "maps")};
    const auto run = (folder_ / "run").string() + "/";
    std::set<std::string> files;
    for (std::string line; std::getline(maps, line);)
        if (const auto at = line.find(run); at != std::string::npos) files.insert(line.substr(at));
    return files.size();
}

std::string Tambod::log() const { return read_all(folder_ / "said") + read_all(folder_ / "tambo.log"); }

int Tambod::stop() {
    if (is_alive()) {
        ::kill(pid_, SIGTERM);
        for (int left = patience_glances; left > 0 && is_alive(); --left) glance();
        if (is_alive()) return -SIGKILL;
    }
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

}   // namespace load
