// Writing JSON (RFC 8259): the one place where text is escaped, for answers and for log lines.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tambo {

/// `text` as the inside of a JSON string: valid UTF-8 whatever it was, and without characters that turn the direction
/// of text or end a line.
std::string json_safe(std::string_view text);

/// Writes one value, piece by piece; commas come by themselves. Who calls sees to it that what is opened is closed.
///
///     Json json;
///     json.object().member("name", "roster").list("shards").value(1).value(2).end_list().end();
///     out << json.take();   // {"name":"roster","shards":[1,2]}
class Json {
public:
    Json& object() { return open('{'); }
    Json& object(std::string_view name) { return key(name).open('{'); }
    Json& end() { return close('}'); }
    Json& list() { return open('['); }
    Json& list(std::string_view name) { return key(name).open('['); }
    Json& end_list() { return close(']'); }

    Json& key(std::string_view name);
    Json& value(std::string_view text);
    Json& value(const char* text) { return value(std::string_view{text}); }
    Json& value(const std::string& text) { return value(std::string_view{text}); }
    Json& value(bool is_true) { return literal(is_true ? "true" : "false"); }
    Json& value(double number);   ///< with three digits behind the point; null if it is not finite
    template <std::integral T>
    Json& value(T number) {
        return literal(std::to_string(number));
    }
    template <class T>
    Json& member(std::string_view name, const T& what) {
        return key(name).value(what);
    }
    /// What was taken from another writer: one whole value.
    Json& raw(std::string_view json) { return literal(json); }

    /// What was written since the last call: for long answers, which leave in pieces.
    std::string take() { return std::exchange(text_, {}); }

private:
    Json& open(char bracket);
    Json& close(char bracket);
    Json& literal(std::string_view text);
    void separate();

    std::string text_;
    char last_ = '{';   // before the first value nothing has to be separated
};

}   // namespace tambo
