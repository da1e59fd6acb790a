#pragma once

// Popping members of sorted sets: what ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms share.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/numkeys.h"
#include "commands/typed.h"

namespace terrace::commands {

enum class PopEnd : uint8_t { kMin, kMax };

struct PoppedMember {
  std::string member;
  double score;
};

// Removes up to count members from this end and commits. REQUIRES: the set exists; count > 0.
// The command that pops there.
std::string_view NameOf(PopEnd end);

std::vector<PoppedMember> PopMembers(Draft<keyspace::Zset>& zset, size_t count, PopEnd end);

// numkeys key [key ...] MIN|MAX [COUNT count], from the argument of numkeys on to the end.
std::optional<MultiPop> ParseZsetMultiPop(Call& call, size_t numkeys_argument);

// Pops from the first sorted set that exists among these keys. True when a reply was written: the
// key and the members as pairs, or an error.
bool PopMembersFromFirst(Call& call, const MultiPop& arguments);

}  // namespace terrace::commands
