#include "replication/snapshot_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "keyspace/rdb/extent.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/object_reader.h"
#include "keyspace/rdb/reader.h"
#include "replication/buffered_source.h"
#include "replication/rdb_file.h"

namespace terrace::replication {
namespace {

namespace rdb = keyspace::rdb;

constexpr size_t kMagicBytes = 9;
constexpr size_t kKeptBytes = 1 << 20;  // of scratch memory, between two values

class SnapshotReader {
 public:
  SnapshotReader(ByteInput* input, const SnapshotRules& rules, SnapshotSink* sink)
      : source_(input), rules_(rules), sink_(sink) {}

  SnapshotRead Read() {
    if (ReadHead()) {
      while (error_.empty() && !at_end_) ReadItem();
    }
    if (error_.empty()) CompareChecksum();
    read_.error = std::move(error_);
    read_.bytes = source_.offset();
    return std::move(read_);
  }

 private:
  // ---- Errors ----------------------------------------------------------------------------------

  bool Fail(std::string what, uint64_t offset) {
    if (error_.empty()) error_ = std::move(what) + " at byte " + std::to_string(offset);
    return false;
  }
  bool Fail(std::string what) { return Fail(std::move(what), item_offset_); }

  bool Check(rdb::ExtentStatus status) {
    switch (status) {
      case rdb::ExtentStatus::kOk:
        return true;
      case rdb::ExtentStatus::kCutShort:
        if (source_.error() != 0) {
          return Fail(std::string("cannot be read: ") + std::strerror(source_.error()),
                      source_.offset());
        }
        return Fail("ends too early", source_.offset());
      case rdb::ExtentStatus::kBadData:
        return Fail("has a malformed item");
      case rdb::ExtentStatus::kForModule:
        return Fail("has a value of a module, which cannot be loaded,");
    }
    return false;
  }

  // ---- Primitives ------------------------------------------------------------------------------

  bool Raw(uint64_t size, std::string* bytes) {
    bytes->clear();
    return source_.Take(size, bytes) || Check(rdb::ExtentStatus::kCutShort);
  }

  bool Byte(uint8_t* byte) {
    if (!Raw(1, &raw_)) return false;
    *byte = static_cast<uint8_t>(raw_[0]);
    return true;
  }

  bool Length(uint64_t* value) {
    raw_.clear();
    return Check(rdb::TakeLength(&source_, &raw_, value));
  }

  bool String(std::string* value) {
    raw_.clear();
    if (!Check(rdb::TakeString(&source_, &raw_))) return false;
    rdb::Reader reader(raw_);
    return reader.String(value) || Fail("has a malformed string");
  }

  // Little-endian.
  bool Number(size_t size, uint64_t* value) {
    if (!Raw(size, &raw_)) return false;
    *value = 0;
    for (size_t i = size; i-- > 0;) *value = *value << 8 | static_cast<uint8_t>(raw_[i]);
    return true;
  }

  // ---- Items -----------------------------------------------------------------------------------

  bool ReadHead() {
    if (!Raw(kMagicBytes, &raw_)) return false;
    if (!raw_.starts_with(kRdbMagic)) return Fail("is no RDB file: wrong signature");
    const char* const end = raw_.data() + kMagicBytes;
    const auto [parsed_to, problem] =
        std::from_chars(raw_.data() + kRdbMagic.size(), end, version_);
    if (problem != std::errc() || parsed_to != end) return FailVersion();
    if (version_ < 1 || version_ > rdb::kVersionMax) return FailVersion();
    return true;
  }

  bool FailVersion() {
    return Fail("has the RDB version " + raw_.substr(kRdbMagic.size()) +
                ", which cannot be read; the newest is " + std::to_string(rdb::kVersionMax));
  }

