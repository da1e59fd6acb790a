#include "commands/geo_arguments.h"

#include <cstdio>

#include "base/numbers.h"

namespace terrace::commands {

std::optional<GeoPoint> ParsePoint(Call& call, size_t argument) {
  const auto longitude = base::ParseDouble(call.args[argument]);
  const auto latitude = longitude ? base::ParseDouble(call.args[argument + 1]) : std::nullopt;
  if (!latitude) {
    call.reply.NotAFloat();
    return std::nullopt;
  }
  const GeoPoint point{*longitude, *latitude};
  if (IsValid(point)) return point;
  // Numbers up to 1e308 in full.
  char text[1024];
  std::snprintf(text, sizeof(text), "ERR invalid longitude,latitude pair %f,%f", *longitude,
                *latitude);
  call.reply.Error(text);
  return std::nullopt;
}

std::optional<double> ParseUnit(Call& call, size_t argument) {
  if (call.Is(argument, "m")) return 1;
  if (call.Is(argument, "km")) return 1000;
  if (call.Is(argument, "ft")) return 0.3048;
  if (call.Is(argument, "mi")) return 1609.34;
  call.reply.Error("ERR unsupported unit provided. please use M, KM, FT, MI");
  return std::nullopt;
}

void ReplyPoint(Call& call, const GeoPoint& point) {
  call.reply.Array(2);
  for (const double degrees : {point.longitude, point.latitude}) {
    if (call.reply.protocol() < 3) {
      call.reply.HumanDouble(degrees);
    } else {
      // A double of RESP3, but with the digits of the other.
      call.reply.Raw("," + base::FormatLongDouble(degrees) + "\r\n");
    }
  }
}

void ReplyDistance(Call& call, double distance) {
  base::FixedText text;
  call.reply.Bulk(base::FormatFixed(distance, 4, text));
}

}  // namespace terrace::commands
