#include "replication/snapshot_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/crc64.h"
#include "base/saturate.h"
#include "keyspace/database.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/object_writer.h"
#include "keyspace/rdb/writer.h"
#include "keyspace/types/hash.h"
#include "replication/rdb_file.h"

namespace terrace::replication {
namespace {

namespace rdb = keyspace::rdb;
using keyspace::Entry;

constexpr size_t kBufferBytes = 256 << 10;

class SnapshotWriter {
 public:
  SnapshotWriter(keyspace::Keyspace& keyspace, const SnapshotContent& content, ByteOutput* output)
      : keyspace_(keyspace), content_(content), output_(output) {
    buffer_.reserve(2 * kBufferBytes);
  }

  SnapshotWritten Write() {
    WriteHead();
    for (const std::string& code : content_.libraries) {
      writer_.Byte(kFunction);
      writer_.String(code);
      FlushIfFull();
    }
    for (int index = 0; index < keyspace_.database_count(); ++index) WriteDatabase(index);
    writer_.Byte(kEndOfFile);
    Flush();
    // The checksum does not check itself.
    writer_.Milliseconds(content_.has_checksum ? static_cast<int64_t>(crc_) : 0);
    Flush();
    return written_;
  }

 private:
  template <typename Visit>
  void ForEachKept(int index, Visit visit) {
    keyspace::Database database(&keyspace_, index, content_.now_ms);
    database.ForEach([&](Entry* entry) {
      if (content_.keeps && !content_.keeps(index, entry->key(), *entry)) return;
      visit(*entry);
    });
  }

  // The version has to be known before the first key is written.
  uint16_t VersionNeeded() {
    uint16_t version = content_.libraries.empty() ? rdb::kVersionWritten : kRdbVersionOfFunctions;
    const auto needs = [&version](uint16_t wanted) { version = std::max(version, wanted); };
    for (int index = 0; index < keyspace_.database_count(); ++index) {
      ForEachKept(index, [&](const Entry& entry) {
        if (entry.type() == keyspace::Type::kStream) needs(rdb::kVersionOfStream3);
        if (entry.type() != keyspace::Type::kHash) return;
        const auto* hash = static_cast<const keyspace::Hash*>(entry.object());
        if (hash->NextDeadline() != keyspace::Hash::kNoDeadline) needs(rdb::kVersionOfFieldTtl);
      });
    }
    return version;
  }

  void WriteHead() {
    char version[8];
    std::snprintf(version, sizeof(version), "%04d", VersionNeeded());
    writer_.Raw(kRdbMagic);
    writer_.Raw(version);
    for (const auto& [name, text] : content_.aux) {
      writer_.Byte(kAux);
      writer_.String(name);
      writer_.String(text);
    }
  }

  void WriteDatabase(int index) {
    bool is_selected = false;
    ForEachKept(index, [&](const Entry& entry) {
      if (written_.error != 0) return;
      if (!is_selected) SelectDatabase(index);
      is_selected = true;
      WriteKey(entry);
    });
  }

  void SelectDatabase(int index) {
    uint64_t keys = 0, with_deadline = 0;
    for (int i = 0; i < keyspace_.shard_count(); ++i) {
      const keyspace::Shard::Part* part = keyspace_.shard(i).part(index);
      if (part == nullptr) continue;
      keys += part->table.size();
      with_deadline += part->deadline_count;
    }
    writer_.Byte(kSelectDatabase);
    writer_.Length(static_cast<uint64_t>(index));
    writer_.Byte(kResizeDatabase);
    writer_.Length(keys);
    writer_.Length(with_deadline);
  }

  void WriteKey(const Entry& entry) {
    if (entry.has_deadline()) {
      writer_.Byte(kDeadlineMs);
      writer_.Milliseconds(
          base::SaturatingAdd(entry.deadline_ms(), content_.wall_ms - content_.now_ms));
    }
    if (entry.is_string()) {
      writer_.Byte(rdb::kStringTag);
      writer_.String(entry.key());
      writer_.String(entry.string());
    } else {
      // The key stands between the tag and the value.
      object_.clear();
      rdb::WriteObject(*entry.object(), rdb::kVersionMax, &object_);
      writer_.Byte(static_cast<uint8_t>(object_[0]));
      writer_.String(entry.key());
      writer_.Raw(std::string_view(object_).substr(1));
      if (object_.capacity() > kBufferBytes) std::string().swap(object_);
    }
    ++written_.keys;
    FlushIfFull();
    if (content_.key_delay_us > 0) usleep(static_cast<useconds_t>(content_.key_delay_us));
  }

  void FlushIfFull() {
    if (buffer_.size() >= kBufferBytes) Flush();
  }

  void Flush() {
    if (written_.error == 0) {
      if (content_.has_checksum) crc_ = base::Crc64(buffer_, crc_);
      written_.error = output_->Write(buffer_);
      written_.bytes += buffer_.size();
    }
    buffer_.clear();
    // One large value must not keep its memory for the rest of the file.
    if (buffer_.capacity() > 4 * kBufferBytes) {
      std::string().swap(buffer_);
      buffer_.reserve(2 * kBufferBytes);
    }
  }

  keyspace::Keyspace& keyspace_;
  const SnapshotContent& content_;
  ByteOutput* const output_;
  std::string buffer_;
  rdb::Writer writer_{&buffer_};
  std::string object_;
  uint64_t crc_ = 0;
  SnapshotWritten written_;
};

}  // namespace

SnapshotWritten WriteSnapshot(keyspace::Keyspace& keyspace, const SnapshotContent& content,
                              ByteOutput* output) {
  return SnapshotWriter(keyspace, content, output).Write();
}

}  // namespace terrace::replication
