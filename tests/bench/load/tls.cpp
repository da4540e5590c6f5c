#include <memory>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "connection.hpp"

namespace bench {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void spare_memory(SSL_CTX* context) {
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

Certificate self_signed(EVP_PKEY* key) {
    constexpr long day = 86400;
    Certificate certificate{X509_new(), &X509_free};
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -day);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 365 * day);
    X509_set_pubkey(certificate.get(), key);
    auto* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                               -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_sign(certificate.get(), key, EVP_sha256());
    return certificate;
}

}   // namespace

TlsContext client_tls() {
    TlsContext context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    SSL_CTX_set_cert_verify_callback(context.get(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    SSL_CTX_set1_groups_list(context.get(), "X25519");
    SSL_CTX_set1_sigalgs_list(context.get(), "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256");
    SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    spare_memory(context.get());
    return context;
}

TlsContext server_tls() {
    TlsContext context{SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
    const Key key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
    const auto certificate = self_signed(key.get());
    SSL_CTX_use_certificate(context.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    SSL_CTX_set_num_tickets(context.get(), 0);
    spare_memory(context.get());
    return context;
}

}   // namespace bench
