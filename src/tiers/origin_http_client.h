#pragma once

// HttpClient: GET requests over kept-alive HTTP/1.1 connections, driven by a Loop. The only part
// that knows libcurl.
//
// Promises:  an end is reported once for each request that is not aborted, never inside Get. A
//            response is complete or an error: one that ends within its headers or before its
//            length or its encoding is never passed on. Bytes a server sent on an idle connection
//            are never taken for an answer. No redirects, proxies, cookies or netrc.
// Ownership: destroyed with requests under way it drops them unreported.
// Threads:   loop-confined; names are resolved on threads of libcurl's own.
// Requires:  SIGPIPE is ignored by the process (OpenSSL writes without MSG_NOSIGNAL).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/task.h"

namespace terrace::runtime {
class Loop;
}

namespace terrace::tiers {

struct HttpResponse {
  enum class End : uint8_t {
    kComplete,
    kTooLarge,     // the body was longer than body_bytes_max
    kUnreachable,  // could not connect, or the connection was lost
    kProtocol,     // not HTTP as it should be
  };
  End end = End::kComplete;
  std::string detail;  // unless kComplete: why, printable
  long status = 0;
  int64_t took_ms = 0;  // from the request to the end of the body
  std::string body;     // only of status 200
  // Headers, repeated ones joined with ", ".
  std::string cache_control;
  std::string age;
  std::string expires;
  std::string date;
};

struct HttpClientOptions {
  int64_t connect_timeout_ms = 1000;
  size_t idle_connections_max = 64;
  std::string ca_file;        // empty: the system's certificates
  std::string authorization;  // value of an Authorization header, or empty
};

class HttpClient {
 public:
  // id is the caller's own.
  using OnEnd = base::Function<void(uint64_t id, HttpResponse response)>;

  HttpClient(HttpClientOptions options, runtime::Loop* loop, OnEnd on_end);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // body_bytes_max 0 means no limit.
  void Get(uint64_t id, const std::string& url, size_t body_bytes_max);

  // Gives a request up and closes its connection. REQUIRES: its end has not been reported. Not
  // inside Get; inside OnEnd it is fine.
  void Abort(uint64_t id);

  // Aborts everything and closes all connections. No calls after it.
  void Close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace terrace::tiers
