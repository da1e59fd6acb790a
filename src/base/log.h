#pragma once

// Log: structured lines, one per change of state: an event name and its fields.
//
//   log.Notice("regional_connected", {{"name", "main"}, {"generation", "3"}});
//   2026-01-02T03:04:05.678Z notice regional_connected name=main generation=3
//
// Promises: no more than kLinesPerSecondMax lines of one event a second; what was left out is told
//           in the next line of that event (suppressed=N).
// Threads:  internally locked.

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace terrace::base {

class Log {
 public:
  enum class Level : uint8_t { kDebug, kVerbose, kNotice, kWarning };
  enum class Format : uint8_t { kText, kJson };
  struct Field {
    std::string_view name;
    std::string value;
  };
  using Fields = std::initializer_list<Field>;

  static constexpr int kLinesPerSecondMax = 10;

  // clock outlives the log. Writes to standard output until OpenFile.
  explicit Log(const Clock* clock) : clock_(clock) {}
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Appends to this file from now on; empty: standard output. False when it cannot be opened.
  bool OpenFile(const std::string& path);
  void set_level(Level level);
  void set_format(Format format);

  void Write(Level level, std::string_view event, Fields fields);
  void Debug(std::string_view event, Fields fields) { Write(Level::kDebug, event, fields); }
  void Verbose(std::string_view event, Fields fields) { Write(Level::kVerbose, event, fields); }
  void Notice(std::string_view event, Fields fields) { Write(Level::kNotice, event, fields); }
  void Warning(std::string_view event, Fields fields) { Write(Level::kWarning, event, fields); }

 private:
  struct Rate {
    int64_t second = 0;
    int lines = 0;
    uint64_t suppressed = 0;
  };

  const Clock* const clock_;
  std::mutex mutex_;
  // All below guarded by mutex_.
  std::FILE* file_ = stdout;
  Level level_ = Level::kNotice;
  Format format_ = Format::kText;
  std::map<std::string, Rate, std::less<>> rates_;
};

}  // namespace terrace::base
