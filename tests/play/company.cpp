#include "company.hpp"

#include <array>
#include <stdexcept>
#include <utility>

#include <tambo/xml.hpp>

#include "../funxmpp/trees.hpp"
#include "funxmpp_wire.hpp"

namespace play {

namespace fun = tambo::funxmpp;

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;

/// One direction of one dialect.
class Detour {
public:
    explicit Detour(fun::Dialect dialect) : encoder_(dialect), decoder_(dialect, {.text = most_bytes}) {}

    void must_keep(const tambo::Tape& tape) {
        std::string payload;
        tambo::Tape arrived;
        if (!encoder_.encode(tape, payload, &sent_)) throw std::runtime_error{"FunXMPP can't say this"};
        const auto decoded = decoder_.decode(payload, arrived, &heard_);
        if (decoded.kind != fun::Decoded::Kind::node)
            throw std::runtime_error{"FunXMPP can't be read: " + std::string{fun::to_string(decoded.fault)}};
        if (const auto before = fun::told(tape), after = fun::told(arrived); before != after)
            throw std::runtime_error{"FunXMPP made of\n" + before + "this:\n" + after};
        if (sent_ != heard_) throw std::runtime_error{"the slots of both ends differ"};
    }

private:
    fun::Encoder encoder_;
    fun::Decoder decoder_;
    fun::Slots sent_, heard_;
};

/// One direction of one connection. What is no XML is none of its business.
class Recording {
public:
    void hear(std::string_view bytes) {
        std::vector<StreamPiece> pieces;
        splitter_.feed(bytes, pieces);
        for (const auto& piece : pieces) {
            if (piece.kind != StreamPiece::Kind::element) continue;
            const auto tape = tambo::parse_xml(piece.xml);
            if (!tape) continue;   // an undeclared prefix, say
            for (auto& detour : detours_) detour.must_keep(*tape);
        }
    }

private:
    XmlSplitter splitter_;
    std::array<Detour, 3> detours_{Detour{fun::Dialect::classic}, Detour{fun::Dialect::md}, Detour{fun::Dialect::page}};
};

class RecordedWire final : public Wire {
public:
    explicit RecordedWire(std::unique_ptr<Wire> below) : below_(std::move(below)) {}

    void write(std::string_view bytes) override {
        said_.hear(bytes);
        below_->write(bytes);
    }
    std::string read(std::chrono::milliseconds patience) override {
        auto bytes = below_->read(patience);
        heard_.hear(bytes);
        return bytes;
    }

private:
    std::unique_ptr<Wire> below_;
    Recording said_, heard_;
};

/// The stage that it was given, but for the wires.
class OtherWires : public Stage {
public:
    explicit OtherWires(std::unique_ptr<Stage> stage) : stage_(std::move(stage)) {}

    std::unique_ptr<Wire> connect() override { return dress(stage_->connect()); }
    void add_user(const std::string& user, const std::string& password) override { stage_->add_user(user, password); }
    void settle() override { stage_->settle(); }
    void pass(std::chrono::milliseconds time) override { stage_->pass(time); }
    void restart() override { stage_->restart(); }
    std::string log() const override { return stage_->log(); }
    tambo::Server* server() noexcept override { return stage_->server(); }

private:
    virtual std::unique_ptr<Wire> dress(std::unique_ptr<Wire> wire) = 0;
    std::unique_ptr<Stage> stage_;
};

class InTongues final : public OtherWires {
public:
    InTongues(std::unique_ptr<Stage> stage, std::vector<Tongue> tongues)
        : OtherWires(std::move(stage)), tongues_(std::move(tongues)) {}

private:
    std::unique_ptr<Wire> dress(std::unique_ptr<Wire> wire) override {
        return dressed(std::move(wire), tongues_[next_++ % tongues_.size()]);
    }
    std::vector<Tongue> tongues_;
    std::size_t next_ = 0;
};

class Recorded final : public OtherWires {
public:
    using OtherWires::OtherWires;

private:
    std::unique_ptr<Wire> dress(std::unique_ptr<Wire> wire) override {
        return std::make_unique<RecordedWire>(std::move(wire));
    }
};

}   // namespace

std::unique_ptr<Wire> dressed(std::unique_ptr<Wire> wire, Tongue tongue) {
    using fun::Dialect;
    using Entry = FunXmppWire::Entry;
    const auto binary = [&](Dialect dialect, Entry entry) {
        return std::make_unique<FunXmppWire>(std::move(wire), dialect, entry);
    };
    switch (tongue) {
        case Tongue::classic:
            return binary(Dialect::classic, Entry::direct);
        case Tongue::page:
            return binary(Dialect::page, Entry::direct);
        case Tongue::classic_by_feature:
            return binary(Dialect::classic, Entry::feature);
        case Tongue::page_by_feature:
            return binary(Dialect::page, Entry::feature);
        case Tongue::xml:
            break;
    }
    return wire;
}

std::unique_ptr<Stage> in_tongues(std::unique_ptr<Stage> stage, std::vector<Tongue> tongues) {
    return std::make_unique<InTongues>(std::move(stage), std::move(tongues));
}

std::unique_ptr<Stage> recorded(std::unique_ptr<Stage> stage) { return std::make_unique<Recorded>(std::move(stage)); }

}   // namespace play
