#include <algorithm>

#include <fmt/format.h>

#include <tambo/time.hpp>

namespace tambo {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Takes digits and marks off the front of a text.
class Cursor {
public:
    explicit Cursor(std::string_view text) : rest_(text) {}
    bool take(char mark) {
        if (!rest_.starts_with(mark)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    std::optional<int> digits(std::size_t count) {
        int value = 0;
        if (rest_.size() < count) return std::nullopt;
        for (const char digit : rest_.substr(0, count)) {
            if (digit < '0' || digit > '9') return std::nullopt;
            value = value * 10 + (digit - '0');
        }
        rest_.remove_prefix(count);
        return value;
    }
    /// Digits behind a decimal point, as thousandths; what is finer is cut off.
    std::optional<int> thousandths() {
        int value = 0, scale = 100;
        const auto length = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (length == 0) return std::nullopt;
        for (const char digit : rest_.substr(0, length)) {
            value += (digit - '0') * scale;
            scale /= 10;
        }
        rest_.remove_prefix(length);
        return value;
    }
    bool is_at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

std::optional<std::chrono::sys_days> take_date(Cursor& text) {
    const auto year = text.digits(4);
    if (!year || !text.take('-')) return std::nullopt;
    const auto month = text.digits(2);
    if (!month || !text.take('-')) return std::nullopt;
    const auto day = text.digits(2);
    if (!day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    return date.ok() ? std::optional{std::chrono::sys_days{date}} : std::nullopt;
}

std::optional<milliseconds> take_clock(Cursor& text) {
    const auto hour = text.digits(2);
    if (!hour || *hour > 23 || !text.take(':')) return std::nullopt;
    const auto minute = text.digits(2);
    if (!minute || *minute > 59 || !text.take(':')) return std::nullopt;
    const auto second = text.digits(2);
    if (!second || *second > 60) return std::nullopt;   // a leap second happens
    milliseconds time = hours{*hour} + minutes{*minute} + seconds{*second};
    if (!text.take('.')) return time;
    const auto fraction = text.thousandths();
    return fraction ? std::optional{time + milliseconds{*fraction}} : std::nullopt;
}

std::optional<minutes> take_offset(Cursor& text) {
    if (text.take('Z')) return minutes{0};
    const bool is_east = text.take('+');
    if (!is_east && !text.take('-')) return std::nullopt;
    const auto hour = text.digits(2);
    if (!hour || *hour > 23 || !text.take(':')) return std::nullopt;
    const auto minute = text.digits(2);
    if (!minute || *minute > 59) return std::nullopt;
    const minutes offset = hours{*hour} + minutes{*minute};
    return is_east ? offset : -offset;
}

}   // namespace

std::string format_time(Time time) {
    const auto day = std::chrono::floor<days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                            static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                            clock.hours().count(), clock.minutes().count(), clock.seconds().count());
    if (clock.subseconds().count() != 0) text += fmt::format(".{:03}", clock.subseconds().count());
    return text + 'Z';
}

std::optional<Time> parse_time(std::string_view written) noexcept {
    Cursor text{written};
    const auto date = take_date(text);
    if (!date || !text.take('T')) return std::nullopt;
    const auto clock = take_clock(text);
    if (!clock) return std::nullopt;
    const auto offset = take_offset(text);
    if (!offset || !text.is_at_end()) return std::nullopt;
    return Time{*date} + *clock - *offset;
}

}   // namespace tambo
