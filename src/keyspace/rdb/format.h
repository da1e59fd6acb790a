#pragma once

// The constants of Redis's RDB object serialisation, as DUMP, RESTORE and RDB files carry it.

#include <cstddef>
#include <cstdint>

namespace terrace::keyspace::rdb {

// The tag before each value. 6 to 8 are modules and never values of ours.
enum ValueTag : uint8_t {
  kStringTag = 0,
  kListTag = 1,
  kSetTag = 2,
  kZsetTextTag = 3,  // scores as text
  kHashTag = 4,
  kZsetTag = 5,  // scores as binary doubles
  kHashZipmapTag = 9,
  kListZiplistTag = 10,
  kSetIntsetTag = 11,
  kZsetZiplistTag = 12,
  kHashZiplistTag = 13,
  kListQuicklistTag = 14,  // of ziplists
  kStreamTag = 15,
  kHashListpackTag = 16,
  kZsetListpackTag = 17,
  kListQuicklist2Tag = 18,  // of listpacks and plain nodes
  kStream2Tag = 19,         // + first id, max deleted id, entries added, entries read
  kSetListpackTag = 20,
  kStream3Tag = 21,         // + active time of consumers
  kHashFieldTtlRcTag = 22,  // 7.4 release candidates: absolute field deadlines
  kHashListpackTtlRcTag = 23,
  kHashFieldTtlTag = 24,  // 7.4: field deadlines relative to the earliest one
  kHashListpackTtlTag = 25,
};

// The second byte-pair of a length whose two top bits are set: what follows instead of raw bytes.
enum StringEncoding : uint8_t { kInt8 = 0, kInt16 = 1, kInt32 = 2, kLzf = 3 };

// What is written can be restored by every Redis since 5, unless the value or the caller asks for
// more; what is read may be as new as 7.4.
inline constexpr uint16_t kVersionWritten = 9;
inline constexpr uint16_t kVersionOfStream2 = 10;   // Redis 7.0
inline constexpr uint16_t kVersionOfStream3 = 11;   // Redis 7.2
inline constexpr uint16_t kVersionOfFieldTtl = 12;  // Redis 7.4
inline constexpr uint16_t kVersionMax = 12;
inline constexpr size_t kFooterSize = 10;  // version, 2 bytes, and checksum, 8 bytes, little-endian

}  // namespace terrace::keyspace::rdb
