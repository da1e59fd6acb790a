// Fuzzes the request parser: whatever the bytes and however they are cut, it finds the same
// requests and the same error, and never reads outside what it was given.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace {

using terrace::resp::RequestParser;

struct Outcome {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

// Feeds the bytes in pieces and copies each view into a block of its own size, so that a sanitizer
// sees any step outside.
Outcome Feed(std::string_view bytes, size_t piece) {
  RequestParser parser;
  Outcome outcome;
  std::vector<char> input;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const std::string_view part = bytes.substr(at, piece);
    input.insert(input.end(), part.begin(), part.end());
    while (true) {
      const std::vector<char> exact(input);
      std::vector<std::string_view> args;
      size_t consumed = 0;
      const auto status = parser.Parse({exact.data(), exact.size()}, {}, &args, &consumed);
      if (status == RequestParser::Status::kIncomplete) break;
      if (status == RequestParser::Status::kError) {
        outcome.error = parser.error();
        return outcome;
      }
      if (consumed == 0 || consumed > input.size()) std::abort();
      outcome.requests.emplace_back(args.begin(), args.end());
      input.erase(input.begin(), input.begin() + static_cast<ptrdiff_t>(consumed));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = Feed(bytes, bytes.size());
  const Outcome pieces = Feed(bytes, 1 + data[0] % 16);
  if (whole != pieces) std::abort();
  return 0;
}
