// A certificate for a server that was given none: encrypted from the first start, to be trusted by hand.
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "net/ascii_name.hpp"
#include "net/openssl.hpp"
#include "net/tls.hpp"

namespace tambo {

namespace {

using openssl::Free;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

constexpr long valid_days = 3652;                     // ten years
constexpr std::size_t max_common_name = 64;           // X.520 ub-common-name
constexpr auto xmpp_addr_oid = "1.3.6.1.5.5.7.8.5";   // RFC 6120 §13.7.1.4

void must(bool done) {
    if (!done) throw std::runtime_error{fmt::format("cannot make a certificate: {}", openssl::take_error())};
}

GENERAL_NAME* address_name(const std::string& address) {
    ASN1_OCTET_STRING* bytes = a2i_IPADDRESS(address.c_str());
    if (!bytes) return nullptr;
    GENERAL_NAME* name = GENERAL_NAME_new();
    must(name);
    GENERAL_NAME_set0_value(name, GEN_IPADD, bytes);
    return name;
}

GENERAL_NAME* dns_name(const std::string& domain) {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    GENERAL_NAME* name = GENERAL_NAME_new();
    must(text && name && ASN1_STRING_set(text, domain.data(), static_cast<int>(domain.size())));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    return name;
}

GENERAL_NAME* xmpp_name(const std::string& domain) {
    ASN1_TYPE* value = ASN1_TYPE_new();
    ASN1_UTF8STRING* text = ASN1_UTF8STRING_new();
    GENERAL_NAME* name = GENERAL_NAME_new();
    must(value && text && name && ASN1_STRING_set(text, domain.data(), static_cast<int>(domain.size())));
    ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
    GENERAL_NAME_set0_othername(name, OBJ_txt2obj(xmpp_addr_oid, 1), value);
    return name;
}

Names all_names(const std::vector<std::string>& domains) {
    Names names{GENERAL_NAMES_new()};
    must(names != nullptr);
    const auto push = [&](GENERAL_NAME* name) { must(sk_GENERAL_NAME_push(names.get(), name) > 0); };
    for (const auto& domain : domains) {
        GENERAL_NAME* address = address_name(domain);
        push(address ? address : dns_name(ascii_name(domain)));
        push(xmpp_name(domain));
    }
    return names;
}

void add_extension(X509* certificate, int nid, const char* value) {
    X509V3_CTX context{};
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension{
        X509V3_EXT_conf_nid(nullptr, &context, nid, value)};
    must(extension && X509_add_ext(certificate, extension.get(), -1));
}

void set_serial(X509* certificate) {
    std::array<unsigned char, 8> random{};
    must(RAND_bytes(random.data(), random.size()) == 1);
    std::uint64_t serial = 1;
    for (const unsigned char byte : random) serial = serial << 8 | byte;
    must(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1));   // RFC 5280 §4.1.2.2: positive
}

void set_name(X509* certificate, const std::string& domain) {
    X509_NAME* name = X509_get_subject_name(certificate);
    const auto text = domain.substr(0, max_common_name);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0));
    must(X509_set_issuer_name(certificate, name));
}

X509Ptr sign(EVP_PKEY* key, const std::vector<std::string>& domains) {
    X509Ptr certificate{X509_new()};
    X509* raw = certificate.get();
    must(raw && X509_set_version(raw, X509_VERSION_3));
    set_serial(raw);
    set_name(raw, ascii_name(domains.front()));
    must(X509_time_adj_ex(X509_getm_notBefore(raw), -1, 0, nullptr));   // a day back: clients' clocks are wrong too
    must(X509_time_adj_ex(X509_getm_notAfter(raw), valid_days, 0, nullptr));
    must(X509_set_pubkey(raw, key));
    const Names names = all_names(domains);
    must(X509_add1_ext_i2d(raw, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1);
    add_extension(raw, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(raw, NID_key_usage, "critical,digitalSignature");
    add_extension(raw, NID_ext_key_usage, "serverAuth");
    add_extension(raw, NID_subject_key_identifier, "hash");
    must(X509_sign(raw, key, EVP_sha256()) > 0);
    return certificate;
}

std::string text_of(BIO* memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<std::size_t>(size)};
}

/// All or nothing: written beside, made durable, renamed.
void save(const std::filesystem::path& file, std::string_view text, mode_t mode) {
    const std::filesystem::path beside = file.native() + ".new";
    const auto complain = [&](bool done) {
        if (!done) throw std::system_error{errno, std::generic_category(), "cannot write " + beside.native()};
    };
    ::unlink(beside.c_str());   // left by a crash; the mode below is for new files only
    const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    complain(descriptor >= 0);
    const bool kept =
        ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(descriptor) == 0;
    ::close(descriptor);
    complain(kept);
    std::filesystem::rename(beside, file);
}

}   // namespace

TlsStore::Certificate TlsStore::make_self_signed(const std::filesystem::path& folder,
                                                 const std::vector<std::string>& domains) {
    if (domains.empty()) throw std::runtime_error{"cannot make a certificate for no domain"};
    Certificate made{domains.front(), folder / "chain.pem", folder / "key.pem"};
    if (std::filesystem::exists(made.chain) && std::filesystem::exists(made.key)) return made;
    std::filesystem::create_directories(folder);

    const Key key{EVP_EC_gen("P-256")};
    must(key != nullptr);
    const X509Ptr certificate = sign(key.get(), domains);
    const Bio key_text{BIO_new(BIO_s_mem())};
    const Bio chain_text{BIO_new(BIO_s_mem())};
    must(key_text && PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
    must(chain_text && PEM_write_bio_X509(chain_text.get(), certificate.get()));
    // The chain comes last: as long as it is missing, both are made again.
    std::filesystem::remove(made.chain);
    save(made.key, text_of(key_text.get()), 0600);
    save(made.chain, text_of(chain_text.get()), 0644);
    return made;
}

}   // namespace tambo
