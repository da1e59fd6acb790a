#include "keyspace/rdb/old_packs.h"

namespace terrace::keyspace::rdb {
namespace {

constexpr uint8_t kEnd = 0xff;
constexpr size_t kZiplistHeaderBytes = 10;
constexpr uint8_t kLongPreviousLength = 0xfe;
constexpr uint8_t kZiplistInt16 = 0xc0;
constexpr uint8_t kZiplistInt32 = 0xd0;
constexpr uint8_t kZiplistInt64 = 0xe0;
constexpr uint8_t kZiplistInt24 = 0xf0;
constexpr uint8_t kZiplistInt8 = 0xfe;
constexpr uint8_t kZiplistText32 = 0x80;
// 0xf1 to 0xfd stand for the numbers 0 to 12.
constexpr uint8_t kZiplistTinyMin = 0xf1;
constexpr uint8_t kZiplistTinyMax = 0xfd;
constexpr uint8_t kZipmapLongLength = 0xfe;

uint8_t ByteAt(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | ByteAt(bytes, i);
  return value;
}

}  // namespace

ZiplistReader::ZiplistReader(std::string_view bytes) : rest_(bytes) {
  if (bytes.size() < kZiplistHeaderBytes + 1 || LittleEndian(bytes.substr(0, 4)) != bytes.size()) {
    ok_ = false;
    return;
  }
  rest_.remove_prefix(kZiplistHeaderBytes);
}

bool ZiplistReader::Fail() {
  ok_ = false;
  return false;
}

bool ZiplistReader::SkipPreviousLength() {
  const size_t size = ByteAt(rest_, 0) == kLongPreviousLength ? 5 : 1;
  if (rest_.size() <= size) return Fail();
  rest_.remove_prefix(size);
  return true;
}

bool ZiplistReader::Text(size_t head_size, size_t size, Listpack::Value* value) {
  if (rest_.size() - head_size < size) return Fail();
  *value = {.text = rest_.substr(head_size, size)};
  rest_.remove_prefix(head_size + size);
  return true;
}

bool ZiplistReader::Integer(size_t size, Listpack::Value* value) {
  if (rest_.size() < 1 + size) return Fail();
  const int shift = static_cast<int>(64 - 8 * size);
  const auto number = static_cast<int64_t>(LittleEndian(rest_.substr(1, size)) << shift) >> shift;
  *value = {.text = {}, .number = number, .is_number = true};
  rest_.remove_prefix(1 + size);
  return true;
}

bool ZiplistReader::Next(Listpack::Value* value) {
  if (!ok_) return false;
  if (rest_.empty()) return Fail();
  if (ByteAt(rest_, 0) == kEnd) return rest_.size() == 1 ? false : Fail();
  if (!SkipPreviousLength()) return false;
  const uint8_t first = ByteAt(rest_, 0);
  switch (first >> 6) {
    case 0:
      return Text(1, first, value);
    case 1:
      if (rest_.size() < 2) return Fail();
      return Text(2, static_cast<size_t>(first & 0x3f) << 8 | ByteAt(rest_, 1), value);
    case 2: {
      if (first != kZiplistText32 || rest_.size() < 5) return Fail();
      size_t size = 0;
      for (size_t i = 1; i <= 4; ++i) size = size << 8 | ByteAt(rest_, i);
      return Text(5, size, value);
    }
    default:
      break;
  }
  if (first >= kZiplistTinyMin && first <= kZiplistTinyMax) {
    *value = {.text = {}, .number = first - kZiplistTinyMin, .is_number = true};
    rest_.remove_prefix(1);
    return true;
  }
  switch (first) {
    case kZiplistInt8:
      return Integer(1, value);
    case kZiplistInt16:
      return Integer(2, value);
    case kZiplistInt24:
      return Integer(3, value);
    case kZiplistInt32:
      return Integer(4, value);
    case kZiplistInt64:
      return Integer(8, value);
    default:
      return Fail();
  }
}

ZipmapReader::ZipmapReader(std::string_view bytes) : rest_(bytes) {
  if (bytes.size() < 2) {
    ok_ = false;
    return;
  }
  rest_.remove_prefix(1);
}

bool ZipmapReader::Fail() {
  ok_ = false;
  return false;
}

bool ZipmapReader::Take(size_t size, std::string_view* bytes) {
  if (rest_.size() < size) return Fail();
  *bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool ZipmapReader::Length(size_t* length) {
  std::string_view bytes;
  if (!Take(1, &bytes)) return false;
  *length = ByteAt(bytes, 0);
  if (*length < kZipmapLongLength) return true;
  if (*length != kZipmapLongLength || !Take(4, &bytes)) return Fail();
  *length = LittleEndian(bytes);
  return true;
}

bool ZipmapReader::Next(std::string_view* field, std::string_view* value) {
  if (!ok_) return false;
  if (rest_.empty()) return Fail();
  if (ByteAt(rest_, 0) == kEnd) return rest_.size() == 1 ? false : Fail();
  size_t length;
  std::string_view spare;
  if (!Length(&length) || !Take(length, field) || !Length(&length) || !Take(1, &spare)) {
    return false;
  }
  return Take(length, value) && Take(ByteAt(spare, 0), &spare);
}

}  // namespace terrace::keyspace::rdb
