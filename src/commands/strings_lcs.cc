// The string family: LCS, the longest common subsequence of two strings.

#include <algorithm>
#include <memory>
#include <new>
#include <string>

#include "commands/call.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

struct LcsOptions {
  bool length_only = false;
  bool ranges = false;
  bool range_lengths = false;
  int64_t range_length_min = 0;
};

// A run of bytes that both strings share, by its first and last position in each.
struct MatchedRange {
  uint32_t a_first;
  uint32_t a_last;
  uint32_t b_first;
  uint32_t b_last;
  uint32_t length() const { return a_last - a_first + 1; }
};

// The lengths of the common subsequences of all prefixes (Wagner and Fischer).
class Lengths {
 public:
  // Nothing when there is not enough memory.
  static std::unique_ptr<uint32_t[]> Allocate(std::string_view a, std::string_view b) {
    return std::unique_ptr<uint32_t[]>(new (std::nothrow)
                                           uint32_t[(a.size() + 1) * (b.size() + 1)]);
  }

  Lengths(std::string_view a, std::string_view b, std::unique_ptr<uint32_t[]> cells)
      : row_(b.size() + 1), cells_(std::move(cells)) {
    std::fill_n(cells_.get(), row_, 0);
    for (size_t i = 1; i <= a.size(); ++i) {
      At(i, 0) = 0;
      for (size_t j = 1; j <= b.size(); ++j) {
        At(i, j) =
            a[i - 1] == b[j - 1] ? At(i - 1, j - 1) + 1 : std::max(At(i - 1, j), At(i, j - 1));
      }
    }
  }

  uint32_t& At(size_t i, size_t j) { return cells_[i * row_ + j]; }

 private:
  size_t row_;
  std::unique_ptr<uint32_t[]> cells_;
};

// Walks back from the ends of both strings. Calls on_byte(byte) for each byte of the subsequence
// and on_range(range) for each unbroken run, last ones first.
template <typename OnByte, typename OnRange>
void WalkBack(std::string_view a, std::string_view b, Lengths& lengths, OnByte on_byte,
              OnRange on_range) {
  bool open = false;
  MatchedRange range{};
  const auto close = [&] {
    if (open) on_range(range);
    open = false;
  };
  size_t i = a.size();
  size_t j = b.size();
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      on_byte(a[i]);
      const auto a_at = static_cast<uint32_t>(i);
      const auto b_at = static_cast<uint32_t>(j);
      if (open && range.a_first == a_at + 1 && range.b_first == b_at + 1) {
        range.a_first = a_at;
        range.b_first = b_at;
      } else {
        close();
        range = {a_at, a_at, b_at, b_at};
        open = true;
      }
    } else {
      close();
      if (lengths.At(i - 1, j) > lengths.At(i, j - 1)) {
        --i;
      } else {
        --j;
      }
    }
  }
  close();
}

// False, and the error replied, when the arguments make no sense.
bool ParseOptions(Call& call, LcsOptions& options) {
  for (size_t i = 3; i < call.argc(); ++i) {
    if (call.Is(i, "idx")) {
      options.ranges = true;
    } else if (call.Is(i, "len")) {
      options.length_only = true;
    } else if (call.Is(i, "withmatchlen")) {
      options.range_lengths = true;
    } else if (call.Is(i, "minmatchlen") && i + 1 < call.argc()) {
      const auto length = call.Integer(++i);
      if (!length) return false;
      options.range_length_min = *length;
    } else {
      call.reply.SyntaxError();
      return false;
    }
  }
  if (options.length_only && options.ranges) {
    call.reply.Error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

void ReplyRanges(Call& call, const LcsOptions& options, std::string_view a, std::string_view b,
                 Lengths& lengths) {
  resp::Reply& reply = call.reply;
  reply.Map(2);
  reply.Bulk("matches");
  const auto mark = reply.Begin();
  size_t count = 0;
  WalkBack(
      a, b, lengths, [](char) {},
      [&](const MatchedRange& range) {
        if (range.length() < options.range_length_min) return;
        ++count;
        reply.Array(options.range_lengths ? 3 : 2);
        reply.Array(2);
        reply.Integer(range.a_first);
        reply.Integer(range.a_last);
        reply.Array(2);
        reply.Integer(range.b_first);
        reply.Integer(range.b_last);
        if (options.range_lengths) reply.Integer(range.length());
      });
  reply.EndArray(mark, count);
  reply.Bulk("len");
  reply.Integer(lengths.At(a.size(), b.size()));
}

void Lcs(Call& call) {
  const keyspace::Entry* const entry_a = call.db.Read(call.key(1));
  const keyspace::Entry* const entry_b = call.db.Read(call.key(2));
  if ((entry_a != nullptr && !entry_a->is_string()) ||
      (entry_b != nullptr && !entry_b->is_string())) {
    return call.reply.Error("ERR The specified keys must contain string values");
  }
  LcsOptions options;
  if (!ParseOptions(call, options)) return;
  const std::string_view a = entry_a != nullptr ? entry_a->string() : std::string_view();
  const std::string_view b = entry_b != nullptr ? entry_b->string() : std::string_view();
  if (a.size() >= UINT32_MAX - 1 || b.size() >= UINT32_MAX - 1) {
    return call.reply.Error("ERR String too long for LCS");
  }
  // Strings are shorter than 2^32, so this cannot overflow before it is far beyond the limit.
  if ((a.size() + 1) * (b.size() + 1) > call.limits.string_bytes_max / sizeof(uint32_t)) {
    return call.reply.Error(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  std::unique_ptr<uint32_t[]> cells = Lengths::Allocate(a, b);
  if (cells == nullptr) {
    return call.reply.Error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  Lengths lengths(a, b, std::move(cells));
  if (options.ranges) return ReplyRanges(call, options, a, b, lengths);
  const uint32_t length = lengths.At(a.size(), b.size());
  if (options.length_only) return call.reply.Integer(length);
  std::string common(length, '\0');
  auto at = common.rbegin();
  WalkBack(
      a, b, lengths, [&](char byte) { *at++ = byte; }, [](const MatchedRange&) {});
  call.reply.Bulk(common);
}

constexpr Command kStringLcsCommands[] = {
    {.name = "lcs",
     .arity = -3,
     .flags = kReadOnly,
     .categories = kString,
     .keys = {1, 2, 1},
     .resolve = Resolve::kValue,
     .handler = Lcs,
     .group = "string",
     .since = "7.0.0",
     .syntax = "key1 key2@0 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
     .summary = "Returns the longest common subsequence of two strings.",
     .complexity = "O(N*M), N and M: bytes of the strings"},
};

}  // namespace

std::span<const Command> StringLcsCommands() { return kStringLcsCommands; }

}  // namespace terrace::commands
