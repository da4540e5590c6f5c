#include "courier.hpp"

#include <stdexcept>
#include <utility>

namespace webhook {

namespace {

constexpr std::size_t max_answer_bytes = std::size_t{64} << 10;   // nobody reads it; more is not even received

curl_slist* headers() {
    auto* list = curl_slist_append(nullptr, "Content-Type: application/json");
    return curl_slist_append(list, "Expect:");   // no round trip to ask whether the body may come
}

}   // namespace

Courier::Courier(const std::string& url, tambo::Duration patience)
    : headers_(headers(), &curl_slist_free_all),
      multi_(nullptr, &curl_multi_cleanup),
      easy_(nullptr, &curl_easy_cleanup) {
    // Counted and safe to repeat. Never undone: libcurl stays mapped when this module goes, and may have other users.
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) throw std::runtime_error{"libcurl does not work here"};
    multi_.reset(curl_multi_init());
    easy_.reset(curl_easy_init());
    if (!multi_ || !easy_) throw std::runtime_error{"libcurl has no memory"};
    auto* easy = easy_.get();
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (curl_easy_setopt(easy, CURLOPT_URL, url.c_str()) != CURLE_OK) throw std::runtime_error{"libcurl has no memory"};
    curl_easy_setopt(easy, CURLOPT_PROXY, "");        // the environment of the server has no say
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);     // signals belong to the program
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);   // do not wait for a name to be resolved when all ends
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(patience.count()));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tambo-webhook/1.0");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Courier::skip_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));
}

Courier::~Courier() {
    if (is_under_way_) curl_multi_remove_handle(multi_.get(), easy_.get());
}

void Courier::send(std::string json) {
    body_ = std::move(json);
    answered_bytes_ = 0;
    curl_easy_setopt(easy_.get(), CURLOPT_POSTFIELDS, body_.data());
    curl_easy_setopt(easy_.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_.size()));
    is_under_way_ = curl_multi_add_handle(multi_.get(), easy_.get()) == CURLM_OK;
}

std::optional<Courier::Outcome> Courier::step() {
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    int left = 0;
    const auto* message = curl_multi_info_read(multi_.get(), &left);
    if (message == nullptr || message->msg != CURLMSG_DONE) return std::nullopt;
    const auto code = message->data.result;   // read before the handle goes, and the message with it
    curl_multi_remove_handle(multi_.get(), easy_.get());
    is_under_way_ = false;
    return outcome(code);
}

/// A receiver that talks too much has answered all the same.
Courier::Outcome Courier::outcome(CURLcode code) {
    Outcome outcome;
    if (code == CURLE_OK || code == CURLE_WRITE_ERROR)
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &outcome.status);
    outcome.problem = outcome.status != 0 ? "HTTP status " + std::to_string(outcome.status) : curl_easy_strerror(code);
    return outcome;
}

std::size_t Courier::skip_answer(char*, std::size_t one, std::size_t count, void* self) noexcept {
    auto& answered = static_cast<Courier*>(self)->answered_bytes_;
    answered += one * count;
    return answered > max_answer_bytes ? 0 : one * count;
}

}   // namespace webhook
