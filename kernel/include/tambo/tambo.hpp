// Everything that a module author needs.
#pragma once

#include <tambo/module.hpp>   // IWYU pragma: export
#include <tambo/xml.hpp>      // IWYU pragma: export
