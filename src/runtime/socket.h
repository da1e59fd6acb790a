#pragma once

// Listening sockets. Every function is non-blocking except for the name look-up in ListenTcp, which
// runs at start-up only.
//
// Errors: -1 with the reason in error, for people.

#include <cstdint>
#include <string>

namespace terrace::runtime {

// host: an address or a name; "*" every IPv4 address, "::*" every IPv6 address.
int ListenTcp(const std::string& host, int port, int backlog, std::string* error);
// permissions as for chmod; 0 leaves them as created. Replaces a socket file that is there.
int ListenUnix(const std::string& path, int permissions, int backlog, std::string* error);

enum class AcceptStatus : uint8_t {
  kAccepted,
  kNone,       // nobody is waiting
  kRetry,      // that one went away; ask again
  kExhausted,  // no descriptors or memory left: try again later
};
struct AcceptResult {
  AcceptStatus status;
  int fd;
};
AcceptResult Accept(int listener, int keepalive_s);

}  // namespace terrace::runtime
