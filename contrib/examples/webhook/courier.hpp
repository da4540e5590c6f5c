// HTTP POSTs, one at a time, that nobody waits for.
#pragma once

#include <cstddef>
#include <curl/curl.h>
#include <memory>
#include <optional>
#include <string>

#include <tambo/option.hpp>

namespace webhook {

/// Each step() does what can be done at once and returns; libcurl keeps the connection for the next POST. One thread.
class Courier {
public:
    struct Outcome {
        long status = 0;       ///< of HTTP; 0: there was no answer
        std::string problem;   ///< why not
        bool is_taken() const noexcept { return status >= 200 && status < 300; }
        /// Nobody's fault but the moment's: no answer, an overloaded or broken receiver.
        bool is_worth_another_try() const noexcept { return status == 0 || status >= 500 || status == 429; }
    };

    /// `patience` is how long one POST may take.
    Courier(const std::string& url, tambo::Duration patience);
    ~Courier();
    Courier(const Courier&) = delete;
    Courier& operator=(const Courier&) = delete;

    bool is_under_way() const noexcept { return is_under_way_; }
    void send(std::string json);
    std::optional<Outcome> step();   ///< what became of it, once

private:
    static std::size_t skip_answer(char* bytes, std::size_t one, std::size_t count, void* self) noexcept;
    Outcome outcome(CURLcode code);

    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_;
    std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi_;
    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_;   // gone before multi_
    std::string body_;
    std::size_t answered_bytes_ = 0;
    bool is_under_way_ = false;
};

}   // namespace webhook
