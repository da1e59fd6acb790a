#pragma once

// Listpack: a list of strings and integers in one block of bytes, in the format Redis puts into
// dumps and RDB files, so that small hashes, sets and sorted sets are dumped and restored by copy.
//
// Layout: u32 bytes in all | u16 entries (65535 = count them) | entries | 0xFF, little-endian. An
// entry is an encoding byte with a length or an integer, the string, then the entry's own length
// written so that it is read backwards.
//
// Promises:  text that is a canonical integer is stored as one; the block is never larger than
//            kBytesMax (callers convert long before that).
// Ownership: owns its block; views and positions die with the next change.
// Units:     a Position is an offset in bytes into the block.
// Errors:    FromBytes refuses any block whose walk would leave it; nothing else can fail.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/numbers.h"

namespace terrace::keyspace {

class Listpack {
 public:
  using Position = uint32_t;
  static constexpr Position kNone = 0;
  static constexpr size_t kBytesMax = size_t{1} << 30;

  // What an entry holds: text, or a number whose decimal form is the text.
  struct Value {
    std::string_view text;
    int64_t number = 0;
    bool is_number = false;

    std::string_view Text(base::Int64Text& buffer) const {
      return is_number ? base::FormatInt64(number, buffer) : text;
    }
  };

  Listpack();
  ~Listpack();
  Listpack(Listpack&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Listpack& operator=(Listpack&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  Listpack(const Listpack& other);
  Listpack& operator=(const Listpack&) = delete;

  // Checks every offset of untrusted bytes and copies them; nullopt if any is out of place.
  [[nodiscard]] static std::optional<Listpack> FromBytes(std::string_view bytes);
  [[nodiscard]] static bool IsValid(std::string_view bytes);

  std::string_view bytes() const { return {reinterpret_cast<const char*>(data_), total_bytes()}; }
  size_t total_bytes() const;
  size_t heap_bytes() const;
  size_t size() const;
  bool empty() const { return First() == kNone; }

  // Walking; kNone past either end.
  Position First() const;
  Position Last() const;
  Position Next(Position at) const;
  Position Previous(Position at) const;
  // Negative indexes count from the end.
  Position At(int64_t index) const;

  Value Get(Position at) const;
  bool Equals(Position at, std::string_view text) const;

  // The first entry equal to text at `from` or after it, looking only at every (skip+1)th entry.
  Position Find(Position from, std::string_view text, size_t skip) const;

  void Append(std::string_view text);
  void Append(int64_t number);
  // Before `at`, or at the end for kNone. Returns the new entry's position.
  Position Insert(Position at, std::string_view text);
  Position Insert(Position at, int64_t number);
  // Returns the position of the entry, which stays where it was.
  Position Replace(Position at, std::string_view text);
  Position Replace(Position at, int64_t number);
  // Erases up to count entries from `at`; returns what follows them.
  Position Erase(Position at, size_t count = 1);

  // What the block would grow by for one more entry, at most.
  static size_t EntryBytesMax(size_t text_bytes) { return text_bytes + 10; }

  // A holder that owns the block elsewhere (a tagged pointer) takes and gives it back here.
  uint8_t* Release() { return std::exchange(data_, nullptr); }
  static Listpack Adopt(uint8_t* data) { return Listpack(data); }

 private:
  explicit Listpack(uint8_t* data) : data_(data) {}
  struct Encoded;

  Position Splice(Position at, size_t old_bytes, const Encoded* entry, int count_change);
  void SetCount(size_t count);
  size_t header_count() const;

  uint8_t* data_;
};

}  // namespace terrace::keyspace
