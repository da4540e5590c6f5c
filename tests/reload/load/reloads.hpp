// Swapping modules through the control socket, in turn and at random, and what that costs the server.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tambod.hpp"

namespace load {

class Reloads {
public:
    /// `only`: nothing but this module, `without`: everything else; empty: all that are loaded.
    Reloads(Tambod& server, unsigned seed, const std::string& only, const std::string& without);

    /// That many, or for so long; until all is lost anyway. Throws std::runtime_error when the server is gone.
    void perform(std::size_t count, std::chrono::seconds time, const std::function<bool()>& is_hopeless);

    std::size_t done() const noexcept { return done_; }
    std::size_t refused() const noexcept { return refused_; }
    /// Memory, mappings and descriptors did not rise from the first quarter to the last.
    bool is_flat() const;
    std::string summary() const;
    std::string complaints() const { return complaints_; }

private:
    void reload(const std::string& name);
    struct Quarter {
        double resident_mb = 0, mappings = 0, descriptors = 0;
    };
    Quarter quarter(bool is_last) const;

    Tambod& server_;
    std::minstd_rand dice_;
    std::vector<std::string> modules_;
    std::size_t done_ = 0, refused_ = 0;
    std::vector<double> pauses_ms_;
    std::vector<Footprint> footprints_;
    std::string complaints_;
};

/// The end of a log, for whoever has to understand a failure.
std::string tail(const std::string& log);

}   // namespace load
