#include "commands/encoding.h"

#include "base/numbers.h"

namespace terrace::commands {

using keyspace::Entry;

bool IsIntEncoded(const Entry& entry) {
  return entry.is_string() && !entry.is_raw_string() && !entry.is_text_string() &&
         base::ParseInt64(entry.string()).has_value();
}

std::string_view EncodingOf(const Entry& entry) {
  // Redis keeps strings up to this size beside the key's header.
  constexpr size_t kEmbeddedMax = 44;
  if (!entry.is_string()) return entry.object()->encoding();
  if (entry.is_raw_string()) return "raw";
  if (IsIntEncoded(entry)) return "int";
  return entry.string().size() <= kEmbeddedMax ? "embstr" : "raw";
}

}  // namespace terrace::commands
