#include "keyspace/rdb/writer.h"

#include <bit>
#include <charconv>
#include <limits>

#include "keyspace/rdb/format.h"

namespace terrace::keyspace::rdb {
namespace {

constexpr size_t kInt32CharsMax = 11;

template <typename T>
void AppendLittleEndian(T value, std::string* out) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
  }
}

template <typename T>
void AppendBigEndian(T value, std::string* out) {
  for (size_t i = sizeof(T); i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

// True only when printing the number gives the very same text, so that decoding loses nothing.
bool IsCanonicalInt32(std::string_view text, int32_t* value) {
  if (text.empty() || text.size() > kInt32CharsMax) return false;
  const size_t digits_at = text[0] == '-' ? 1 : 0;
  if (text.size() == digits_at) return false;
  if (text[digits_at] == '0' && text.size() > 1) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

template <typename T>
bool Fits(int32_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

uint8_t EncodingByte(StringEncoding encoding) { return 0xc0 | encoding; }

}  // namespace

void Writer::Length(uint64_t value) {
  if (value < (1u << 6)) {
    Byte(static_cast<uint8_t>(value));
  } else if (value < (1u << 14)) {
    Byte(static_cast<uint8_t>(0x40 | (value >> 8)));
    Byte(static_cast<uint8_t>(value));
  } else if (value <= std::numeric_limits<uint32_t>::max()) {
    Byte(0x80);
    AppendBigEndian(static_cast<uint32_t>(value), out_);
  } else {
    Byte(0x81);
    AppendBigEndian(value, out_);
  }
}

void Writer::String(std::string_view value) {
  int32_t number;
  if (IsCanonicalInt32(value, &number)) {
    if (Fits<int8_t>(number)) {
      Byte(EncodingByte(kInt8));
      AppendLittleEndian(static_cast<int8_t>(number), out_);
    } else if (Fits<int16_t>(number)) {
      Byte(EncodingByte(kInt16));
      AppendLittleEndian(static_cast<int16_t>(number), out_);
    } else {
      Byte(EncodingByte(kInt32));
      AppendLittleEndian(number, out_);
    }
    return;
  }
  Length(value.size());
  Raw(value);
}

void Writer::Double(double value) { AppendLittleEndian(std::bit_cast<uint64_t>(value), out_); }

void Writer::Milliseconds(int64_t value) { AppendLittleEndian(value, out_); }

}  // namespace terrace::keyspace::rdb
