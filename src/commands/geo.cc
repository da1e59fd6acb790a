// The geo family: positions as sorted sets. Searches are in geo_search.cc.

#include <cstdio>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/geo_arguments.h"
#include "commands/geo_math.h"
#include "commands/registry.h"
#include "commands/type_row.h"
#include "commands/typed.h"
#include "commands/zset_add.h"

namespace terrace::commands {
namespace {

using keyspace::Zset;

void Geoadd(Call& call) {
  ZaddOptions options;
  size_t first = 2;
  for (; first < call.argc(); ++first) {
    if (call.Is(first, "nx")) {
      options.only_new = true;
    } else if (call.Is(first, "xx")) {
      options.only_existing = true;
    } else if (call.Is(first, "ch")) {
      options.count_changed = true;
    } else {
      break;
    }
  }
  const size_t count = call.argc() - first;
  if (count == 0 || count % 3 != 0 || (options.only_new && options.only_existing)) {
    return call.reply.SyntaxError();
  }
  std::vector<ScoredMember> members;
  members.reserve(count / 3);
  for (size_t i = first; i < call.argc(); i += 3) {
    const auto point = ParsePoint(call, i);
    if (!point) return;
    members.push_back({static_cast<double>(EncodePoint(*point)), call.args[i + 2]});
  }
  AddScoredMembers(call, options, members);
}

void Geopos(Call& call) {
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  call.reply.Array(call.argc() - 2);
  for (size_t i = 2; i < call.argc(); ++i) {
    const auto score = zset ? zset.object->Score(call.args[i]) : std::nullopt;
    if (score) {
      ReplyPoint(call, DecodePoint(BitsOfScore(*score)));
    } else {
      call.reply.NullArray();
    }
  }
}

void Geohash(Call& call) {
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  call.reply.Array(call.argc() - 2);
  for (size_t i = 2; i < call.argc(); ++i) {
    const auto score = zset ? zset.object->Score(call.args[i]) : std::nullopt;
    if (score) {
      call.reply.Bulk(GeohashText(BitsOfScore(*score)));
    } else {
      call.reply.Null();
    }
  }
}

void Geodist(Call& call) {
  double unit_m = 1;
  if (call.argc() == 5) {
    const auto unit = ParseUnit(call, 4);
    if (!unit) return;
    unit_m = *unit;
  } else if (call.argc() > 5) {
    return call.reply.SyntaxError();
  }
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  const auto a = zset ? zset.object->Score(call.args[2]) : std::nullopt;
  const auto b = zset ? zset.object->Score(call.args[3]) : std::nullopt;
  if (!a || !b) return call.reply.Null();
  ReplyDistance(call,
                DistanceM(DecodePoint(BitsOfScore(*a)), DecodePoint(BitsOfScore(*b))) / unit_m);
}

constexpr Command kGeoCommands[] = {
    GeoRow("geoadd", -5, kWrite | kDenyOom, Geoadd, "3.2.0",
           "key [condition: NX|XX] [change=CH] (data: longitude latitude member)...",
           "Adds members at positions.")
        .Costs("O(M*log(N)), M: members given, N: members"),
    GeoRow("geodist", -4, kReadOnly, Geodist, "3.2.0", "key member1 member2 [unit: M|KM|FT|MI]",
           "Returns the distance between two members."),
    GeoRow("geohash", -2, kReadOnly, Geohash, "3.2.0", "key [member...]",
           "Returns the geohashes of members.")
        .Costs("O(N), N: members given"),
    GeoRow("geopos", -2, kReadOnly, Geopos, "3.2.0", "key [member...]",
           "Returns the positions of members.")
        .Costs("O(N), N: members given"),
};

}  // namespace

std::span<const Command> GeoCommands() { return kGeoCommands; }

}  // namespace terrace::commands
