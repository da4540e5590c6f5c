// What libtambo shows to the outside; everything else is built with hidden visibility.
#pragma once

#define TAMBO_API __attribute__((visibility("default")))
