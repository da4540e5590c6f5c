#include "stream/tape_parser.hpp"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <malloc.h>
#include <new>
#include <strings.h>
#include <utility>

#include <expat.h>

#include "stream/tape_content.hpp"

namespace tambo {

namespace {

// Can't occur in XML 1.0, not even as a character reference, so it can't occur in a namespace either.
constexpr char separator = '\x01';

// expat's allocator hooks have no argument to say on whose behalf they run. So whoever calls expat says it here first.
thread_local std::size_t* counter = nullptr;

class Counting {
public:
    explicit Counting(std::size_t& bytes) noexcept : before_(std::exchange(counter, &bytes)) {}
    ~Counting() { counter = before_; }
    Counting(const Counting&) = delete;
    Counting& operator=(const Counting&) = delete;

private:
    std::size_t* before_;
};

void* counted_malloc(std::size_t size) {
    void* p = std::malloc(size);
    *counter += malloc_usable_size(p);
    return p;
}

void* counted_realloc(void* old, std::size_t size) {
    const auto before = malloc_usable_size(old);
    void* p = std::realloc(old, size);
    if (p != nullptr) *counter += malloc_usable_size(p) - before;
    return p;
}

void counted_free(void* p) {
    *counter -= malloc_usable_size(p);
    std::free(p);
}

Fault fault_for(XML_Error error) noexcept {
    const auto* text = XML_ErrorString(error);
    switch (error) {
        case XML_ERROR_UNDEFINED_ENTITY:
        case XML_ERROR_MISPLACED_XML_PI:
            return {StreamCondition::restricted_xml, text};   // RFC 6120 §11.1
        case XML_ERROR_UNKNOWN_ENCODING:
        case XML_ERROR_INCORRECT_ENCODING:
            return {StreamCondition::unsupported_encoding, text};
        case XML_ERROR_NO_MEMORY:
            return {StreamCondition::resource_constraint, text};
        // Names that break XML-NAMES are here too: RFC 6120 §4.9.3.13 names both specifications.
        default:
            return {StreamCondition::not_well_formed, text != nullptr ? text : ""};
    }
}

bool is_white(std::string_view text) noexcept { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}   // namespace

/// expat's side of the conversation.
struct TapeParser::Handlers {
    static TapeParser& self(void* user) noexcept { return *static_cast<TapeParser*>(user); }

    static void start(void* user, const char* name, const char** attributes) {
        self(user).start_element(name, attributes);
    }
    static void end(void* user, const char*) { self(user).end_element(); }
    static void text(void* user, const char* run, int length) {
        self(user).characters({run, static_cast<std::size_t>(length)});
    }
    static void space(void* user, const char* prefix, const char* uri) { self(user).start_namespace(prefix, uri); }
    static void declaration(void* user, const char*, const char* encoding, int) {
        self(user).xml_declaration(encoding);
    }
    static void comment(void* user, const char*) { self(user).refuse(StreamCondition::restricted_xml, "comment"); }
    static void instruction(void* user, const char*, const char*) {
        self(user).refuse(StreamCondition::restricted_xml, "processing instruction");
    }
    static void doctype(void* user, const char*, const char*, const char*, int) {
        self(user).refuse(StreamCondition::restricted_xml, "document type");
    }
};

TapeParser::TapeParser(std::string_view preamble) : parser_(nullptr) {
    const Counting counting{memory_};
    const XML_Memory_Handling_Suite suite{counted_malloc, counted_realloc, counted_free};
    const char separators[] = {separator, '\0'};
    parser_ = XML_ParserCreate_MM("UTF-8", &suite, separators);
    if (parser_ == nullptr) throw std::bad_alloc{};
    XML_SetReturnNSTriplet(parser_, 1);
    fed_ = preamble.size();
    // An XML declaration that comes later than at the very start is an error to expat itself.
    if (preamble.empty())
        XML_SetXmlDeclHandler(parser_, Handlers::declaration);
    else
        XML_Parse(parser_, preamble.data(), static_cast<int>(preamble.size()), 0);

    // After the preamble, so that it leaves no trace on any tape.
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, Handlers::start, Handlers::end);
    XML_SetCharacterDataHandler(parser_, Handlers::text);
    XML_SetStartNamespaceDeclHandler(parser_, Handlers::space);
    XML_SetCommentHandler(parser_, Handlers::comment);
    XML_SetProcessingInstructionHandler(parser_, Handlers::instruction);
    XML_SetStartDoctypeDeclHandler(parser_, Handlers::doctype);
}

TapeParser::~TapeParser() {
    const Counting counting{memory_};
    XML_ParserFree(parser_);
}

std::optional<Fault> TapeParser::read(std::string_view xml, Tape& tape, Roots roots) {
    constexpr std::size_t most = std::numeric_limits<int>::max() / 2;   // expat counts in int, tapes in 32 bits
    if (xml.size() > most) return Fault{StreamCondition::policy_violation, "too long"};
    tape.clear();
    tape_ = &tape;
    roots_ = roots;
    depth_ = roots_seen_ = inner_begin_ = inner_end_ = 0;
    start_ = fed_;
    in_text_ = false;
    spaces_.clear();
    fault_.reset();
    open_.clear();
    declarations_.clear();

    const Counting counting{memory_};
    const bool parsed = XML_Parse(parser_, xml.data(), static_cast<int>(xml.size()), 0) == XML_STATUS_OK;
    fed_ += xml.size();
    if (auto fault = verdict(parsed, xml.size())) return fault;
    if (roots_seen_ == 1)
        tape.inner.assign(xml.substr(inner_begin_, inner_end_ - inner_begin_));
    else
        tape.inner.assign(xml);
    return std::nullopt;
}

// expat is content with half a token or an open element: more could come. Here it can't.
std::optional<Fault> TapeParser::verdict(bool parsed, std::size_t length) {
    if (fault_) return fault_;
    if (!parsed) return fault_for(XML_GetErrorCode(parser_));
    if (depth_ != 0 || position() != length) return Fault{StreamCondition::not_well_formed, "unfinished"};
    if (roots_seen_ == 0) return Fault{StreamCondition::not_well_formed, "no element"};
    return std::nullopt;
}

void TapeParser::refuse(StreamCondition condition, std::string_view text) noexcept {
    if (!fault_) fault_ = Fault{condition, text};
    XML_StopParser(parser_, XML_FALSE);
}

std::uint32_t TapeParser::position() const noexcept {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(XML_GetCurrentByteIndex(parser_)) - start_);
}

