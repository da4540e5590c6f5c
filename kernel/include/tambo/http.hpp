// HTTP on the operator's listener ([http] in the ini; loopback unless she says otherwise).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tambo {

/// One request, whole; bodies above [http] max_body were refused before anybody saw them.
struct HttpRequest {
    std::string method;   ///< "GET", "POST", …
    std::string path;     ///< decoded, without the query: "/metrics"
    std::string query;    ///< as written, without the question mark
    std::string type;     ///< Content-Type
    std::string body;
};

struct HttpReply {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;   ///< further ones
};

}   // namespace tambo
