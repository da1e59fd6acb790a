#pragma once

// Arguments and replies that the geo commands share.
//
// Errors: the parsers reply their error themselves and return nullopt.

#include <optional>

#include "commands/call.h"
#include "commands/geo_math.h"

namespace terrace::commands {

// Longitude and latitude in this argument and the next.
std::optional<GeoPoint> ParsePoint(Call& call, size_t argument);
// A unit of length, in metres.
std::optional<double> ParseUnit(Call& call, size_t argument);

void ReplyPoint(Call& call, const GeoPoint& point);
void ReplyDistance(Call& call, double distance);

}  // namespace terrace::commands
