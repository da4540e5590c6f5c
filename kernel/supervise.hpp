// tambod --supervise: a parent that holds the sockets and brings the server back when it dies.
#pragma once

#include <string>

namespace supervise {

/// Runs `tambod --config FILE` as a child until that exits, and gives its exit code. A child that dies by a signal is
/// followed by another one; sockets of all listeners stay open meanwhile, so that clients wait instead of being
/// refused. SIGTERM, SIGINT and SIGHUP are passed on. To be called before any thread is made. Throws std::runtime_error
/// with a sentence.
int run(const std::string& file);

}   // namespace supervise
