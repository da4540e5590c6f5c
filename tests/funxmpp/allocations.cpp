// Counts what operator new gives, in the program that it is part of.
#include "allocations.hpp"

#include <cstdlib>
#include <new>

std::size_t allocations = 0;

[[gnu::noinline]] void* operator new(std::size_t size) {   // inlined, gcc takes malloc and free for a mismatch
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
