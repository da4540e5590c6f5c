// A list whose ends are where things happen.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace tambo {

/// A vector that gives up its front cheaply. Takes no memory when it is empty. What it holds can be moved, and is cheap
/// to make.
template <class T>
class Fifo {
public:
    using iterator = typename std::vector<T>::iterator;
    using const_iterator = typename std::vector<T>::const_iterator;

    bool empty() const noexcept { return gone_ == items_.size(); }
    std::size_t size() const noexcept { return items_.size() - gone_; }
    iterator begin() noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(gone_); }
    iterator end() noexcept { return items_.end(); }
    const_iterator begin() const noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(gone_); }
    const_iterator end() const noexcept { return items_.end(); }
    T& front() noexcept { return items_[gone_]; }
    T& back() noexcept { return items_.back(); }

    void push_back(T item) {
        if (items_.capacity() == 0) items_.reserve(first_room);
        items_.push_back(std::move(item));
    }
    void insert(iterator at, T item) { items_.insert(at, std::move(item)); }
    T take_front() noexcept {
        T taken = std::exchange(items_[gone_], T{});
        ++gone_;
        tidy();
        return taken;
    }
    void erase(iterator at) {
        if (at == begin())
            (void)take_front();
        else
            items_.erase(at);
    }
    void clear() noexcept {
        std::vector<T>{}.swap(items_);
        gone_ = 0;
    }

private:
    static constexpr std::size_t first_room = 8;

    void tidy() noexcept {
        if (empty()) return clear();
        if (gone_ < first_room || gone_ < items_.size() / 2) return;
        items_.erase(items_.begin(), begin());
        gone_ = 0;
    }

    std::vector<T> items_;
    std::size_t gone_ = 0;   // so many at the front
};

}   // namespace tambo
