#pragma once

// Units: reading and writing the byte sizes and durations people put into configurations. Plain
// numbers are in base/numbers.h.
//
// Units:   bytes: "100", "100b", "1k" = 1000, "1kb" = 1024, likewise m/mb and g/gb (as in Redis),
//          t/tb. Durations are in milliseconds: "250ms", "5s", "10m", "1h", "2d", or a bare number
//          of milliseconds. No case matters; no blanks, no fractions, no sign.
// Errors:  std::nullopt when the text is not such a number or does not fit the result.
// Threads: pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace terrace::base {

[[nodiscard]] std::optional<uint64_t> ParseBytes(std::string_view text);
[[nodiscard]] std::optional<int64_t> ParseDurationMs(std::string_view text);

// The shortest exact spelling that the parsers above read back: 1073741824 -> "1gb", 1500 ->
// "1500"; 60000 -> "1m", 1500 ms -> "1500ms".
[[nodiscard]] std::string FormatBytes(uint64_t bytes);
[[nodiscard]] std::string FormatDurationMs(int64_t duration_ms);

}  // namespace terrace::base
