#include "tiers/value_codec.h"

#include <utility>

#include "keyspace/dump.h"

namespace terrace::tiers {

bool Decode(Value value, uint64_t hash_seed, ReadyValue* ready) {
  if (value.form == Value::Form::kString) {
    ready->string = std::move(value.bytes);
    return true;
  }
  // The default thresholds choose the encoding; the first write that passes a live one converts it.
  const keyspace::EncodingLimits limits{.hash_seed = hash_seed};
  keyspace::DumpValue dumped;
  if (keyspace::DecodeDump(value.bytes, limits, &dumped) != keyspace::DumpStatus::kOk) return false;
  ready->string = std::move(dumped.string);
  ready->object = std::move(dumped.object);
  return true;
}

Value Encode(const keyspace::Entry& entry) {
  Value value;
  if (entry.is_string()) {
    value.form = Value::Form::kString;
    value.bytes = std::string(entry.string());
  } else {
    value.form = Value::Form::kDump;
    value.bytes = keyspace::EncodeDump(*entry.object(), keyspace::DumpReader::kRedis5);
  }
  if (entry.has_deadline()) value.deadline_ms = entry.deadline_ms();
  return value;
}

keyspace::Entry* MakeEntry(std::string_view key, ReadyValue ready, int64_t deadline_ms) {
  keyspace::EntrySpec spec;
  spec.key = key;
  spec.deadline_ms = deadline_ms;
  if (ready.object) {
    spec.type = ready.object->type();
    spec.object = ready.object.release();
  } else if (ready.string.size() <= keyspace::Entry::kInlineValueMax) {
    spec.string = ready.string;
  } else {
    spec.heap = keyspace::HeapString::New(ready.string, ready.string.size());
  }
  return keyspace::Entry::New(spec);
}

}  // namespace terrace::tiers
