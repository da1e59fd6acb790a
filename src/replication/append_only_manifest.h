#pragma once

// AppendOnlyManifest: which files an append-only directory consists of, in the order in which they
// are loaded, as Redis 7 writes them down:
//
//   file appendonly.aof.2.base.rdb seq 2 type b
//   file appendonly.aof.3.incr.aof seq 3 type i
//
// Promises: Write leaves the old manifest or the new one, whatever happens.
// Threads:  confined to whoever holds it.
// Errors:   texts; "": done.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::replication {

struct AppendOnlyManifest {
  struct File {
    std::string name;
    int64_t sequence = 0;
  };
  std::optional<File> base;
  std::vector<File> increments;  // changes since the base
  std::vector<File> history;     // of no use any more, to be removed

  bool empty() const { return !base && increments.empty(); }
  int64_t NextBase() const;
  int64_t NextIncrement() const;

  std::string Format() const;
  // Replaces this.
  [[nodiscard]] std::string Parse(std::string_view text);

  // Replaces this: by nothing where there is no such file.
  [[nodiscard]] std::string Read(const std::string& path);
  [[nodiscard]] std::string Write(const std::string& path) const;
};

}  // namespace terrace::replication
