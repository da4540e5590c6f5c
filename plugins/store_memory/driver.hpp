// A store driver that keeps everything in this process: for tests and for servers that shall forget.
#pragma once

#include <memory>

#include <tambo/store.hpp>

namespace tambo::memory {

/// An empty one. Transactions work as the contract says: rollback() takes back all since begin().
std::unique_ptr<StoreDriver> open();

}   // namespace tambo::memory
