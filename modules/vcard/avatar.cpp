#include "avatar.hpp"

#include <stdexcept>

#include <openssl/evp.h>

#include <tambo/bytes.hpp>

namespace tambo::vcard {

namespace {

// §4.5: white space is part of how the picture may be written, not of the picture.
std::string without_white_space(std::string_view text) {
    std::string rest{text};
    std::erase_if(rest, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
    return rest;
}

std::string sha1(std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha1(), nullptr) != 1)
        throw std::runtime_error{"OpenSSL has no SHA-1"};
    return hex({reinterpret_cast<const char*>(digest), size});
}

}   // namespace

std::string picture_hash(Element card) {
    const auto picture = from_base64(without_white_space(card.child("PHOTO").child("BINVAL").text()));
    return picture && !picture->empty() ? sha1(*picture) : std::string{};
}

Claim claim_of(const Stanza& presence) {
    const auto update = presence.child("x", update_space);
    if (!update) return Claim::nothing;
    const auto photo = update.child("photo");
    if (!photo) return Claim::not_ready;
    return photo.text().empty() ? Claim::no_picture : Claim::picture;
}

bool announce(Stanza& presence, std::string_view hash) {
    const auto told = presence.child("x", update_space).child("photo");
    if (told && told.text() == hash) return false;
    while (const auto old = presence.child("x", update_space)) presence.remove(old);
    Writer update;
    update.element("x", update_space).element("photo");
    if (!hash.empty()) update.text(hash);
    presence.append(update.take());
    return true;
}

}   // namespace tambo::vcard
