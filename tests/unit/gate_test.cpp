#include "net/gate.hpp"

#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tambo {
namespace {

using namespace std::chrono_literals;

const Origin verona = Origin::parse("192.0.2.1");
const Origin mantua = Origin::parse("192.0.2.2");

TEST(Origin, all_of_an_ipv6_customer_is_one_place) {
    EXPECT_EQ(Origin::parse("2001:db8:1:2::1"), Origin::parse("2001:db8:1:2:ffff::9"));
    EXPECT_NE(Origin::parse("2001:db8:1:2::1"), Origin::parse("2001:db8:1:3::1"));
}

TEST(Origin, ipv4_addresses_count_one_by_one_also_when_mapped) {
    EXPECT_NE(verona, mantua);
    EXPECT_EQ(Origin::parse("::ffff:192.0.2.1"), verona);
}

TEST(Origin, what_has_no_address_is_a_place_of_its_own) {
    EXPECT_EQ(Origin::parse("balcony"), Origin{});
    EXPECT_EQ(Origin::parse(std::string(1000, '1')), Origin{});
    EXPECT_NE(Origin::parse("0.0.0.0"), Origin{});
    EXPECT_NE(Origin::parse("::"), Origin{});
    sockaddr local{};
    local.sa_family = AF_UNIX;
    EXPECT_EQ(Origin::of(local), Origin{});
}

TEST(Origin, a_socket_address_is_the_same_place_as_its_text) {
    sockaddr_storage storage{};
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr.s6_addr[0] = 0x20;
    v6.sin6_addr.s6_addr[15] = 7;
    std::memcpy(&storage, &v6, sizeof v6);
    EXPECT_EQ(Origin::of(reinterpret_cast<const sockaddr&>(storage)), Origin::parse("2000::7"));
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(0xC0000201);
    std::memcpy(&storage, &v4, sizeof v4);
    EXPECT_EQ(Origin::of(reinterpret_cast<const sockaddr&>(storage)), verona);
}

TEST(Gate, admits_as_many_from_one_address_as_allowed) {
    Gate gate{{.connections_per_address = 2}};
    EXPECT_TRUE(gate.admit(verona, 0ms));
    EXPECT_TRUE(gate.admit(verona, 0ms));
    EXPECT_FALSE(gate.admit(verona, 0ms));
    EXPECT_TRUE(gate.admit(mantua, 0ms));
    gate.leave(verona, 0ms);
    EXPECT_TRUE(gate.admit(verona, 0ms));
    EXPECT_EQ(gate.connections(), 3U);
}

TEST(Gate, admits_as_many_in_total_as_allowed) {
    Gate gate{{.connections = 2}};
    EXPECT_TRUE(gate.admit(verona, 0ms));
    EXPECT_TRUE(gate.admit(mantua, 0ms));
    EXPECT_FALSE(gate.admit(Origin::parse("::1"), 0ms));
    gate.leave(mantua, 0ms);
    EXPECT_TRUE(gate.admit(Origin::parse("::1"), 0ms));
}

TEST(Gate, without_limits_everybody_may_do_everything) {
    Gate gate{Gate::Limits{}};
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(gate.admit(verona, 0ms));
        gate.auth_failed(verona, 0ms);
        EXPECT_TRUE(gate.may_authenticate(verona, 0ms));
        EXPECT_TRUE(gate.may_register(verona, 0ms));
        EXPECT_EQ(gate.pay(verona, std::size_t{1} << 30, 0ms), 0ms);
    }
}

TEST(Gate, too_many_failures_close_the_door_until_time_has_passed) {
    Gate gate{{.auth_failures = 3, .auth_window = 1min}};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(gate.may_authenticate(verona, 0ms)) << i;
        gate.auth_failed(verona, 0ms);
    }
    EXPECT_FALSE(gate.may_authenticate(verona, 0ms));
    EXPECT_TRUE(gate.may_authenticate(mantua, 0ms));
    EXPECT_FALSE(gate.may_authenticate(verona, 19s));
    EXPECT_TRUE(gate.may_authenticate(verona, 21s));
    gate.auth_failed(verona, 21s);
    EXPECT_FALSE(gate.may_authenticate(verona, 21s));
}

TEST(Gate, a_thousand_failures_are_no_worse_than_the_allowance) {
    Gate gate{{.auth_failures = 3, .auth_window = 1min}};
    for (int i = 0; i < 1000; ++i) gate.auth_failed(verona, 0ms);
    EXPECT_TRUE(gate.may_authenticate(verona, 1min));
}

TEST(Gate, registrations_are_counted_when_they_are_allowed) {
    Gate gate{{.registrations = 2, .registration_window = 1h}};
    EXPECT_TRUE(gate.may_register(verona, 0ms));
    EXPECT_TRUE(gate.may_register(verona, 0ms));
    EXPECT_FALSE(gate.may_register(verona, 0ms));
    EXPECT_FALSE(gate.may_register(verona, 29min));
    EXPECT_TRUE(gate.may_register(verona, 31min));
}

