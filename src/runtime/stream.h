#pragma once

// Stream: a connected byte stream to a client, non-blocking. The real one is a socket on a Loop;
// the simulation has its own.
//
// Threads: the owner's loop.

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/loop.h"

namespace terrace::runtime {

inline constexpr ssize_t kWouldBlock = -1;  // nothing can be read or written now
inline constexpr ssize_t kBroken = -2;      // the connection failed
// 0 from Read: the peer has closed its side.

class Stream {
 public:
  virtual ~Stream() = default;
  virtual ssize_t Read(char* buffer, size_t size) = 0;
  virtual ssize_t Write(const char* bytes, size_t size) = 0;
  // Which events on_events is told of, from now on (kReadable | kWritable).
  virtual void SetEvents(int events) = 0;
  virtual int fd() const { return -1; }
  virtual std::string peer_address() const = 0;  // "127.0.0.1:1234" or the socket's path
  virtual std::string local_address() const = 0;
  virtual bool is_unix() const { return false; }
  virtual bool is_loopback() const { return true; }
};

// Takes the descriptor over; it is made non-blocking already.
std::unique_ptr<Stream> NewSocketStream(Loop* loop, int fd, base::Function<void(int)> on_events);

}  // namespace terrace::runtime
