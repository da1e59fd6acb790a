#include "keyspace/types/listpack.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/memory.h"

namespace terrace::keyspace {
namespace {

static_assert(std::endian::native == std::endian::little, "the block is read in place");

constexpr size_t kListpackHeaderBytes = 6;
constexpr size_t kCountUnknown = 65535;
constexpr uint8_t kEnd = 0xFF;
constexpr uint8_t kString32 = 0xF0;
constexpr uint8_t kInt16 = 0xF1;
constexpr uint8_t kInt24 = 0xF2;
constexpr uint8_t kInt32 = 0xF3;
constexpr uint8_t kInt64 = 0xF4;
constexpr size_t kBackLengthBytesMax = 5;

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
void Store(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

// Bytes of encoding and length before a string's text, or of a whole integer; 0 if invalid.
size_t HeadBytes(uint8_t first) {
  if (first < 0xC0) return 1;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 2;
  switch (first) {
    case kString32:
      return 5;
    case kInt16:
      return 3;
    case kInt24:
      return 4;
    case kInt32:
      return 5;
    case kInt64:
      return 9;
    default:
      return 0;
  }
}

bool IsString(uint8_t first) {
  return (first & 0xC0) == 0x80 || (first & 0xF0) == 0xE0 || first == kString32;
}

// REQUIRES: the head is readable and a string's.
size_t StringBytes(const uint8_t* entry) {
  if (entry[0] < 0xC0) return entry[0] & 0x3F;
  if (entry[0] < kString32) return (size_t{entry[0]} & 0x0F) << 8 | entry[1];
  return Load<uint32_t>(entry + 1);
}

// Bytes of encoding and data, without the back length.
size_t BodyBytes(const uint8_t* entry) {
  const uint8_t first = entry[0];
  if (first < 0x80) return 1;
  if (first < 0xC0) return 1 + (first & 0x3F);
  return HeadBytes(first) + (IsString(first) ? StringBytes(entry) : 0);
}

// The limits are one short of the powers of two: readers check the length of the length.
size_t BackLengthBytes(size_t body) {
  if (body <= 127) return 1;
  if (body < 16383) return 2;
  if (body < 2097151) return 3;
  if (body < 268435455) return 4;
  return 5;
}

size_t WriteBackLength(uint8_t* to, size_t body) {
  const size_t bytes = BackLengthBytes(body);
  for (size_t i = 0; i < bytes; ++i) {
    const size_t group = (body >> (7 * (bytes - 1 - i))) & 127;
    to[i] = static_cast<uint8_t>(i == 0 ? group : group | 128);
  }
  return bytes;
}

// Reads the length that ends at `last`, without going before `floor`. False if it is malformed.
bool ReadBackLength(const uint8_t* last, const uint8_t* floor, size_t* body) {
  size_t value = 0;
  for (size_t i = 0; i < kBackLengthBytesMax && last - i >= floor; ++i) {
    const uint8_t byte = *(last - i);
    value |= size_t{byte & 127u} << (7 * i);
    if ((byte & 128) == 0) {
      *body = value;
      return true;
    }
  }
  return false;
}

int64_t ReadInteger(const uint8_t* entry) {
  const uint8_t first = entry[0];
  if (first < 0x80) return first;
  if (first < 0xE0) {
    const int32_t raw = (first & 0x1F) << 8 | entry[1];
    return raw >= 1 << 12 ? raw - (1 << 13) : raw;
  }
  switch (first) {
    case kInt16:
      return Load<int16_t>(entry + 1);
    case kInt24: {
      const uint32_t raw = Load<uint16_t>(entry + 1) | uint32_t{entry[3]} << 16;
      return static_cast<int32_t>(raw << 8) >> 8;
    }
    case kInt32:
      return Load<int32_t>(entry + 1);
    default:
      return Load<int64_t>(entry + 1);
  }
}

size_t WriteInteger(uint8_t* to, int64_t value) {
  if (value >= 0 && value <= 127) {
    to[0] = static_cast<uint8_t>(value);
    return 1;
  }
  if (value >= -4096 && value <= 4095) {
    to[0] = static_cast<uint8_t>(0xC0 | (value >> 8 & 0x1F));
    to[1] = static_cast<uint8_t>(value);
    return 2;
  }
  size_t bytes = 8;
  to[0] = kInt64;
  if (value == static_cast<int16_t>(value)) {
    to[0] = kInt16;
    bytes = 2;
  } else if (value >= -(1 << 23) && value < 1 << 23) {
    to[0] = kInt24;
    bytes = 3;
  } else if (value == static_cast<int32_t>(value)) {
    to[0] = kInt32;
    bytes = 4;
  }
  std::memcpy(to + 1, &value, bytes);
  return 1 + bytes;
}

}  // namespace

// One entry ready to be copied in: head and back length here, the text where it was.
struct Listpack::Encoded {
  explicit Encoded(int64_t number) { head_bytes = WriteInteger(head, number), Finish(); }
  explicit Encoded(std::string_view value) {
    if (const auto number = base::ParseInt64(value)) {
      head_bytes = WriteInteger(head, *number);
    } else {
      text = value;
      if (value.size() < 64) {
        head[0] = static_cast<uint8_t>(0x80 | value.size());
        head_bytes = 1;
      } else if (value.size() < 4096) {
        head[0] = static_cast<uint8_t>(0xE0 | value.size() >> 8);
        head[1] = static_cast<uint8_t>(value.size());
        head_bytes = 2;
      } else {
        head[0] = kString32;
        Store(head + 1, static_cast<uint32_t>(value.size()));
        head_bytes = 5;
      }
    }
    Finish();
  }
  void Finish() { tail_bytes = WriteBackLength(tail, head_bytes + text.size()); }
  size_t bytes() const { return head_bytes + text.size() + tail_bytes; }

