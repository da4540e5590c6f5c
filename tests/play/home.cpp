// The tests' tambo is the one that was just built.
#include "stage.hpp"

namespace play {

Home home() {
    const std::filesystem::path build{TAMBO_BINARY_DIR};
    return {build / "modules", build / "plugins", build / "bin" / "tambod"};
}

}   // namespace play