TEST(Gate, bytes_of_all_connections_of_an_address_come_out_of_one_allowance) {
    Gate gate{{.bytes_per_second = 1000, .burst_bytes = 5000}};
    EXPECT_EQ(gate.pay(verona, 3000, 0ms), 0ms);
    EXPECT_EQ(gate.pay(verona, 2000, 0ms), 0ms) << "as much as allowed at once";
    EXPECT_EQ(gate.pay(verona, 500, 0ms), 500ms) << "the first connection waits";
    EXPECT_EQ(gate.pay(verona, 1000, 0ms), 1500ms) << "and the second one behind it";
    EXPECT_EQ(gate.pay(mantua, 5000, 0ms), 0ms);
    EXPECT_EQ(gate.pay(verona, 1, 1500ms), 1ms) << "the debt is paid, the allowance is not back yet";
    EXPECT_EQ(gate.pay(verona, 1000, 3s), 0ms);
    EXPECT_EQ(gate.pay(verona, 5000, 1h), 0ms);
    EXPECT_EQ(gate.pay(verona, 1, 1h), 1ms) << "an hour of silence saves up no more than a burst";
}

TEST(Gate, an_ipv6_customer_does_not_escape_by_another_address) {
    Gate gate{{.bytes_per_second = 1000, .burst_bytes = 1000}};
    EXPECT_EQ(gate.pay(Origin::parse("2001:db8:1:2::1"), 1000, 0ms), 0ms);
    EXPECT_EQ(gate.pay(Origin::parse("2001:db8:1:2::2"), 1000, 0ms), 1s);
}

TEST(Gate, coming_back_does_not_pay_a_debt) {
    Gate gate{{.bytes_per_second = 1000, .burst_bytes = 1000}};
    EXPECT_TRUE(gate.admit(verona, 0ms));
    EXPECT_EQ(gate.pay(verona, 3000, 0ms), 2s);
    gate.leave(verona, 1s);
    EXPECT_EQ(gate.known_origins(), 1U) << "it has bytes to answer for";
    EXPECT_TRUE(gate.admit(verona, 1s));
    EXPECT_EQ(gate.pay(verona, 0, 1s), 1s);
    gate.leave(verona, 10s);
    EXPECT_EQ(gate.known_origins(), 0U);
}

TEST(Gate, who_owes_bytes_is_forgotten_when_there_are_too_many_of_them) {
    Gate gate{{.bytes_per_second = 1, .burst_bytes = 1, .origins = 1000}};
    for (int i = 0; i < 10'000; ++i) {
        gate.pay(Origin::parse(fmt::format("10.1.{}.{}", i / 250, i % 250)), 1'000'000, Duration{i});
        ASSERT_LE(gate.known_origins(), 1000U) << "after " << i;
    }
}

TEST(Gate, a_stray_leave_does_no_harm) {
    Gate gate{{.connections = 1}};
    gate.leave(verona, 0ms);
    EXPECT_TRUE(gate.admit(verona, 0ms));
    EXPECT_FALSE(gate.admit(verona, 0ms));
    EXPECT_EQ(gate.connections(), 1U);
}

TEST(Gate, forgets_who_came_and_went) {
    Gate gate{{.connections_per_address = 1, .auth_failures = 3, .auth_window = 1min}};
    EXPECT_TRUE(gate.admit(verona, 0ms));
    gate.leave(verona, 0ms);
    EXPECT_EQ(gate.known_origins(), 0U);
    EXPECT_TRUE(gate.admit(verona, 0ms));
    gate.auth_failed(verona, 0ms);
    gate.leave(verona, 0ms);
    EXPECT_EQ(gate.known_origins(), 1U) << "it has failures to answer for";
    for (int i = 0; i < 5000; ++i) gate.auth_failed(Origin::parse(fmt::format("10.1.{}.{}", i / 250, i % 250)), 2h);
    EXPECT_GT(gate.known_origins(), 5000U - 1);
    gate.auth_failed(mantua, 4h);   // somebody new: a good moment to look round, once there are enough
    for (int i = 0; i < 5000; ++i) gate.auth_failed(Origin::parse(fmt::format("10.2.{}.{}", i / 250, i % 250)), 4h);
    EXPECT_LT(gate.known_origins(), 6000U);
}

TEST(Gate, memory_is_bounded_and_open_connections_are_never_forgotten) {
    Gate gate{{.connections_per_address = 1, .auth_failures = 3, .auth_window = 1min, .origins = 1000}};
    EXPECT_TRUE(gate.admit(verona, 0ms));
    for (int i = 0; i < 100'000; ++i) {
        gate.auth_failed(Origin::parse(fmt::format("10.{}.{}.{}", i / 62500, i / 250 % 250, i % 250)),
                         Duration{i / 100});
        ASSERT_LE(gate.known_origins(), 1000U) << "after " << i;
    }
    EXPECT_FALSE(gate.admit(verona, 1s));
    gate.leave(verona, 1s);
    EXPECT_EQ(gate.connections(), 0U);
}

TEST(Gate, counts_right_from_several_threads) {
    Gate gate{{.connections = 100}};
    const auto come_and_go = [&gate] {
        for (int i = 0; i < 10'000; ++i) {
            if (gate.admit(verona, 0ms)) gate.leave(verona, 0ms);
        }
    };
    std::thread one{come_and_go};
    std::thread two{come_and_go};
    one.join();
    two.join();
    EXPECT_EQ(gate.connections(), 0U);
    EXPECT_EQ(gate.known_origins(), 0U);
}

}   // namespace
}   // namespace tambo
