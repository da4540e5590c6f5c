// One who logs in, looks around, and goes again, all the time.
#pragma once

#include <random>
#include <string>

#include "client.hpp"

namespace load {

class Visitor final : public Client {
public:
    Visitor(World& world, std::string user, Wire wire, unsigned seed);

private:
    tambo::Task<void> script() override;
    tambo::Task<void> visit();
    void hear(const Node&) override {}

    std::minstd_rand dice_;
};

}   // namespace load
