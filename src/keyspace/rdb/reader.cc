#include "keyspace/rdb/reader.h"

#include <lzf.h>

#include <bit>
#include <charconv>
#include <limits>
#include <type_traits>

#include "keyspace/rdb/format.h"

namespace terrace::keyspace::rdb {
namespace {

// A back reference of three bytes yields at most 264: no valid text expands more than that.
constexpr uint64_t kLzfExpansionMax = 88;

template <typename T>
T LittleEndian(std::string_view bytes) {
  std::make_unsigned_t<T> value = 0;
  for (size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<std::make_unsigned_t<T>>((static_cast<uint64_t>(value) << 8) |
                                                 static_cast<unsigned char>(bytes[i]));
  }
  return static_cast<T>(value);
}

uint64_t BigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8) | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

bool Reader::Raw(size_t size, std::string_view* value) {
  if (size > rest_.size()) return false;
  *value = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool Reader::Byte(uint8_t* value) {
  std::string_view bytes;
  if (!Raw(1, &bytes)) return false;
  *value = static_cast<uint8_t>(bytes[0]);
  return true;
}

bool Reader::LengthOrEncoding(uint64_t* value, bool* is_encoding) {
  *is_encoding = false;
  uint8_t first;
  if (!Byte(&first)) return false;
  switch (first >> 6) {
    case 0:
      *value = first;
      return true;
    case 1: {
      uint8_t second;
      if (!Byte(&second)) return false;
      *value = (static_cast<uint64_t>(first & 0x3f) << 8) | second;
      return true;
    }
    case 2: {
      if (first != 0x80 && first != 0x81) return false;
      std::string_view bytes;
      if (!Raw(first == 0x80 ? 4 : 8, &bytes)) return false;
      *value = BigEndian(bytes);
      return true;
    }
    default:
      *value = first & 0x3f;
      *is_encoding = true;
      return true;
  }
}

bool Reader::Length(uint64_t* value) {
  bool is_encoding;
  return LengthOrEncoding(value, &is_encoding) && !is_encoding;
}

bool Reader::Count(uint64_t* value) { return Length(value) && *value <= rest_.size(); }

bool Reader::String(std::string* value) {
  uint64_t length;
  bool is_encoding;
  if (!LengthOrEncoding(&length, &is_encoding)) return false;
  if (is_encoding) return EncodedString(length, value);
  std::string_view bytes;
  if (length > rest_.size() || !Raw(length, &bytes)) return false;
  value->assign(bytes);
  return true;
}

bool Reader::EncodedString(uint64_t encoding, std::string* value) {
  std::string_view bytes;
  switch (encoding) {
    case kInt8:
      if (!Raw(1, &bytes)) return false;
      *value = std::to_string(LittleEndian<int8_t>(bytes));
      return true;
    case kInt16:
      if (!Raw(2, &bytes)) return false;
      *value = std::to_string(LittleEndian<int16_t>(bytes));
      return true;
    case kInt32:
      if (!Raw(4, &bytes)) return false;
      *value = std::to_string(LittleEndian<int32_t>(bytes));
      return true;
    case kLzf:
      return CompressedString(value);
    default:
      return false;
  }
}

bool Reader::CompressedString(std::string* value) {
  uint64_t compressed_size;
  uint64_t size;
  std::string_view compressed;
  if (!Length(&compressed_size) || !Length(&size)) return false;
  if (compressed_size == 0 || compressed_size > std::numeric_limits<unsigned>::max() / 2 ||
      !Raw(compressed_size, &compressed)) {
    return false;
  }
  if (size == 0 || size > std::numeric_limits<unsigned>::max() ||
      size > compressed_size * kLzfExpansionMax) {
    return false;
  }
  value->resize(size);
  return lzf_decompress(compressed.data(), static_cast<unsigned>(compressed.size()), value->data(),
                        static_cast<unsigned>(size)) == size;
}

bool Reader::Double(double* value) {
  std::string_view bytes;
  if (!Raw(8, &bytes)) return false;
  *value = std::bit_cast<double>(LittleEndian<uint64_t>(bytes));
  return true;
}

bool Reader::TextDouble(double* value) {
  uint8_t size;
  if (!Byte(&size)) return false;
  switch (size) {
    case 255:
      *value = -std::numeric_limits<double>::infinity();
      return true;
    case 254:
      *value = std::numeric_limits<double>::infinity();
      return true;
    case 253:
      *value = std::numeric_limits<double>::quiet_NaN();
      return true;
    default:
      break;
  }
  std::string_view text;
  if (!Raw(size, &text)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

bool Reader::Milliseconds(int64_t* value) {
  std::string_view bytes;
  if (!Raw(8, &bytes)) return false;
  *value = LittleEndian<int64_t>(bytes);
  return true;
}

}  // namespace terrace::keyspace::rdb
