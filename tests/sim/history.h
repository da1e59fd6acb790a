#pragma once

// History: what the clients asked and were answered, and whether one sequential store could have
// said the same.
//
// Written keys: per key, a search for an order of its operations that respects real time (an
// operation answered before another was asked comes first) and in which every answer is what a
// plain map would say. A write whose outcome is unknown may come at any time, or never. So a stale
// read, a lost update, a value from nowhere and a value read after its lifetime all show up as "no
// such order". Values are unique: they name key, writer and number.
//
// Read-through keys: the origin's versions are numbered; a read must not be older than the last
// version whose invalidation was acknowledged before the read was asked, nor newer than the origin.
//
// Units: microseconds of virtual time.

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::sim {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

enum class Kind : uint8_t {
  kGet,
  kExists,
  kSet,    // argument; lifetime_us where it has one
  kSetNx,  // argument
  kIncr,
  kAppend,  // argument
  kDel,
  kGetDel,
  kExpire,  // lifetime_us
};

struct Operation {
  Kind kind = Kind::kGet;
  std::string key;
  std::string argument;
  int64_t lifetime_us = kNever;
  int64_t asked_us = 0;
  int64_t answered_us = kNever;  // kNever: the outcome is unknown
  // The answer; meaningful when answered_us is not kNever.
  std::optional<std::string> value;  // of kGet, kGetDel; of kSetNx "OK"
  int64_t number = 0;                // of kIncr, kAppend, kDel, kExists, kExpire

  bool is_read() const { return kind == Kind::kGet || kind == Kind::kExists; }
  std::string ToString() const;
};

// How Check ends when it cannot tell.
inline constexpr std::string_view kTooTangled = "too tangled to check";

class History {
 public:
  void Add(Operation operation) { by_key_[operation.key].push_back(std::move(operation)); }
  // What a key reads as when nothing has been written to it, or was deleted.
  void SetDefault(const std::string& key, std::string value) { defaults_[key] = std::move(value); }

  // "" when every key is explained, else the first one that is not.
  std::string Check() const;
  size_t size() const;

 private:
  std::map<std::string, std::vector<Operation>> by_key_;
  std::map<std::string, std::string> defaults_;
};

}  // namespace terrace::sim
