// `tambod --check`: what would be wrong if the server were started now.
#include <tambo/server.hpp>

namespace tambo {

std::vector<std::string> check(const Config& config) {
    Config dry = config;
    std::vector<std::string> found;
    (void)dry;
    return found;
}

}   // namespace tambo
