#pragma once

// Origins: the upstreams that have the last word on read-through keys. All are read-only here.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tiers/regional.h"
#include "tiers/upstream.h"

namespace terrace::runtime {
class Loop;
}

namespace terrace::tiers {

// An HTTP(S) server. The URL of a key comes from a template with a fixed scheme and host:
//   {key}    the whole key, percent-encoded (a slash too)
//   {key:N}  the N-th part of the key split at ':', from 0, percent-encoded; a key that has no such
//            part is absent without asking
// Statuses: 200 is the value; 204, 404 and 410 are absent; anything else is a failure.
// Cache-Control max-age / s-maxage (minus Age) is the value's lifetime, from when it was asked for;
// no-store, private and no-cache make the value not storable.
struct HttpOriginOptions {
  std::string name;
  std::string url;  // e.g. "https://api.example.com/v1/{key:0}/{key:1}"
  int64_t connect_timeout_ms = 1000;
  size_t concurrency_max = 64;  // requests on the wire
  size_t queue_max = 10000;     // requests waiting for one of them; beyond it kOverloaded
  std::string ca_file;          // empty: the system's certificates
  std::string authorization;    // value of an Authorization header, or empty
};

// A directory of files: the value of key K is the content of the file named K, percent-encoded
// where a byte is not [A-Za-z0-9._-] after splitting at '/' (so "user/1" is a file in a folder).
// Never leaves the directory, whatever the key: "..", absolute paths, empty parts, NUL and symbolic
// links out of it are absent.
struct DirectoryOriginOptions {
  std::string name;
  std::string path;
  size_t concurrency_max = 16;
  size_t queue_max = 10000;
};

// Checks a template without making an origin; empty when it is good, else what is wrong with it.
std::string CheckUrlTemplate(const std::string& url);

std::unique_ptr<Upstream> NewHttpOrigin(HttpOriginOptions options, runtime::Loop* loop);
std::unique_ptr<Upstream> NewDirectoryOrigin(DirectoryOriginOptions options, runtime::Loop* loop);
// Another Redis: whole values of every type by DUMP and PTTL. Refuses Put and Invalidate.
std::unique_ptr<Upstream> NewRedisOrigin(RegionalOptions options, runtime::Loop* loop,
                                         uint64_t seed);

}  // namespace terrace::tiers