std::uint32_t TapeParser::position_behind() const noexcept {
    return position() + static_cast<std::uint32_t>(XML_GetCurrentByteCount(parser_));
}

Tape::Span TapeParser::keep(std::string_view text) {
    const Tape::Span span{static_cast<std::uint32_t>(tape_->text.size()), static_cast<std::uint32_t>(text.size())};
    tape_->text += text;
    return span;
}

Tape::Node& TapeParser::add(Tape::Kind kind) {
    auto& node = tape_->nodes.emplace_back();
    node.kind = kind;
    node.next = static_cast<std::uint32_t>(tape_->nodes.size());
    return node;
}

// Once each, however long and however often: a stanza must not grow in here.
Tape::Span TapeParser::keep_space(std::string_view space) {
    const auto found = spaces_.find(space);
    return found != spaces_.end() ? found->second : spaces_.emplace(space, keep(space)).first->second;
}

// "local", "space|local" or "space|local|prefix", where | is the separator
void TapeParser::name_node(Tape::Node& node, const char* triplet) noexcept {
    std::string_view name{triplet};
    if (const auto at = name.find(separator); at != std::string_view::npos) {
        node.space = keep_space(name.substr(0, at));
        name.remove_prefix(at + 1);
    }
    const auto at = name.find(separator);
    if (at == std::string_view::npos) {
        node.name = keep(name);
        return;
    }
    const auto prefix = name.substr(at + 1);
    if (prefix.size() >= std::numeric_limits<decltype(node.prefix)>::max())
        return refuse(StreamCondition::policy_violation, "prefix is too long");
    node.name = keep(prefix);
    keep(":");
    keep(name.substr(0, at));
    node.prefix = static_cast<std::uint16_t>(prefix.size() + 1);
    node.name.length += static_cast<std::uint32_t>(at) + 1;
}

void TapeParser::start_namespace(const char* prefix, const char* uri) noexcept {
    const auto kept = keep(prefix != nullptr ? prefix : "");
    declarations_.push_back({kept, keep(uri != nullptr ? uri : "")});
}

void TapeParser::start_root() noexcept {
    if (++roots_seen_ == 1) {
        inner_begin_ = inner_end_ = position_behind();
        return;
    }
    if (roots_ == Roots::one) return refuse(StreamCondition::not_well_formed, "more than one element");
    // From now on `inner` is the whole text, so what was counted from the first element's inside has to move.
    for (auto& node : tape_->nodes) {
        if (node.kind != Tape::Kind::element) continue;
        node.begin += inner_begin_;
        node.end += inner_begin_;
    }
    inner_begin_ = 0;
}

void TapeParser::start_element(const char* name, const char** attributes) noexcept {
    const bool is_root = depth_ == 0;
    if (is_root) start_root();
    if (fault_) return;
    auto& nodes = tape_->nodes;
    open_.push_back(static_cast<std::uint32_t>(nodes.size()));
    ++depth_;
    in_text_ = false;

    auto& element = add(Tape::Kind::element);
    name_node(element, name);
    element.begin = position() - inner_begin_;   // of the first root it wraps around, and is put right if ever needed
    for (const auto& [prefix, uri] : declarations_) {
        auto& declaration = add(Tape::Kind::declaration);
        declaration.name = prefix;
        declaration.value = uri;
    }
    declarations_.clear();
    for (; *attributes != nullptr; attributes += 2) {
        auto& attribute = add(Tape::Kind::attribute);
        name_node(attribute, attributes[0]);
        attribute.value = keep(attributes[1]);
    }
    note_content(*tape_, open_.back());
}

void TapeParser::end_element() noexcept {
    if (fault_) return;
    if (depth_ == 0) return refuse(StreamCondition::not_well_formed, "end tag without a start");
    auto& node = tape_->nodes[open_.back()];
    open_.pop_back();
    --depth_;
    in_text_ = false;
    node.next = static_cast<std::uint32_t>(tape_->nodes.size());
    node.end = position_behind() - inner_begin_;
    // An empty element's end is reported behind its only tag, where `inner` has already both begun and ended.
    if (depth_ == 0 && roots_seen_ == 1) inner_end_ = position();
}

void TapeParser::characters(std::string_view run) noexcept {
    if (fault_) return;
    if (depth_ == 0) {
        if (roots_ == Roots::one || !is_white(run)) refuse(StreamCondition::bad_format, "text outside of elements");
        return;
    }
    const auto kept = keep(run);
    if (in_text_) {
        tape_->nodes.back().value.length += kept.length;
        return;
    }
    in_text_ = true;
    add(Tape::Kind::text).value = kept;
}

void TapeParser::xml_declaration(const char* encoding) noexcept {
    if (encoding != nullptr && strcasecmp(encoding, "UTF-8") != 0)
        refuse(StreamCondition::unsupported_encoding, "only UTF-8 is spoken here");   // RFC 6120 §11.6
}

}   // namespace tambo
