// Hostile SASL messages. The first byte chooses mechanism and channel; 0xff separates one message from the next.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "modules/sasl/exchange.cpp"   // NOLINT(bugprone-suspicious-include): a fuzzer links the kernel, no module

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tambo::sasl;
    static const Library library;
    if (size == 0) return 0;
    const auto& mechanism = mechanisms()[data[0] % mechanisms().size()];
    const Channel channel{(data[0] & 0x40) != 0 ? "exporter" : "", (data[0] & 0x20) != 0 ? "unique" : "",
                          (data[0] & 0x80) != 0};
    std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};

    if (const auto bytes = decode(rest); bytes && rest != "=" && tambo::base64(*bytes) != rest) std::abort();
    const auto claim = read_claim(mechanism, rest.substr(0, rest.find('\xff')));
    if (claim && claim->name.empty()) std::abort();
    if (mechanism.is_plain()) return 0;

    Exchange exchange{library, mechanism, decoy_keys("secret", mechanism.hash, "juliet@localhost", 1), channel};
    for (;;) {
        const auto end = rest.find('\xff');
        const auto step = exchange.step(rest.substr(0, end));
        if (step.state == Exchange::State::success) std::abort();   // nobody knows a password that has these keys
        if (step.state == Exchange::State::failure || end == std::string_view::npos) return 0;
        rest.remove_prefix(end + 1);
    }
}
