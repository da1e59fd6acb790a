#pragma once

// The constants of Redis's RDB files around the values, which are those of keyspace/rdb/format.h.

#include <cstdint>
#include <string_view>

namespace terrace::replication {

inline constexpr std::string_view kRdbMagic = "REDIS";  // then the version in four digits
inline constexpr uint16_t kRdbVersionOfFunctions = 10;  // Redis 7.0
inline constexpr uint16_t kRdbVersionOfChecksum = 5;    // Redis 2.6

// What stands where a value's tag could.
enum RdbOpcode : uint8_t {
  kSlotInfo = 244,         // clusters of Redis 8: slot, keys, keys with a deadline
  kFunction = 245,         // the code of a library
  kOldFunction = 246,      // of release candidates of Redis 7.0
  kModuleAux = 247,        // what a module keeps beside its keys
  kIdle = 248,             // of the next key: seconds since its last use
  kFrequency = 249,        // of the next key: its LFU counter
  kAux = 250,              // a name and a text about the file
  kResizeDatabase = 251,   // how many keys, and keys with a deadline, will follow
  kDeadlineMs = 252,       // of the next key: Unix time, 8 bytes
  kDeadlineSeconds = 253,  // the same in 4 bytes
  kSelectDatabase = 254,
  kEndOfFile = 255,
};

}  // namespace terrace::replication
