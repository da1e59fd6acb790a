#pragma once

// Readers of the compact blocks that listpacks replaced: the ziplist (up to Redis 6.2) and the
// zipmap (up to 2.4). They are only ever decoded.
//
//   ziplist: u32 bytes | u32 last entry | u16 entries | entries | 0xFF; an entry is the length of
//            the entry before it, an encoding byte with a length or an integer, and the text.
//   zipmap:  u8 pairs | pairs | 0xFF; a pair is length, field, length, spare count, value, spare.
//
// Promises:  nothing outside the given bytes is read, whatever they hold.
// Ownership: values are views into the bytes.
// Errors:    false from Next with ok() true is the end, with ok() false the bytes are malformed.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keyspace/types/listpack.h"

namespace terrace::keyspace::rdb {

class ZiplistReader {
 public:
  explicit ZiplistReader(std::string_view bytes);
  bool Next(Listpack::Value* value);
  bool ok() const { return ok_; }

 private:
  bool Fail();
  bool SkipPreviousLength();
  bool Text(size_t head_size, size_t size, Listpack::Value* value);
  bool Integer(size_t size, Listpack::Value* value);

  std::string_view rest_;
  bool ok_ = true;
};

class ZipmapReader {
 public:
  explicit ZipmapReader(std::string_view bytes);
  bool Next(std::string_view* field, std::string_view* value);
  bool ok() const { return ok_; }

 private:
  bool Fail();
  bool Length(size_t* length);
  bool Take(size_t size, std::string_view* bytes);

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace terrace::keyspace::rdb
