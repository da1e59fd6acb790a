#pragma once

// Slowlog: the last commands that took long, for SLOWLOG. A ring in memory, oldest entries leave.
//
// Threads: thread-safe.
// Units:   microseconds; Unix seconds.

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command.h"

namespace terrace::server {

struct SlowlogEntry {
  uint64_t id = 0;
  int64_t unix_s = 0;
  int64_t duration_us = 0;
  std::vector<std::string> args;  // shortened where there are many or long ones
  std::string client_address;
  std::string client_name;
};

class Slowlog {
 public:
  // More arguments, and more bytes of one, are only counted.
  static constexpr size_t kArgumentsMax = 32;
  static constexpr size_t kArgumentBytesMax = 128;

  void set_length_max(size_t length_max);
  void Add(commands::Args args, SlowlogEntry entry);
  // The newest first, at most count.
  std::vector<SlowlogEntry> Newest(size_t count) const;
  size_t size() const;
  void Clear();

 private:
  mutable std::mutex mutex_;
  std::deque<SlowlogEntry> entries_;  // the newest in front
  size_t length_max_ = 128;
  uint64_t next_id_ = 0;
};

}  // namespace terrace::server
