#include "keyspace/rdb/extent.h"

#include "keyspace/rdb/format.h"
#include "keyspace/rdb/reader.h"
#include "keyspace/types/stream.h"

namespace terrace::keyspace::rdb {
namespace {

using enum ExtentStatus;

constexpr uint64_t kDoubleBytes = 8;
constexpr uint64_t kMillisecondsBytes = 8;
constexpr uint8_t kTextDoubleMax = 252;  // beyond it are the names of what is no number

// Takes the parts of a value one after the other; what follows a failure does nothing.
class Taker {
 public:
  Taker(ByteSource* source, std::string* out) : source_(source), out_(out) {}

  ExtentStatus status() const { return status_; }

  uint64_t Length() {
    uint64_t value = 0;
    if (status_ == kOk) status_ = TakeLength(source_, out_, &value);
    return status_ == kOk ? value : 0;
  }
  void Lengths(int count) {
    for (; count > 0; --count) Length();
  }
  void Strings(uint64_t count) {
    for (; count > 0 && status_ == kOk; --count) status_ = TakeString(source_, out_);
  }
  void Raw(uint64_t size) {
    if (status_ == kOk && !source_->Take(size, out_)) status_ = kCutShort;
  }
  void TextDouble() {
    Raw(1);
    if (status_ != kOk) return;
    const auto size = static_cast<uint8_t>(out_->back());
    if (size <= kTextDoubleMax) Raw(size);
  }
  template <typename Part>
  void Repeat(uint64_t count, Part part) {
    for (; count > 0 && status_ == kOk; --count) part();
  }

 private:
  ByteSource* const source_;
  std::string* const out_;
  ExtentStatus status_ = kOk;
};

void TakeGroup(uint8_t tag, Taker& taker) {
  taker.Strings(1);
  taker.Lengths(tag >= kStream2Tag ? 3 : 2);  // last id, entries read
  taker.Repeat(taker.Length(), [&] {
    taker.Raw(kStreamIdBytes + kMillisecondsBytes);
    taker.Length();
  });
  taker.Repeat(taker.Length(), [&] {
    taker.Strings(1);
    taker.Raw(tag >= kStream3Tag ? 2 * kMillisecondsBytes : kMillisecondsBytes);
    taker.Repeat(taker.Length(), [&] { taker.Raw(kStreamIdBytes); });
  });
}

void TakeStream(uint8_t tag, Taker& taker) {
  taker.Repeat(taker.Length(), [&] { taker.Strings(2); });
  taker.Lengths(3);                          // entries, last id
  if (tag >= kStream2Tag) taker.Lengths(5);  // first id, greatest deleted id, entries added
  taker.Repeat(taker.Length(), [&] { TakeGroup(tag, taker); });
}

}  // namespace

ExtentStatus TakeLength(ByteSource* source, std::string* out, uint64_t* value) {
  const size_t begin = out->size();
  if (!source->Take(1, out)) return kCutShort;
  const auto first = static_cast<uint8_t>((*out)[begin]);
  const uint64_t more = first >> 6 == 1 ? 1 : first == 0x80 ? 4 : first == 0x81 ? 8 : 0;
  if (more > 0 && !source->Take(more, out)) return kCutShort;
  Reader reader(std::string_view(*out).substr(begin));
  return reader.Length(value) ? kOk : kBadData;
}

ExtentStatus TakeString(ByteSource* source, std::string* out) {
  const size_t begin = out->size();
  uint64_t size;
  ExtentStatus status = TakeLength(source, out, &size);
  if (status == kOk) return source->Take(size, out) ? kOk : kCutShort;
  if (status != kBadData) return status;
  switch (static_cast<uint8_t>((*out)[begin])) {
    case 0xc0 | kInt8:
      return source->Take(1, out) ? kOk : kCutShort;
    case 0xc0 | kInt16:
      return source->Take(2, out) ? kOk : kCutShort;
    case 0xc0 | kInt32:
      return source->Take(4, out) ? kOk : kCutShort;
    case 0xc0 | kLzf: {
      uint64_t whole_size;
      status = TakeLength(source, out, &size);
      if (status == kOk) status = TakeLength(source, out, &whole_size);
      if (status != kOk) return status;
      return source->Take(size, out) ? kOk : kCutShort;
    }
    default:
      return kBadData;
  }
}

ExtentStatus TakeValue(uint8_t tag, ByteSource* source, std::string* out) {
  constexpr uint8_t kModuleTag = 6, kModule2Tag = 7;
  Taker taker(source, out);
  switch (tag) {
    case kStringTag:
    case kHashZipmapTag:
    case kListZiplistTag:
    case kSetIntsetTag:
    case kZsetZiplistTag:
    case kHashZiplistTag:
    case kHashListpackTag:
    case kZsetListpackTag:
    case kSetListpackTag:
    case kHashListpackTtlRcTag:
      taker.Strings(1);
      break;
    case kHashListpackTtlTag:
      taker.Raw(kMillisecondsBytes);
      taker.Strings(1);
      break;
    case kListTag:
    case kSetTag:
    case kListQuicklistTag:
      taker.Strings(taker.Length());
      break;
    case kHashTag:
      taker.Repeat(taker.Length(), [&] { taker.Strings(2); });
      break;
    case kZsetTextTag:
      taker.Repeat(taker.Length(), [&] {
        taker.Strings(1);
        taker.TextDouble();
      });
      break;
    case kZsetTag:
      taker.Repeat(taker.Length(), [&] {
        taker.Strings(1);
        taker.Raw(kDoubleBytes);
      });
      break;
    case kListQuicklist2Tag:
      taker.Repeat(taker.Length(), [&] {
        taker.Length();
        taker.Strings(1);
      });
      break;
    case kHashFieldTtlTag:
      taker.Raw(kMillisecondsBytes);
      [[fallthrough]];
    case kHashFieldTtlRcTag:
      taker.Repeat(taker.Length(), [&] {
        taker.Length();
        taker.Strings(2);
      });
      break;
    case kStreamTag:
    case kStream2Tag:
    case kStream3Tag:
      TakeStream(tag, taker);
      break;
    case kModuleTag:
    case kModule2Tag:
      return kForModule;
    default:
      return kBadData;
  }
  return taker.status();
}

}  // namespace terrace::keyspace::rdb
