// Any pattern ends against any text in bounded time, and a pattern of literal bytes matches itself
// only. The input is a pattern and a text, split at its first NUL.

#include "base/glob.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

using terrace::base::GlobCase;
using terrace::base::GlobMatch;
using terrace::base::IsGlob;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = std::min(input.find('\0'), input.size());
  const std::string_view pattern = input.substr(0, split);
  const std::string_view text = input.substr(std::min(split + 1, input.size()));

  const bool matches = GlobMatch(pattern, text);
  if (!IsGlob(pattern)) TERRACE_CHECK(matches == (pattern == text));
  // What matches as it stands may fail without case only through an escaped class member.
  if (matches && pattern.find('[') == std::string_view::npos) {
    TERRACE_CHECK(GlobMatch(pattern, text, GlobCase::kInsensitive));
  }
  // A star at the end takes whatever comes.
  if (matches && !text.empty()) {
    const std::string longer = std::string(pattern) + "*";
    const bool open_end = pattern.find_first_of("[\\") != std::string_view::npos;
    TERRACE_CHECK(open_end || GlobMatch(longer, std::string(text) + "x"));
  }
  return 0;
}