  bool ReadItem() {
    item_offset_ = source_.offset();
    uint8_t opcode;
    if (!Byte(&opcode)) return false;
    uint64_t number, ignored;
    switch (opcode) {
      case kEndOfFile:
        at_end_ = true;
        return true;
      case kSelectDatabase:
        if (!Length(&number)) return false;
        if (number >= static_cast<uint64_t>(rules_.database_count)) {
          return Fail("has keys of database " + std::to_string(number) + ", and there are only " +
                      std::to_string(rules_.database_count));
        }
        database_ = static_cast<int>(number);
        return true;
      case kDeadlineMs:
        if (!Number(8, &number)) return false;
        // What lies before all time is over, and does not look like none.
        deadline_wall_ms_ = std::max<int64_t>(static_cast<int64_t>(number), 0);
        return true;
      case kDeadlineSeconds:
        if (!Number(4, &number)) return false;
        deadline_wall_ms_ = static_cast<int64_t>(number) * 1000;
        return true;
      case kFrequency:
        return Raw(1, &raw_);
      case kIdle:
        return Length(&ignored);
      case kResizeDatabase:
        return Length(&ignored) && Length(&ignored);
      case kSlotInfo:
        return Length(&ignored) && Length(&ignored) && Length(&ignored);
      case kAux:
        return String(&text_) && String(&text_);
      case kModuleAux:
        return SkipModuleAux();
      case kFunction:
        if (!String(&text_)) return false;
        return Accept(sink_->OnFunctions(text_));
      case kOldFunction:
        return Fail("has functions in the format of a release candidate, which cannot be loaded,");
      default:
        return ReadKey(opcode);
    }
  }

  bool SkipModuleAux() {
    enum Part : uint64_t { kEnd, kSigned, kUnsigned, kFloat, kDouble, kText };
    uint64_t ignored, part;
    if (!Length(&ignored)) return false;  // the module's name and version
    while (Length(&part)) {
      bool done = false;
      switch (part) {
        case kEnd:
          return true;
        case kSigned:
        case kUnsigned:
          done = Length(&ignored);
          break;
        case kFloat:
          done = Raw(4, &raw_);
          break;
        case kDouble:
          done = Raw(8, &raw_);
          break;
        case kText:
          done = String(&text_);
          break;
        default:
          return Fail("has malformed data of a module");
      }
      if (!done) return false;
    }
    return false;
  }

  bool ReadKey(uint8_t tag) {
    const int64_t deadline_wall_ms = std::exchange(deadline_wall_ms_, keyspace::kNoDeadline);
    if (!String(&key_)) return false;
    value_bytes_.clear();
    if (!Check(rdb::TakeValue(tag, &source_, &value_bytes_))) return false;
    const bool done = KeepKey(tag, deadline_wall_ms);
    // One large value must not keep its memory while the small ones are read.
    if (value_bytes_.capacity() > kKeptBytes) std::string().swap(value_bytes_);
    if (raw_.capacity() > kKeptBytes) std::string().swap(raw_);
    return done;
  }

  bool KeepKey(uint8_t tag, int64_t deadline_wall_ms) {
    if (deadline_wall_ms != keyspace::kNoDeadline && deadline_wall_ms <= rules_.wall_ms) {
      ++read_.expired;
      return true;
    }
    if (!sink_->Wants(database_, key_)) {
      ++read_.unwanted;
      return true;
    }
    SnapshotKey key{database_, key_, {}, deadline_wall_ms};
    rdb::Reader reader(value_bytes_);
    if (tag == rdb::kStringTag) {
      if (!reader.String(&key.value.string)) return Fail("has a malformed string");
    } else {
      key.value.object = rdb::ReadObject(tag, rules_.encoding, &reader);
      if (key.value.object == nullptr) return Fail("has a malformed value of key '" + key_ + "'");
    }
    if (reader.left() > 0) return Fail("has a malformed value of key '" + key_ + "'");
    ++read_.keys;
    return Accept(sink_->OnKey(std::move(key)));
  }

  bool Accept(std::string refusal) {
    return refusal.empty() || Fail("cannot be loaded: " + std::move(refusal));
  }

  void CompareChecksum() {
    if (version_ < kRdbVersionOfChecksum) return;
    const uint64_t computed = source_.Checksum();
    uint64_t written;
    if (!Number(8, &written) || !rules_.checks_checksum || written == 0) return;
    if (written != computed) Fail("has a wrong checksum", source_.offset() - 8);
  }

  BufferedSource source_;
  const SnapshotRules& rules_;
  SnapshotSink* const sink_;
  int version_ = 0;
  int database_ = 0;
  bool at_end_ = false;
  int64_t deadline_wall_ms_ = keyspace::kNoDeadline;  // of the next key
  uint64_t item_offset_ = 0;
  std::string raw_, text_, key_, value_bytes_;
  std::string error_;
  SnapshotRead read_;
};

}  // namespace

SnapshotRead ReadSnapshot(ByteInput* input, const SnapshotRules& rules, SnapshotSink* sink) {
  return SnapshotReader(input, rules, sink).Read();
}

}  // namespace terrace::replication
