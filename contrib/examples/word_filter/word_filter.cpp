// No XEP: refuses messages in which a word of a list occurs. An example of a decision: what a handler has handled goes
// no further.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>

#include <tambo/tambo.hpp>

namespace {

using namespace tambo;

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
/// Bytes above ASCII belong to letters of other scripts, digits to words such as "l33t".
bool is_part_of_a_word(char c) {
    return is_ascii_letter(c) || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

/// Small and capital letters of ASCII are the same; others are as they are written.
std::string folded(std::string_view word) {
    std::string result{word};
    std::ranges::transform(result, result.begin(),
                           [](char c) { return is_ascii_letter(c) ? static_cast<char>(c | 0x20) : c; });
    return result;
}

class WordFilterModule final : public Module {
public:
    WordFilterModule() {
        for (const auto& word : *words_) forbidden_.insert(folded(word));
    }

    void wire(Wiring& w) override {
        // After those who count and clean what comes (first), before all who copy, keep or tell it.
        w.on<&WordFilterModule::judge>(Event::stanza_in, this, priority::early + 10);
        refused_ = &w.counter("refused_total", "messages that were not passed on");
    }

private:
    Verdict judge(Session& sender, Stanza& stanza) {
        if (!stanza.is_message() || stanza.is_error() || !has_forbidden_word(stanza)) return Verdict::pass;
        refused_->add();
        auto refusal = stanza.error(Error{Condition::policy_violation, *explanation_});
        sender.send(refusal);
        return Verdict::handled;
    }

    /// RFC 6121 §5.2.3, §5.2.4: what people read, in all languages that it comes in.
    bool has_forbidden_word(const Stanza& message) const {
        return std::ranges::any_of(message.xml().children(), [this](Element child) {
            const bool is_read = child.is("body", ns::client) || child.is("subject", ns::client);
            return is_read && has_forbidden_word(child.text());
        });
    }

    bool has_forbidden_word(std::string_view text) const {
        while (!text.empty()) {
            const auto start = std::ranges::find_if(text, is_part_of_a_word);
            const auto end = std::find_if_not(start, text.end(), is_part_of_a_word);
            if (forbidden_.contains(folded({start, end}))) return true;
            text = {end, text.end()};
        }
        return false;
    }

    Option<List> words_{"words", {}, "words that no message may have, whole and in any case"};
    Option<std::string> explanation_{"explanation", "That word is not welcome here.", "what the sender is told"};
    std::unordered_set<std::string> forbidden_;
    Counter* refused_ = nullptr;
};

}   // namespace

TAMBO_MODULE(WordFilterModule, "word_filter", "1.0", 1)
