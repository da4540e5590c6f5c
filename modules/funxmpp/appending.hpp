// Writing at the end of a string, piece by piece and quickly.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace tambo::funxmpp {

/// Appends to a string through a pointer into all of its memory, which checks and terminates nothing at each piece. The
/// string is cut to size when this goes; nobody may look at it before.
class Appending {
public:
    explicit Appending(std::string& out) : out_(out), size_(out.size()) { resize(out.capacity()); }
    ~Appending() { out_.resize(size_); }
    Appending(const Appending&) = delete;
    Appending& operator=(const Appending&) = delete;

    std::size_t size() const noexcept { return size_; }
    void put(std::string_view text) {
        make_room(text.size());
        std::memcpy(at_ + size_, text.data(), text.size());
        size_ += text.size();
    }
    void put(char c) {
        make_room(1);
        at_[size_++] = c;
    }
    /// Where so many bytes are to be written now.
    char* more(std::size_t bytes) {
        make_room(bytes);
        size_ += bytes;
        return at_ + size_ - bytes;
    }

private:
    void make_room(std::size_t bytes) {
        if (size_ + bytes > room_) [[unlikely]]
            resize(2 * (size_ + bytes));
    }
    void resize(std::size_t bytes) {
        out_.resize_and_overwrite(bytes, [](char*, std::size_t size) { return size; });
        at_ = out_.data();
        room_ = bytes;
    }

    std::string& out_;
    std::size_t size_, room_ = 0;
    char* at_ = nullptr;
};

}   // namespace tambo::funxmpp
