#include "commands/geo_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace terrace::commands {
namespace {

TEST(GeoMathTest, ScoresAndDistancesAreThoseOfRedis) {
  const GeoPoint palermo{13.361389, 38.115556};
  const GeoPoint catania{15.087269, 37.502669};
  EXPECT_EQ(EncodePoint(palermo), 3479099956230698u);
  EXPECT_EQ(EncodePoint(catania), 3479447370796909u);
  EXPECT_EQ(GeohashText(EncodePoint(palermo)), "sqc8b49rny0");
  EXPECT_EQ(GeohashText(EncodePoint(catania)), "sqdtr74hyu0");
  EXPECT_NEAR(DistanceM(DecodePoint(EncodePoint(palermo)), DecodePoint(EncodePoint(catania))),
              166274.1516, 0.0001);
}

TEST(GeoMathTest, TheCellsCoverEveryPointOfTheShape) {
  const uint64_t seed = 2718;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  base::Rng rng(seed);
  int inside = 0;
  for (int round = 0; round < 2000; ++round) {
    GeoShape shape;
    shape.center = {rng.Unit() * 340 - 170, rng.Unit() * 150 - 75};
    shape.is_box = rng.Below(2) == 0;
    const double size_m = std::pow(10, 1 + rng.Unit() * 5);
    shape.radius_m = size_m;
    shape.width_m = size_m * 2;
    shape.height_m = size_m * (1 + rng.Unit());
    const CoveringCells covering = Cover(shape);
    ASSERT_GT(covering.count, 0u);
    for (int i = 0; i < 50; ++i) {
      const double reach = size_m / 70000;  // somewhat more than the shape, in degrees
      const GeoPoint point{shape.center.longitude + (rng.Unit() - 0.5) * reach,
                           shape.center.latitude + (rng.Unit() - 0.5) * reach};
      if (!IsValid(point)) continue;
      const uint64_t score = EncodePoint(point);
      double distance_m = 0;
      if (!shape.Contains(DecodePoint(score), &distance_m)) continue;
      ++inside;
      const auto end = covering.cells.begin() + static_cast<long>(covering.count);
      EXPECT_TRUE(
          std::any_of(covering.cells.begin(), end,
                      [&](const ScoreCell& cell) { return score >= cell.min && score < cell.max; }))
          << shape.center.longitude << "," << shape.center.latitude << " " << size_m << " -> "
          << point.longitude << "," << point.latitude;
    }
  }
  EXPECT_GT(inside, 10000);
}

}  // namespace
}  // namespace terrace::commands
