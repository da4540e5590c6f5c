// What was swapped out and is on its way to the exit.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tambo/server.hpp>

#include "module/image.hpp"
#include "module/instance.hpp"

namespace tambo {

struct Kernel;
using Instances = std::vector<std::unique_ptr<Instance>>;

/// Keeps old instances until nothing of their code waits or runs (tasks get half a minute, then they are destroyed
/// where they wait), closes their images, and looks whether these have really gone. The loader's, under its lock.
class Retirement {
public:
    explicit Retirement(Kernel& kernel) : kernel_(kernel) {}

    /// Takes them over, and gives them some milliseconds to go. Says what became of the image: "unmapped", "draining: 2
    /// tasks", "pinned: …". Without an image: it stays, only these instances of it go.
    std::string add(const std::string& name, std::shared_ptr<Image> image, Instances instances);
    /// Destroys what has become free. Called now and then.
    void sweep();
    /// Not more than sixteen old generations of a module are kept for the sake of their tasks: before another one
    /// comes, the oldest gets a moment, then its tasks are ended.
    void make_room(const std::string& name);

    void describe(std::vector<ModuleInfo>& list) const;   ///< adds who is draining or pinned
    std::size_t pinned() const noexcept { return pinned_.size(); }
    /// When the shards have stopped: everything goes; the images are handed out, to be closed last.
    std::vector<std::shared_ptr<Image>> release();

private:
    /// An old instance, which its shard looks at and destroys. Shared with that shard, which may come late.
    struct Seat;
    using Seats = std::vector<std::shared_ptr<Seat>>;
    struct Leaving {
        std::string name;
        std::filesystem::path copy;
        std::shared_ptr<Image> image;
        Seats seats;
        Duration until{};
        std::string holds{};   // what of it is still needed
    };
    struct Pinned {
        std::string name;
        std::filesystem::path copy;
    };

    bool let_go(Leaving& leaving);
    void look(const std::shared_ptr<Seat>& seat, bool overdue) const;
    void settle(const Leaving& gone);
    bool gets_room(const std::string& name);
    void wait_a_moment() const;

    Kernel& kernel_;
    std::vector<Leaving> leaving_;
    std::vector<Pinned> pinned_;
};

}   // namespace tambo
