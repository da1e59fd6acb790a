#pragma once

// TlsServer: an HTTPS server on a free loopback port, with a certificate of its own making for one
// host name or address. Every request is answered with the same bytes over kept-alive connections,
// one connection at a time.
//
// Threads: one of its own, joined by the destructor.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"

namespace terrace::test {

class TlsServer {
 public:
  // subject is the alternative name of the certificate, such as "IP:127.0.0.1" or "DNS:localhost".
  TlsServer(const std::string& subject, std::string answer)
      : answer_(std::move(answer)), context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
    MakeCertificate(subject);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    TERRACE_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TERRACE_CHECK(listen(listener_, 64) == 0);
    TERRACE_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~TlsServer() {
    stopping_ = true;
    thread_.join();
    close(listener_);
  }

  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  const std::string& certificate_pem() const { return certificate_pem_; }
  int connections() const { return connections_; }  // whose handshake succeeded
  int requests() const { return requests_; }

 private:
  template <typename T>
  using Owned = std::unique_ptr<T, void (*)(T*)>;

  void MakeCertificate(const std::string& subject) {
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const Owned<X509> certificate(X509_new(), &X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, subject.c_str());
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
    TERRACE_CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
    TERRACE_CHECK(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
    TERRACE_CHECK(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
    BIO* text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(text, certificate.get());
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(text, &bytes);
    certificate_pem_.assign(bytes, static_cast<size_t>(size));
    BIO_free(text);
  }

  // False when the server is to stop.
  bool WaitReadable(int fd) const {
    while (!stopping_) {
      pollfd waiting{fd, POLLIN, 0};
      if (poll(&waiting, 1, 5) > 0) return true;
    }
    return false;
  }

  void Serve() {
    while (WaitReadable(listener_)) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const Owned<SSL> tls(SSL_new(context_.get()), &SSL_free);
      SSL_set_fd(tls.get(), fd);
      if (SSL_accept(tls.get()) == 1) {
        ++connections_;
        Answer(fd, tls.get());
      }
      close(fd);
    }
  }

  void Answer(int fd, SSL* tls) {
    std::string unread;
    while (WaitReadable(fd)) {
      char bytes[4096];
      const int count = SSL_read(tls, bytes, sizeof(bytes));
      if (count <= 0) return;
      unread.append(bytes, static_cast<size_t>(count));
      if (!unread.ends_with("\r\n\r\n")) continue;
      unread.clear();
      ++requests_;
      if (SSL_write(tls, answer_.data(), static_cast<int>(answer_.size())) <= 0) return;
    }
  }

  const std::string answer_;
  const Owned<SSL_CTX> context_;
  std::string certificate_pem_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

}  // namespace terrace::test
