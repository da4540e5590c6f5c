// Writing where it is known beforehand how long it gets.
#pragma once

#include <cstring>
#include <string_view>

namespace tambo {

/// Where the next byte goes. There has to be room.
class Pen {
public:
    explicit Pen(char* at) noexcept : at_(at) {}
    Pen& operator<<(char c) noexcept {
        *at_++ = c;
        return *this;
    }
    Pen& operator<<(std::string_view text) noexcept {
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
        return *this;
    }
    const char* at() const noexcept { return at_; }

private:
    char* at_;
};

}   // namespace tambo
