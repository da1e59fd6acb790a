#pragma once

// TypeRow: the rows of the command table of one data type, which have most fields in common. The
// families of a type are several files; what differs stays in their tables.

#include <cstdint>
#include <string_view>

#include "commands/command.h"

namespace terrace::commands {

// Flags that most rows have.
inline constexpr uint32_t kReads = kReadOnly | kFast;
inline constexpr uint32_t kAdds = kWrite | kDenyOom | kFast;
inline constexpr uint32_t kStores = kWrite | kDenyOom;

// LMOVE, SMOVE and their kin take from one key and put into the other.
inline constexpr Keys kTakenThenPut{KeyAt(1, "RW access delete"), KeyAt(2, "RW insert")};

struct TypeRow {
  uint32_t category = 0;
  std::string_view group;

  // Such a command needs to know its value, and most have one key, the first argument.
  constexpr Command operator()(std::string_view name, int arity, uint32_t flags, Handler handler,
                               std::string_view since, std::string_view syntax,
                               std::string_view summary, Keys keys = {1, 1, 1}) const {
    return {.name = name,
            .arity = arity,
            .flags = flags,
            .categories = category,
            .keys = keys,
            .resolve = Resolve::kValue,
            .handler = handler,
            .group = group,
            .since = since,
            .syntax = syntax,
            .summary = summary};
  }
};

inline constexpr TypeRow GeoRow{kGeo, "geo"};
inline constexpr TypeRow HashRow{kHash, "hash"};
inline constexpr TypeRow SetRow{kSet, "set"};
inline constexpr TypeRow SortedSetRow{kSortedSet, "sorted-set"};

}  // namespace terrace::commands
