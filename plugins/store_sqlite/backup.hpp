// Copies of the database while it is in use, and the way back.
#pragma once

#include <atomic>
#include <filesystem>

namespace tambo::sqlite {

/// Copies what `database` holds at this moment into a new `file` (mode 0600), on a connection of its own: whoever
/// writes meanwhile is not held up, and what they write is not in the copy. The file has its name only when it is
/// whole, read back and on the disk. Throws std::runtime_error with a sentence, also if `file` exists.
void back_up(const std::filesystem::path& database, const std::filesystem::path& file, const std::atomic<bool>& stop);

/// Puts a backup in the place of `database`, which nobody may have open. The backup is read to its end before anything
/// is touched. Of sessions it brings back nothing: none can be resumed, and what they held waits again. Gives the name
/// under which the old database lies beside the new one, empty if there was none. Throws std::runtime_error with a
/// sentence; the old database is then where it was.
std::filesystem::path restore(const std::filesystem::path& database, const std::filesystem::path& file);

}   // namespace tambo::sqlite
