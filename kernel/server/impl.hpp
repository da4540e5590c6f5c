// The parts of a server, put together (server.hpp).
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "module/loader.hpp"
#include "net/http.hpp"
#include "net/listener.hpp"
#include "server/control.hpp"
#include "server/drain.hpp"
#include "server/kernel.hpp"
#include "server/reconfiguration.hpp"
#include "server/supervisor.hpp"
#include "server/watch.hpp"
#include "server/watchdog.hpp"

namespace tambo {

/// Where `NAME.so` is looked for: [server] module_path, else beside the library.
std::vector<std::filesystem::path> module_folders(const Settings& settings);

/// Owns everything of one server. The supervisor's thread runs housekeeping and the control socket.
class Server::Impl {
public:
    Impl(Config config, Options options);
    ~Impl();

    void use(Server& server);   ///< whom control commands and modules speak to
    void start();
    void stop();
    void wait_for_stop();
    /// Streams are told, accepted writes are kept, then threads end.
    void wait();

    Kernel& kernel() { return *kernel_; }
    Loader& loader() { return *loader_; }
    Reconfiguration& configuration() { return *configuration_; }
    Supervisor& over_modules() { return *over_modules_; }
    const std::vector<std::shared_ptr<Listener>>& listeners() const { return listeners_; }
    const HttpServer* http() const { return http_.get(); }   ///< null unless [http] asks for it
    std::size_t poll(Duration at_most);
    std::size_t next_shard() { return next_shard_++ % kernel_->shards.size(); }

private:
    void check_unknown_keys(const List& names);
    void housekeep(unsigned second);
    void pump(Duration at_most);
    void end_pool();
    void take_down();
    void open_control();
    void open_doors();
    std::vector<int> take_sockets(std::string_view listener);

    const bool own_threads_;
    std::vector<Socket> sockets_;   // until their listeners have them
    boost::asio::io_context supervisor_{1};
    std::unique_ptr<Kernel> kernel_;
    std::unique_ptr<Loader> loader_;
    std::unique_ptr<Reconfiguration> configuration_;
    std::unique_ptr<Supervisor> over_modules_;
    std::unique_ptr<Watchdog> watchdog_;
    std::unique_ptr<Watch> watch_;   // null unless [kernel] asks for it
    std::vector<std::shared_ptr<Listener>> listeners_;
    std::unique_ptr<HttpServer> http_;
    std::unique_ptr<Drain> drain_;   // before control_, whose commands use it
    std::unique_ptr<Control> control_;
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
    boost::asio::steady_timer timer_;
    std::thread thread_;
    std::mutex state_lock_;
    std::condition_variable stopped_;
    std::atomic<std::size_t> next_shard_{0};
};

}   // namespace tambo
