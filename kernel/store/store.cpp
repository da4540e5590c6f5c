// Where the store contract's virtual table lives, so that every plugin shares one.
#include <tambo/store.hpp>

namespace tambo {

StoreDriver::~StoreDriver() = default;

}   // namespace tambo