  uint8_t head[9];
  uint8_t tail[kBackLengthBytesMax];
  size_t head_bytes = 0;
  size_t tail_bytes = 0;
  std::string_view text;
};

Listpack::Listpack()
    : data_(static_cast<uint8_t*>(base::Allocate(base::AllocationSize(kListpackHeaderBytes + 1)))) {
  Store(data_, static_cast<uint32_t>(kListpackHeaderBytes + 1));
  Store(data_ + 4, uint16_t{0});
  data_[kListpackHeaderBytes] = kEnd;
}

Listpack::~Listpack() {
  if (data_ != nullptr) base::Free(data_, base::AllocationSize(total_bytes()));
}

Listpack::Listpack(const Listpack& other)
    : data_(static_cast<uint8_t*>(base::Allocate(other.heap_bytes()))) {
  std::memcpy(data_, other.data_, other.total_bytes());
}

std::optional<Listpack> Listpack::FromBytes(std::string_view bytes) {
  if (!IsValid(bytes)) return std::nullopt;
  Listpack result(static_cast<uint8_t*>(base::Allocate(base::AllocationSize(bytes.size()))));
  std::memcpy(result.data_, bytes.data(), bytes.size());
  return result;
}

bool Listpack::IsValid(std::string_view bytes) {
  if (bytes.size() < kListpackHeaderBytes + 1 || bytes.size() > kBytesMax) return false;
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  if (Load<uint32_t>(data) != bytes.size()) return false;
  const uint8_t* const end = data + bytes.size() - 1;  // where the end mark must be
  if (*end != kEnd) return false;
  size_t count = 0;
  for (const uint8_t* at = data + kListpackHeaderBytes; at != end; ++count) {
    const size_t left = static_cast<size_t>(end - at);
    const size_t head = HeadBytes(*at);
    if (head == 0 || head > left) return false;
    const size_t body = BodyBytes(at);
    const size_t entry = body + BackLengthBytes(body);
    if (entry > left) return false;
    size_t back = 0;
    if (!ReadBackLength(at + entry - 1, at + body, &back) || back != body) return false;
    at += entry;
  }
  const size_t declared = Load<uint16_t>(data + 4);
  return declared == kCountUnknown || declared == count;
}

size_t Listpack::total_bytes() const { return Load<uint32_t>(data_); }
size_t Listpack::heap_bytes() const { return base::AllocationSize(total_bytes()); }
size_t Listpack::header_count() const { return Load<uint16_t>(data_ + 4); }

size_t Listpack::size() const {
  const size_t declared = header_count();
  if (declared != kCountUnknown) return declared;
  size_t count = 0;
  for (Position at = First(); at != kNone; at = Next(at)) ++count;
  return count;
}

void Listpack::SetCount(size_t count) {
  Store(data_ + 4, static_cast<uint16_t>(count < kCountUnknown ? count : kCountUnknown));
}

Listpack::Position Listpack::First() const {
  return data_[kListpackHeaderBytes] == kEnd ? kNone : static_cast<Position>(kListpackHeaderBytes);
}

Listpack::Position Listpack::Last() const {
  return Previous(static_cast<Position>(total_bytes() - 1));
}

Listpack::Position Listpack::Next(Position at) const {
  const size_t body = BodyBytes(data_ + at);
  const size_t next = at + body + BackLengthBytes(body);
  return data_[next] == kEnd ? kNone : static_cast<Position>(next);
}

Listpack::Position Listpack::Previous(Position at) const {
  if (at == kListpackHeaderBytes) return kNone;
  size_t body = 0;
  const bool ok = ReadBackLength(data_ + at - 1, data_ + kListpackHeaderBytes, &body);
  TERRACE_CHECK(ok);
  return static_cast<Position>(at - body - BackLengthBytes(body));
}

Listpack::Position Listpack::At(int64_t index) const {
  if (index < 0) {
    Position at = Last();
    while (++index < 0 && at != kNone) at = Previous(at);
    return at;
  }
  const size_t declared = header_count();
  if (declared != kCountUnknown) {
    const auto count = static_cast<int64_t>(declared);
    if (index >= count) return kNone;
    if (index > count / 2) return At(index - count);
  }
  Position at = First();
  while (index-- > 0 && at != kNone) at = Next(at);
  return at;
}

Listpack::Value Listpack::Get(Position at) const {
  const uint8_t* const entry = data_ + at;
  if (!IsString(*entry)) return {.text = {}, .number = ReadInteger(entry), .is_number = true};
  const size_t head = HeadBytes(*entry);
  return {.text = {reinterpret_cast<const char*>(entry + head), StringBytes(entry)}};
}

bool Listpack::Equals(Position at, std::string_view text) const {
  const Value value = Get(at);
  if (!value.is_number) return value.text == text;
  const auto number = base::ParseInt64(text);
  return number && *number == value.number;
}

Listpack::Position Listpack::Find(Position from, std::string_view text, size_t skip) const {
  const std::optional<int64_t> number = base::ParseInt64(text);
  size_t left = 0;  // entries still to pass over
  for (const uint8_t* entry = data_ + from; from != kNone && *entry != kEnd;) {
    const uint8_t first = *entry;
    const size_t body = BodyBytes(entry);
    if (left > 0) {
      --left;
    } else {
      left = skip;
      if (IsString(first)) {
        const size_t head = HeadBytes(first);
        if (std::string_view(reinterpret_cast<const char*>(entry + head), body - head) == text) {
          return static_cast<Position>(entry - data_);
        }
      } else if (number && ReadInteger(entry) == *number) {
        return static_cast<Position>(entry - data_);
      }
    }
    entry += body + BackLengthBytes(body);
  }
  return kNone;
}

// Puts the entry (or nothing) in place of old_bytes at `at`.
Listpack::Position Listpack::Splice(Position at, size_t old_bytes, const Encoded* entry,
                                    int count_change) {
  const size_t total = total_bytes();
  const size_t new_bytes = entry != nullptr ? entry->bytes() : 0;
  const size_t new_total = total - old_bytes + new_bytes;
  TERRACE_CHECK(new_total <= kBytesMax);
  const size_t old_room = base::AllocationSize(total);
  const size_t new_room = base::AllocationSize(new_total);
  const size_t after = total - at - old_bytes;
  if (old_room == new_room) {
    std::memmove(data_ + at + new_bytes, data_ + at + old_bytes, after);
  } else {
    auto* const moved = static_cast<uint8_t*>(base::Allocate(new_room));
    std::memcpy(moved, data_, at);
    std::memcpy(moved + at + new_bytes, data_ + at + old_bytes, after);
    base::Free(data_, old_room);
    data_ = moved;
  }
  if (entry != nullptr) {
    uint8_t* to = data_ + at;
    std::memcpy(to, entry->head, entry->head_bytes);
    to += entry->head_bytes;
    if (!entry->text.empty()) std::memcpy(to, entry->text.data(), entry->text.size());
    std::memcpy(to + entry->text.size(), entry->tail, entry->tail_bytes);
  }
  Store(data_, static_cast<uint32_t>(new_total));
  if (count_change != 0) {
    // An unknown count stays unknown until a walk finds it small again.
    const size_t count = header_count();
    if (count != kCountUnknown) SetCount(count + static_cast<size_t>(count_change));
  }
  return at;
}

Listpack::Position Listpack::Insert(Position at, std::string_view text) {
  const Encoded entry(text);
  if (at == kNone) at = static_cast<Position>(total_bytes() - 1);
  return Splice(at, 0, &entry, 1);
}

Listpack::Position Listpack::Insert(Position at, int64_t number) {
  const Encoded entry(number);
  if (at == kNone) at = static_cast<Position>(total_bytes() - 1);
  return Splice(at, 0, &entry, 1);
}

void Listpack::Append(std::string_view text) { Insert(kNone, text); }
void Listpack::Append(int64_t number) { Insert(kNone, number); }

Listpack::Position Listpack::Replace(Position at, std::string_view text) {
  const Encoded entry(text);
  const size_t body = BodyBytes(data_ + at);
  return Splice(at, body + BackLengthBytes(body), &entry, 0);
}

Listpack::Position Listpack::Replace(Position at, int64_t number) {
  const Encoded entry(number);
  const size_t body = BodyBytes(data_ + at);
  return Splice(at, body + BackLengthBytes(body), &entry, 0);
}

Listpack::Position Listpack::Erase(Position at, size_t count) {
  size_t end = at;
  size_t erased = 0;
  for (; erased < count && data_[end] != kEnd; ++erased) {
    const size_t body = BodyBytes(data_ + end);
    end += body + BackLengthBytes(body);
  }
  const size_t declared = header_count();
  Splice(at, end - at, nullptr, 0);
  SetCount(declared == kCountUnknown ? size() : declared - erased);
  return data_[at] == kEnd ? kNone : at;
}

}  // namespace terrace::keyspace
