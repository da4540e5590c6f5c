// Says which files of some folders were written.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <tambo/option.hpp>

namespace tambo {

/// A file counts as written when its writer closes it or when it is moved into a folder: what is being written is not
/// reported yet. A folder that goes (a build that is made anew) is waited for, and when it is back, all that is in it
/// counts as written.
///
/// One thread, except interrupt().
class WatchedFolders {
public:
    /// Throws std::runtime_error with a sentence if the system gives no more of what it takes.
    explicit WatchedFolders(const std::vector<std::filesystem::path>& folders);
    ~WatchedFolders();
    WatchedFolders(const WatchedFolders&) = delete;
    WatchedFolders& operator=(const WatchedFolders&) = delete;

    /// What was written since the last call: waits for it, but no longer than that, nor after interrupt().
    std::set<std::filesystem::path> wait(Duration at_most);
    void interrupt() const noexcept;   ///< from any thread; lasts

    /// Those that can't be watched now, with the reason; each is told once until it was there again.
    std::vector<std::string> complaints();

private:
    struct Folder {
        std::filesystem::path path;
        int watch = -1;   // none: it is not there
        bool is_known_to_be_away = false;
        std::string complaint;
    };

    using Files = std::set<std::filesystem::path>;

    static void add_all(const Folder& folder, Files& files);
    bool watch(Folder& folder) const;
    void look_for_missing(Files& files);
    void read(Files& files);
    void forget(int watch);

    int inotify_, interrupted_;
    std::vector<Folder> folders_;
};

}   // namespace tambo
