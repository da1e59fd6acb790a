// A snapshot file may come from anywhere. What is read of one is written again, and must then be
// read without an error, as the same. The checksum is not compared, so that the fuzzer works on the
// reader.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "keyspace/digest.h"
#include "support/snapshot_bytes.h"

namespace {

using terrace::keyspace::Keyspace;
namespace replication = terrace::replication;

constexpr int64_t kNowMs = 1700000000000;

std::string DigestOf(Keyspace& keyspace) {
  return terrace::keyspace::ToHex(terrace::keyspace::DigestOfKeyspace(keyspace, kNowMs));
}

replication::SnapshotRead Read(std::string_view bytes, size_t step, Keyspace* keyspace) {
  replication::MemoryInput input(bytes, step);
  replication::KeyspaceSink sink(keyspace, kNowMs);
  replication::SnapshotRules rules;
  rules.wall_ms = kNowMs;
  rules.checks_checksum = false;
  return replication::ReadSnapshot(&input, rules, &sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const terrace::keyspace::KeyspaceOptions options{.shard_count = 1, .concurrent = false};
  Keyspace first(options);
  // In small steps, as the borders of the buffer are where things go wrong.
  static_cast<void>(Read(bytes, size == 0 ? 1 : 1 + data[size - 1] % 7, &first));

  replication::MemoryOutput output;
  replication::SnapshotContent content;
  content.now_ms = content.wall_ms = kNowMs;
  TERRACE_CHECK(replication::WriteSnapshot(first, content, &output).error == 0);
  Keyspace second(options);
  TERRACE_CHECK(Read(output.bytes_, SIZE_MAX, &second).error.empty());
  TERRACE_CHECK(DigestOf(first) == DigestOf(second));
  return 0;
}
