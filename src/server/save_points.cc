#include "server/save_points.h"

#include <algorithm>
#include <limits>

#include "base/numbers.h"

namespace terrace::server {
namespace {

std::optional<std::vector<int64_t>> ParseCounts(std::string_view text) {
  std::vector<int64_t> numbers;
  constexpr std::string_view kBlanks = " \t\n";
  for (size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    const auto number = base::ParseInt64(text.substr(at, end - at));
    if (!number || *number < 0 || *number > std::numeric_limits<int>::max()) return std::nullopt;
    numbers.push_back(*number);
    at = text.find_first_not_of(kBlanks, end);
  }
  return numbers;
}

}  // namespace

std::optional<std::vector<SavePoint>> ParseSavePoints(std::string_view text) {
  const auto numbers = ParseCounts(text);
  if (!numbers || numbers->size() % 2 != 0) return std::nullopt;
  std::vector<SavePoint> points;
  for (size_t i = 0; i < numbers->size(); i += 2) {
    if ((*numbers)[i] < 1) return std::nullopt;
    points.push_back({(*numbers)[i], static_cast<uint64_t>((*numbers)[i + 1])});
  }
  return points;
}

std::string SavePointsText(const std::vector<SavePoint>& points) {
  std::string text;
  for (const SavePoint& point : points) {
    text += (text.empty() ? "" : " ") + std::to_string(point.seconds) + " " +
            std::to_string(point.changes);
  }
  return text;
}

}  // namespace terrace::server
