// The geo family: GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS forms.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/geo_arguments.h"
#include "commands/geo_math.h"
#include "commands/registry.h"
#include "commands/type_row.h"
#include "commands/typed.h"

namespace terrace::commands {
namespace {

using keyspace::Zset;

enum class Form : uint8_t { kSearch, kSearchStore, kRadius, kRadiusByMember };
enum class Storing : uint8_t { kAllowed, kForbidden };  // STORE and STOREDIST of the older forms
enum class Order : uint8_t { kNone, kNearest, kFarthest };

struct Search {
  Found<Zset> source;
  GeoShape shape;
  double unit_m = 1;
  bool has_center = false;
  bool has_shape = false;
  bool with_distance = false;
  bool with_hash = false;
  bool with_point = false;
  Order order = Order::kNone;
  size_t count = 0;  // 0: all
  bool any = false;
  size_t store_argument = 0;  // of the destination key; 0: none
  bool store_distance = false;
};

struct Hit {
  std::string member;
  double distance_m;
  double score;
  GeoPoint point;
};

bool FailSyntax(Call& call) {
  call.reply.SyntaxError();
  return false;
}

std::optional<double> ParseLength(Call& call, size_t argument, std::string_view error) {
  const auto length = base::ParseDouble(call.args[argument]);
  if (!length) call.reply.Error(error);
  return length;
}

// A radius with its unit.
bool ParseRadius(Call& call, size_t argument, Search* search) {
  const auto radius = ParseLength(call, argument, "ERR need numeric radius");
  if (!radius) return false;
  if (*radius < 0) {
    call.reply.Error("ERR radius cannot be negative");
    return false;
  }
  const auto unit = ParseUnit(call, argument + 1);
  if (!unit) return false;
  search->unit_m = *unit;
  search->shape.radius_m = *radius * *unit;
  search->has_shape = true;
  return true;
}

// Width and height with their unit.
bool ParseBox(Call& call, size_t argument, Search* search) {
  const auto width = ParseLength(call, argument, "ERR need numeric width");
  if (!width) return false;
  const auto height = ParseLength(call, argument + 1, "ERR need numeric height");
  if (!height) return false;
  if (*width < 0 || *height < 0) {
    call.reply.Error("ERR height or width cannot be negative");
    return false;
  }
  const auto unit = ParseUnit(call, argument + 2);
  if (!unit) return false;
  search->unit_m = *unit;
  search->shape.is_box = true;
  search->shape.width_m = *width * *unit;
  search->shape.height_m = *height * *unit;
  search->has_shape = true;
  return true;
}

bool ParseMember(Call& call, size_t argument, Search* search) {
  search->has_center = true;
  if (!search->source) return true;  // nothing will be searched
  const auto score = search->source.object->Score(call.args[argument]);
  if (!score) {
    call.reply.Error("ERR could not decode requested zset member");
    return false;
  }
  search->shape.center = DecodePoint(BitsOfScore(*score));
  return true;
}

bool ParseCenter(Call& call, size_t argument, Search* search) {
  const auto point = ParsePoint(call, argument);
  if (!point) return false;
  search->shape.center = *point;
  search->has_center = true;
  return true;
}

bool ParseCount(Call& call, size_t argument, Search* search) {
  const auto count = call.Integer(argument);
  if (!count) return false;
  if (*count <= 0) {
    call.reply.Error("ERR COUNT must be > 0");
    return false;
  }
  search->count = static_cast<size_t>(*count);
  return true;
}

// One option of GEOSEARCH that says where to look, at argument *at; moves *at to its last argument.
// kOther: it is none of them.
enum class Parsed : uint8_t { kYes, kError, kOther };
Parsed ParseWhere(Call& call, size_t* at, Search* search) {
  const size_t left = call.argc() - *at - 1;
  const size_t first = *at + 1;
  bool ok = false;
  if (call.Is(*at, "frommember") && left >= 1 && !search->has_center) {
    ok = ParseMember(call, first, search);
    *at += 1;
  } else if (call.Is(*at, "fromlonlat") && left >= 2 && !search->has_center) {
    ok = ParseCenter(call, first, search);
    *at += 2;
  } else if (call.Is(*at, "byradius") && left >= 2 && !search->has_shape) {
    ok = ParseRadius(call, first, search);
    *at += 2;
  } else if (call.Is(*at, "bybox") && left >= 3 && !search->has_shape) {
    ok = ParseBox(call, first, search);
    *at += 3;
  } else {
    return Parsed::kOther;
  }
  return ok ? Parsed::kYes : Parsed::kError;
}

bool ParseOptions(Call& call, size_t argument, Form form, Storing storing, Search* search) {
  const bool old_form = form == Form::kRadius || form == Form::kRadiusByMember;
  for (size_t i = argument; i < call.argc(); ++i) {
    const bool has_value = i + 1 < call.argc();
    if (call.Is(i, "withdist")) {
      search->with_distance = true;
    } else if (call.Is(i, "withhash")) {
      search->with_hash = true;
    } else if (call.Is(i, "withcoord")) {
      search->with_point = true;
    } else if (call.Is(i, "any")) {
      search->any = true;
    } else if (call.Is(i, "asc")) {
      search->order = Order::kNearest;
    } else if (call.Is(i, "desc")) {
      search->order = Order::kFarthest;
    } else if (call.Is(i, "count") && has_value) {
      if (!ParseCount(call, ++i, search)) return false;
    } else if (old_form && storing == Storing::kAllowed && has_value &&
               (call.Is(i, "store") || call.Is(i, "storedist"))) {
      search->store_distance = call.Is(i, "storedist");
      search->store_argument = ++i;
    } else if (form == Form::kSearchStore && call.Is(i, "storedist")) {
      search->store_distance = true;
    } else if (old_form) {
      return FailSyntax(call);
    } else {
      const Parsed parsed = ParseWhere(call, &i, search);
      if (parsed == Parsed::kError) return false;
      if (parsed == Parsed::kOther) return FailSyntax(call);
    }
  }
  return true;
}

bool CheckOptions(Call& call, Form form, const Search& search) {
  const auto fail = [&](const std::string& error) {
    call.reply.Error(error);
    return false;
  };
  const std::string name(call.args[0]);
  if (search.store_argument != 0 &&
      (search.with_distance || search.with_hash || search.with_point)) {
    const std::string what =
        form == Form::kSearchStore ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS";
    return fail("ERR " + what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
  }
  if (!search.has_center) {
    return fail("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name);
  }
  if (!search.has_shape) {
    return fail("ERR exactly one of BYRADIUS and BYBOX can be specified for " + name);
  }
  if (search.any && search.count == 0) {
    return fail("ERR the ANY argument requires COUNT argument");
  }
  return true;
}

// All members inside, cell by cell; with ANY only as many as asked for.
std::vector<Hit> FindHits(const Search& search) {
  std::vector<Hit> hits;
  const Zset& zset = *search.source.object;
  const size_t enough = search.any ? search.count : SIZE_MAX;
  const CoveringCells covering = Cover(search.shape);
  for (size_t i = 0; i < covering.count && hits.size() < enough; ++i) {
    const ScoreCell& cell = covering.cells[i];
    const size_t first = zset.CountBelow(static_cast<double>(cell.min), Zset::Bound::kExclusive);
    const size_t end = zset.CountBelow(static_cast<double>(cell.max), Zset::Bound::kExclusive);
    if (end <= first) continue;
    zset.VisitUp(first, end - first, [&](const Zset::Entry& entry) {
      if (hits.size() >= enough) return;
      const GeoPoint point = DecodePoint(BitsOfScore(entry.score));
      double distance_m = 0;
      if (!search.shape.Contains(point, &distance_m)) return;
      hits.push_back({std::string(entry.member), distance_m, entry.score, point});
    });
  }
  return hits;
}

// Equal distances keep the order of the cells when all hits are wanted, as they do in Redis.
void SortAndCut(const Search& search, std::vector<Hit>* hits) {
  const size_t kept = search.count == 0 ? hits->size() : std::min(search.count, hits->size());
  const auto middle = hits->begin() + static_cast<long>(kept);
  const auto sort = [&](auto comes_first) {
    if (middle == hits->end()) {
      std::stable_sort(hits->begin(), hits->end(), comes_first);
    } else {
      std::partial_sort(hits->begin(), middle, hits->end(), comes_first);
    }
  };
  if (search.order == Order::kNearest) {
    sort([](const Hit& a, const Hit& b) { return a.distance_m < b.distance_m; });
  } else if (search.order == Order::kFarthest) {
    sort([](const Hit& a, const Hit& b) { return a.distance_m > b.distance_m; });
  }
  hits->erase(middle, hits->end());
}

void ReplyHits(Call& call, const Search& search, const std::vector<Hit>& hits) {
  const size_t parts =
      1 + (search.with_distance ? 1 : 0) + (search.with_hash ? 1 : 0) + (search.with_point ? 1 : 0);
  call.reply.Array(hits.size());
  for (const Hit& hit : hits) {
    if (parts > 1) call.reply.Array(parts);
    call.reply.Bulk(hit.member);
    if (search.with_distance) ReplyDistance(call, hit.distance_m / search.unit_m);
    if (search.with_hash) call.reply.Integer(static_cast<int64_t>(hit.score));
    if (search.with_point) ReplyPoint(call, hit.point);
  }
}

void StoreHits(Call& call, Form form, const Search& search, const std::vector<Hit>& hits) {
  auto result = std::make_unique<Zset>();
  for (const Hit& hit : hits) {
    result->Set(hit.member, search.store_distance ? hit.distance_m / search.unit_m : hit.score,
                call.limits.encoding);
  }
  StoreResult(call, search.store_argument, std::move(result),
              {'z', form == Form::kSearchStore ? "geosearchstore" : "georadiusstore"});
  call.reply.Integer(static_cast<int64_t>(hits.size()));
}

void Run(Call& call, Form form, Storing storing) {
  Search search;
  const bool stores = form == Form::kSearchStore;
  const size_t source_argument = stores ? 2 : 1;
  if (stores) search.store_argument = 1;
  search.source = Find<Zset>(call, source_argument);
  if (search.source.wrong_type) return;
  size_t options = source_argument + 1;
  if (form == Form::kRadius) {
    if (!ParseCenter(call, 2, &search) || !ParseRadius(call, 4, &search)) return;
    options = 6;
  } else if (form == Form::kRadiusByMember) {
    // Redis looks at these only where there is something to search.
    search.has_center = search.has_shape = !search.source;
    if (search.source && (!ParseMember(call, 2, &search) || !ParseRadius(call, 3, &search))) return;
    options = 5;
  }
  if (!ParseOptions(call, options, form, storing, &search)) return;
  if (!CheckOptions(call, form, search)) return;
  // A count without an order means the nearest.
  if (search.count > 0 && search.order == Order::kNone && !search.any) {
    search.order = Order::kNearest;
  }
  std::vector<Hit> hits;
  if (search.source) hits = FindHits(search);
  SortAndCut(search, &hits);
  if (search.store_argument != 0) {
    StoreHits(call, form, search, hits);
  } else {
    ReplyHits(call, search, hits);
  }
}

void Geosearch(Call& call) { Run(call, Form::kSearch, Storing::kForbidden); }
void Geosearchstore(Call& call) { Run(call, Form::kSearchStore, Storing::kForbidden); }
void Georadius(Call& call) { Run(call, Form::kRadius, Storing::kAllowed); }
void GeoradiusRo(Call& call) { Run(call, Form::kRadius, Storing::kForbidden); }
void Georadiusbymember(Call& call) { Run(call, Form::kRadiusByMember, Storing::kAllowed); }
void GeoradiusbymemberRo(Call& call) { Run(call, Form::kRadiusByMember, Storing::kForbidden); }

// The source, and what follows STORE or STOREDIST; the last of them counts.
bool FindStoreKeys(Args args, size_t options, std::vector<int>* positions) {
  positions->push_back(1);
  int store = 0;
  for (size_t i = options; i + 1 < args.size(); ++i) {
    if (SameName(args[i], "store") || SameName(args[i], "storedist")) {
      store = static_cast<int>(++i);
    }
  }
  if (store != 0) positions->push_back(store);
  return true;
}

bool FindRadiusKeys(Args args, std::vector<int>* positions) {
  return FindStoreKeys(args, 6, positions);
}
bool FindRadiusByMemberKeys(Args args, std::vector<int>* positions) {
  return FindStoreKeys(args, 5, positions);
}

constexpr uint32_t kMayStore = kWrite | kDenyOom | kMovableKeys;

constexpr Command kGeoSearchCommands[] = {
    Deprecated(GeoRow("georadius", -6, kMayStore, Georadius, "3.2.0",
                      "key longitude latitude radius (unit: M|KM|FT|MI) [WITHCOORD] [WITHDIST] "
                      "[WITHHASH] [count-block: COUNT count [ANY]] [order: ASC|DESC] "
                      "[store: STORE storekey=key|STOREDIST storedistkey=key]",
                      "Returns members within a circle.",
                      {FindRadiusKeys, KeyAt(1, "RO access"), KeyAfter("STORE", 6, "OW update"),
                       KeyAfter("STOREDIST", 6, "OW update")})
                   .Costs("O(N+log(M)), N: members near the area, M: members"),
               "6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    Deprecated(GeoRow("georadius_ro", -6, kReadOnly, GeoradiusRo, "3.2.10",
                      "key longitude latitude radius (unit: M|KM|FT|MI) [WITHCOORD] [WITHDIST] "
                      "[WITHHASH] [count-block: COUNT count [ANY]] [order: ASC|DESC]",
                      "GEORADIUS without STORE.")
                   .Costs("O(N+log(M)), N: members near the area, M: members"),
               "6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    Deprecated(GeoRow("georadiusbymember", -5, kMayStore, Georadiusbymember, "3.2.0",
                      "key member radius (unit: M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
                      "[count-block: COUNT count [ANY]] [order: ASC|DESC] "
                      "[store: STORE storekey=key|STOREDIST storedistkey=key]",
                      "Returns members within a circle around a member.",
                      {FindRadiusByMemberKeys, KeyAt(1, "RO access"),
                       KeyAfter("STORE", 5, "OW update"), KeyAfter("STOREDIST", 5, "OW update")})
                   .Costs("O(N+log(M)), N: members near the area, M: members"),
               "6.2.0",
               "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    Deprecated(GeoRow("georadiusbymember_ro", -5, kReadOnly, GeoradiusbymemberRo, "3.2.10",
                      "key member radius (unit: M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
                      "[count-block: COUNT count [ANY]] [order: ASC|DESC]",
                      "GEORADIUSBYMEMBER without STORE.")
                   .Costs("O(N+log(M)), N: members near the area, M: members"),
               "6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    GeoRow("geosearch", -7, kReadOnly, Geosearch, "6.2.0",
           "key (from: FROMMEMBER member|FROMLONLAT (longitude latitude)) "
           "(by: (circle: BYRADIUS radius (unit: M|KM|FT|MI))|"
           "(box: BYBOX width height (unit: M|KM|FT|MI))) [order: ASC|DESC] "
           "[count-block: COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
           "Returns members within a circle or box.")
        .Costs("O(N+log(M)), N: members near the area, M: members"),
    GeoRow("geosearchstore", -8, kWrite | kDenyOom, Geosearchstore, "6.2.0",
           "destination source (from: FROMMEMBER member|FROMLONLAT (longitude latitude)) "
           "(by: (circle: BYRADIUS radius (unit: M|KM|FT|MI))|"
           "(box: BYBOX width height (unit: M|KM|FT|MI))) [order: ASC|DESC] "
           "[count-block: COUNT count [ANY]] [STOREDIST]",
           "Stores what GEOSEARCH returns.", {KeyAt(1, "OW update"), KeyAt(2, "RO access")})
        .Costs("O(N+log(M)), N: members near the area, M: members"),
};

}  // namespace

std::span<const Command> GeoSearchCommands() { return kGeoSearchCommands; }

}  // namespace terrace::commands
