#pragma once

// RequestParser: finds the requests in what a client has sent: RESP arrays of bulk strings, or
// inline commands. Pure over bytes; keeps its place in an unfinished request, so that a large one
// arriving in small pieces is scanned once.
//
// Ownership: the arguments are views into the input (RESP) or into the parser (inline); they live
//            until the input moves, or the next inline request is parsed.
// Errors:    kError carries Redis's own text; the connection is to be closed after replying it.
// See:       the RESP specification at redis.io/docs/reference/protocol-spec.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::resp {

struct RequestLimits {
  size_t inline_bytes_max = 64 * 1024;
  int64_t arguments_max = 2147483647;
  int64_t bulk_bytes_max = int64_t{512} * 1024 * 1024;
  // The same for a client that has not authenticated; set by the caller where it applies.
  bool unauthenticated = false;
};

class RequestParser {
 public:
  enum class Status : uint8_t { kComplete, kIncomplete, kError };

  // Parses the request at the start of input. input must begin with the same bytes as last time
  // where that ended kIncomplete. kComplete appends the arguments to args (none for an empty
  // request, which is to be ignored) and tells how many bytes it took.
  Status Parse(std::string_view input, const RequestLimits& limits,
               std::vector<std::string_view>* args, size_t* consumed);

  const std::string& error() const { return error_; }
  // The last request was an inline one: its arguments live in the parser.
  bool was_inline() const { return was_inline_; }
  // How many bytes the unfinished request is known to need in all, or 0 when unknown: a hint for
  // the size of the input buffer.
  size_t bytes_wanted() const { return bytes_wanted_; }

  // Forgets an unfinished request.
  void Reset();

 private:
  struct Range {
    size_t offset;
    size_t size;
  };

  bool ParseWhole(std::string_view input, const RequestLimits& limits,
                  std::vector<std::string_view>* args, size_t* consumed);
  Status ParseInline(std::string_view input, const RequestLimits& limits,
                     std::vector<std::string_view>* args, size_t* consumed);
  Status ParseHeader(std::string_view input, const RequestLimits& limits);
  Status ParseBulk(std::string_view input, const RequestLimits& limits);
  Status Fail(std::string text);

  size_t position_ = 0;          // everything before it has been understood
  int64_t arguments_left_ = -1;  // -1: the header has not been read
  int64_t bulk_bytes_ = -1;      // -1: the next bulk's header has not been read
  std::vector<Range> ranges_;
  std::vector<std::string> inline_arguments_;
  bool was_inline_ = false;
  size_t bytes_wanted_ = 0;
  std::string error_;
};

// Splits a line into words as redis-cli and inline commands do: blanks separate, "..." with escapes
// (\n \r \t \b \a \xHH) and '...' quote. False on unbalanced quotes.
bool SplitLine(std::string_view line, std::vector<std::string>* words);

}  // namespace terrace::resp
