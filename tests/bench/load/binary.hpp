// A client's stream in FunXMPP with the page (man/funxmpp.md).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

class Binary {
public:
    struct Frame {
        std::size_t used = 0;
        std::string_view payload;
        explicit operator bool() const noexcept { return used > 0; }
    };

    Binary();
    ~Binary();

    std::string header(std::string_view domain);   ///< with the prologue, if it is the first
    std::string element(std::string_view xml);
    std::string footer();

    /// The frame at the front, if it is whole.
    static Frame frame(std::string_view bytes);
    /// As XML; empty: the stream begins or ends.
    std::string read(std::string_view payload);
    bool has_ended() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace bench
