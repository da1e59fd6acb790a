#pragma once

// Save points: after how much time and how many changes a snapshot is written by itself, in Redis's
// syntax: pairs of seconds and changes, "3600 1 300 100". An empty text: never.
//
// Threads: pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::server {

struct SavePoint {
  int64_t seconds = 0;
  uint64_t changes = 0;
};

// nullopt where the text is none of save points.
[[nodiscard]] std::optional<std::vector<SavePoint>> ParseSavePoints(std::string_view text);
// With one blank between numbers.
std::string SavePointsText(const std::vector<SavePoint>& points);

}  // namespace terrace::server
