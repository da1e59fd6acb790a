#pragma once

// ScanOptions: the cursor and options that SCAN and its kin share.
//
// Errors: each function replies its error itself and returns nullopt.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "commands/call.h"

namespace terrace::commands {

struct ScanOptions {
  std::string_view pattern = "*";
  uint64_t count = 10;
  bool no_values = false;                // HSCAN's NOVALUES, ZSCAN's NOSCORES
  std::optional<std::string_view> type;  // SCAN's TYPE

  bool Matches(std::string_view text) const;
};

// What this scan understands beside MATCH and COUNT.
enum class ScanExtra : uint8_t { kNone, kNoValues, kNoScores, kType };

std::optional<uint64_t> ParseScanCursor(Call& call, size_t argument);
std::optional<ScanOptions> ParseScanOptions(Call& call, size_t first_argument, ScanExtra extra);

void ReplyCursor(Call& call, uint64_t cursor);

// Runs scan(cursor, out, &visited, &replies), which visits one bucket, adds to both counts, writes
// what matches to `out` and returns the next cursor, until enough was visited; replies the cursor
// and the elements.
template <typename Scan>
void ReplyScan(Call& call, uint64_t cursor, const ScanOptions& options, Scan scan) {
  // A sparse table must not hold the shard for long.
  uint64_t buckets_left = options.count > UINT64_MAX / 10 ? UINT64_MAX : options.count * 10;
  uint64_t visited = 0;
  size_t replies = 0;
  base::Buffer elements;
  resp::Reply out(&elements, call.reply.protocol());
  do {
    cursor = scan(cursor, out, &visited, &replies);
  } while (cursor != 0 && visited < options.count && --buckets_left > 0);
  call.reply.Array(2);
  ReplyCursor(call, cursor);
  call.reply.Array(replies);
  call.reply.Raw(elements.view());
}

// What a scan of nothing replies.
void ReplyEmptyScan(Call& call);

}  // namespace terrace::commands
