#pragma once

// StreamId: the place of an entry in a stream, a time in milliseconds and a number within it.

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace terrace::keyspace {

struct StreamId {
  uint64_t ms = 0;
  uint64_t seq = 0;

  auto operator<=>(const StreamId&) const = default;

  static constexpr StreamId Max() {
    return {std::numeric_limits<uint64_t>::max(), std::numeric_limits<uint64_t>::max()};
  }
  bool IsZero() const { return ms == 0 && seq == 0; }

  // The neighbours; nullopt at the end of all ids.
  std::optional<StreamId> Next() const {
    if (seq != std::numeric_limits<uint64_t>::max()) return StreamId{ms, seq + 1};
    if (ms != std::numeric_limits<uint64_t>::max()) return StreamId{ms + 1, 0};
    return std::nullopt;
  }
  std::optional<StreamId> Previous() const {
    if (seq != 0) return StreamId{ms, seq - 1};
    if (ms != 0) return StreamId{ms - 1, std::numeric_limits<uint64_t>::max()};
    return std::nullopt;
  }

  std::string Text() const { return std::to_string(ms) + "-" + std::to_string(seq); }
};

inline constexpr size_t kStreamIdBytes = 16;

// 16 bytes, big-endian: the form in which ids stand in dumps.
std::string EncodeStreamId(StreamId id);
// REQUIRES: bytes.size() == kStreamIdBytes.
StreamId DecodeStreamId(std::string_view bytes);

}  // namespace terrace::keyspace
