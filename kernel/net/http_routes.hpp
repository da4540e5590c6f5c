// From an HTTP request to the module that answers it.
#pragma once

#include "net/http.hpp"

namespace tambo {

struct Kernel;

/// Gives each request to the next shard, where the module that asked for its path (Wiring::http) answers it as one of
/// its own tasks: a swap meanwhile lets it end. A path that nobody wants is 404; a handler that throws is 500 and a
/// fault of its module.
HttpServer::Handler route_http(Kernel& kernel);

}   // namespace tambo
