#pragma once

// Geometry of the geo commands: positions as 52-bit geohash scores, distances on a sphere, and the
// cells that cover a search area. All pure functions; figures and cell choice as in Redis, so that
// unsorted results come in the same order.
//
// Units: degrees, metres. A score is an interleaved geohash of 26 bits each for latitude (the even
// bits) and longitude.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace::commands {

inline constexpr double kLongitudeMax = 180;
inline constexpr double kLatitudeMax = 85.05112878;  // the square of the Mercator projection

struct GeoPoint {
  double longitude = 0;
  double latitude = 0;
};

inline bool IsValid(const GeoPoint& point) {
  return point.longitude >= -kLongitudeMax && point.longitude <= kLongitudeMax &&
         point.latitude >= -kLatitudeMax && point.latitude <= kLatitudeMax;
}

// The geohash in a score; scores that are none (any sorted set may be asked) give some point.
inline uint64_t BitsOfScore(double score) {
  if (score >= 0 && score < 0x1p64) return static_cast<uint64_t>(score);
  if (score < 0 && score >= -0x1p63) return static_cast<uint64_t>(static_cast<int64_t>(score));
  return 0;
}

// REQUIRES: IsValid(point).
uint64_t EncodePoint(const GeoPoint& point);
// The centre of the score's cell.
GeoPoint DecodePoint(uint64_t score);
// The usual eleven letters of a geohash.
std::string GeohashText(uint64_t score);

double DistanceM(const GeoPoint& a, const GeoPoint& b);

// A circle or a box around a centre.
struct GeoShape {
  GeoPoint center;
  bool is_box = false;
  double radius_m = 0;
  double width_m = 0;
  double height_m = 0;

  // Sets the distance from the centre if the point is inside.
  bool Contains(const GeoPoint& point, double* distance_m) const;
};

// Scores [min, max) of one cell.
struct ScoreCell {
  uint64_t min = 0;
  uint64_t max = 0;
};

// At most nine cells that together cover the shape: the centre's own, north, south, east, west,
// then the corners.
struct CoveringCells {
  std::array<ScoreCell, 9> cells;
  size_t count = 0;
};
CoveringCells Cover(const GeoShape& shape);

}  // namespace terrace::commands
