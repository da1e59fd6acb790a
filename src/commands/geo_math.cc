#include "commands/geo_math.h"

#include <algorithm>
#include <cmath>

namespace terrace::commands {
namespace {

constexpr double kEarthRadiusM = 6372797.560856;
constexpr double kMercatorMaxM = 20037726.37;
constexpr int kStepsMax = 26;  // bits per axis
constexpr double kPi = 3.14159265358979323846;

double Radians(double degrees) { return degrees * (kPi / 180); }
double Degrees(double radians) { return radians / (kPi / 180); }

// Spreads the low 32 bits to the even positions.
uint64_t Spread(uint64_t bits) {
  bits = (bits | bits << 16) & 0x0000FFFF0000FFFFu;
  bits = (bits | bits << 8) & 0x00FF00FF00FF00FFu;
  bits = (bits | bits << 4) & 0x0F0F0F0F0F0F0F0Fu;
  bits = (bits | bits << 2) & 0x3333333333333333u;
  return (bits | bits << 1) & 0x5555555555555555u;
}

// Gathers the even positions into the low 32 bits.
uint32_t Gather(uint64_t bits) {
  bits &= 0x5555555555555555u;
  bits = (bits | bits >> 1) & 0x3333333333333333u;
  bits = (bits | bits >> 2) & 0x0F0F0F0F0F0F0F0Fu;
  bits = (bits | bits >> 4) & 0x00FF00FF00FF00FFu;
  bits = (bits | bits >> 8) & 0x0000FFFF0000FFFFu;
  return static_cast<uint32_t>(bits | bits >> 16);
}

// A cell of the grid that divides each axis into 2^steps.
struct Cell {
  uint32_t x = 0;
  uint32_t y = 0;
  int steps = 0;
};

uint32_t GridIndex(double value, double max, int steps) {
  const double share = (value + max) / (2 * max);
  return static_cast<uint32_t>(share * static_cast<double>(uint64_t{1} << steps));
}

uint64_t Interleave(const Cell& cell) { return Spread(cell.y) | Spread(cell.x) << 1; }

Cell CellAt(const GeoPoint& point, double latitude_max, int steps) {
  return {GridIndex(point.longitude, kLongitudeMax, steps),
          GridIndex(point.latitude, latitude_max, steps), steps};
}

struct Area {
  GeoPoint min;
  GeoPoint max;
};

double GridEdge(uint64_t index, double max, int steps) {
  return -max + static_cast<double>(index) / static_cast<double>(uint64_t{1} << steps) * (2 * max);
}

Area AreaOf(const Cell& cell) {
  const uint64_t x = cell.x;
  const uint64_t y = cell.y;
  return {{GridEdge(x, kLongitudeMax, cell.steps), GridEdge(y, kLatitudeMax, cell.steps)},
          {GridEdge(x + 1, kLongitudeMax, cell.steps), GridEdge(y + 1, kLatitudeMax, cell.steps)}};
}

// The grid wraps around in both directions. A point on the last edge has an index of its own, one
// past the grid, which only a move along that axis brings back.
Cell Neighbour(const Cell& cell, int dx, int dy) {
  const uint32_t mask = (uint32_t{1} << cell.steps) - 1;
  Cell moved = cell;
  if (dx != 0) moved.x = (cell.x + static_cast<uint32_t>(dx)) & mask;
  if (dy != 0) moved.y = (cell.y + static_cast<uint32_t>(dy)) & mask;
  return moved;
}

ScoreCell ScoresOf(const Cell& cell) {
  const int shift = 2 * (kStepsMax - cell.steps);
  const uint64_t bits = Interleave(cell);
  return {bits << shift, (bits + 1) << shift};
}

double LatitudeDistanceM(double a, double b) {
  return kEarthRadiusM * std::fabs(Radians(a) - Radians(b));
}

// The smallest box of whole degrees of both axes that holds the shape.
Area BoundsOf(const GeoShape& shape) {
  const double half_height_m = shape.is_box ? shape.height_m / 2 : shape.radius_m;
  const double half_width_m = shape.is_box ? shape.width_m / 2 : shape.radius_m;
  const GeoPoint& center = shape.center;
  const double latitude_delta = Degrees(half_height_m / kEarthRadiusM);
  // Circles of latitude are shortest on the side of the pole.
  const double pole_side =
      center.latitude < 0 ? center.latitude - latitude_delta : center.latitude + latitude_delta;
  const double longitude_delta =
      Degrees(half_width_m / kEarthRadiusM / std::cos(Radians(pole_side)));
  return {{center.longitude - longitude_delta, center.latitude - latitude_delta},
          {center.longitude + longitude_delta, center.latitude + latitude_delta}};
}

// The finest grid whose cell and its neighbours still cover this range.
int EstimateSteps(double range_m, double latitude) {
  if (range_m == 0) return kStepsMax;
  int steps = 1;
  for (; range_m < kMercatorMaxM; range_m *= 2) ++steps;
  steps -= 2;  // so that the range is covered from any place in the cell
  // Cells are narrow near the poles.
  if (std::fabs(latitude) > 66) --steps;
  if (std::fabs(latitude) > 80) --steps;
  return std::clamp(steps, 1, kStepsMax);
}

// Do the four neighbours reach as far as the bounds?
bool Reaches(const Cell& center, const Area& bounds) {
  return AreaOf(Neighbour(center, 0, 1)).max.latitude >= bounds.max.latitude &&
         AreaOf(Neighbour(center, 0, -1)).min.latitude <= bounds.min.latitude &&
         AreaOf(Neighbour(center, 1, 0)).max.longitude >= bounds.max.longitude &&
         AreaOf(Neighbour(center, -1, 0)).min.longitude <= bounds.min.longitude;
}

}  // namespace

uint64_t EncodePoint(const GeoPoint& point) {
  return Interleave(CellAt(point, kLatitudeMax, kStepsMax));
}

GeoPoint DecodePoint(uint64_t score) {
  const Area area = AreaOf({Gather(score >> 1), Gather(score), kStepsMax});
  return {std::clamp((area.min.longitude + area.max.longitude) / 2, -kLongitudeMax, kLongitudeMax),
          std::clamp((area.min.latitude + area.max.latitude) / 2, -kLatitudeMax, kLatitudeMax)};
}

std::string GeohashText(uint64_t score) {
  static constexpr char kAlphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
  // Geohashes divide all 180 degrees of latitude, scores only those of the projection.
  const uint64_t bits = Interleave(CellAt(DecodePoint(score), 90, kStepsMax));
  std::string text;
  for (int shift = 47; shift > 0; shift -= 5) text += kAlphabet[bits >> shift & 31];
  text += kAlphabet[0];  // 52 bits make ten letters and a bit
  return text;
}

double DistanceM(const GeoPoint& a, const GeoPoint& b) {
  const double v = std::sin((Radians(b.longitude) - Radians(a.longitude)) / 2);
  if (v == 0) return LatitudeDistanceM(a.latitude, b.latitude);
  const double latitude_a = Radians(a.latitude);
  const double latitude_b = Radians(b.latitude);
  const double u = std::sin((latitude_b - latitude_a) / 2);
  const double h = u * u + std::cos(latitude_a) * std::cos(latitude_b) * v * v;  // haversine
  return 2 * kEarthRadiusM * std::asin(std::sqrt(h));
}

bool GeoShape::Contains(const GeoPoint& point, double* distance_m) const {
  if (is_box) {
    if (LatitudeDistanceM(point.latitude, center.latitude) > height_m / 2) return false;
    const GeoPoint below_center{center.longitude, point.latitude};
    if (DistanceM(point, below_center) > width_m / 2) return false;
  }
  *distance_m = DistanceM(center, point);
  return is_box || *distance_m <= radius_m;
}

CoveringCells Cover(const GeoShape& shape) {
  const Area bounds = BoundsOf(shape);
  const double range_m = shape.is_box ? std::sqrt(shape.width_m / 2 * (shape.width_m / 2) +
                                                  shape.height_m / 2 * (shape.height_m / 2))
                                      : shape.radius_m;
  int steps = EstimateSteps(range_m, shape.center.latitude);
  Cell center = CellAt(shape.center, kLatitudeMax, steps);
  if (steps > 1 && !Reaches(center, bounds)) {
    center = CellAt(shape.center, kLatitudeMax, --steps);
  }
  const Area area = AreaOf(center);
  // Coarse grids wrap around, so that a neighbour on one side may be needed for the other.
  const bool may_skip = steps >= 2;
  const bool skip_south = may_skip && area.min.latitude < bounds.min.latitude;
  const bool skip_north = may_skip && area.max.latitude > bounds.max.latitude;
  const bool skip_west = may_skip && area.min.longitude < bounds.min.longitude;
  const bool skip_east = may_skip && area.max.longitude > bounds.max.longitude;

  static constexpr struct {
    int dx;
    int dy;
  } kOffsets[] = {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
  CoveringCells covering;
  for (const auto& [dx, dy] : kOffsets) {
    if ((dy > 0 && skip_north) || (dy < 0 && skip_south) || (dx > 0 && skip_east) ||
        (dx < 0 && skip_west)) {
      continue;
    }
    const ScoreCell cell = ScoresOf(Neighbour(center, dx, dy));
    const auto end = covering.cells.begin() + static_cast<long>(covering.count);
    const bool repeated = std::any_of(
        covering.cells.begin(), end, [&](const ScoreCell& other) { return other.min == cell.min; });
    if (!repeated) covering.cells[covering.count++] = cell;
  }
  return covering;
}

}  // namespace terrace::commands
