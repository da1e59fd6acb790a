// An append-only directory may come from anywhere: its manifest, and the commands in its files.
// What is read does not depend on the steps it is read in, and what is whole by itself reads the
// same again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "replication/append_only_manifest.h"
#include "replication/command_log.h"
#include "support/snapshot_bytes.h"

namespace {

namespace replication = terrace::replication;

class Joined : public replication::CommandSink {
 public:
  std::string OnCommand(std::span<const std::string_view> arguments) override {
    TERRACE_CHECK(!arguments.empty());
    for (const std::string_view argument : arguments) {
      text += std::to_string(argument.size()) + ':' + std::string(argument);
    }
    return "";
  }
  std::string text;
};

replication::CommandLogRead Read(std::string_view bytes, size_t step, std::string* text) {
  replication::MemoryInput input(bytes, step);
  Joined sink;
  const replication::CommandLogRead read = replication::ReadCommandLog(&input, 0, &sink);
  *text = std::move(sink.text);
  return read;
}

void CheckLog(std::string_view bytes) {
  std::string at_once, in_steps, whole;
  const auto read = Read(bytes, SIZE_MAX, &at_once);
  const auto stepwise = Read(bytes, 1, &in_steps);
  TERRACE_CHECK(read.error == stepwise.error && at_once == in_steps);
  TERRACE_CHECK(read.is_truncated == stepwise.is_truncated);
  TERRACE_CHECK(read.whole_bytes == stepwise.whole_bytes && read.whole_bytes <= bytes.size());
  const auto again = Read(bytes.substr(0, read.whole_bytes), SIZE_MAX, &whole);
  TERRACE_CHECK(again.error.empty() && !again.is_truncated);
  if (read.error.empty()) TERRACE_CHECK(whole == at_once);
}

void CheckManifest(std::string_view text) {
  replication::AppendOnlyManifest manifest, again;
  if (!manifest.Parse(text).empty()) return;
  TERRACE_CHECK(again.Parse(manifest.Format()).empty());
  TERRACE_CHECK(again.Format() == manifest.Format());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckLog(bytes);
  CheckManifest(bytes);
  return 0;
}
