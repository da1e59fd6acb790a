#pragma once

// Popping members of sorted sets: what ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms share.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/typed.h"

namespace terrace::commands {

enum class PopEnd : uint8_t { kMin, kMax };

struct PoppedMember {
  std::string member;
  double score;
};

// Removes up to count members from this end and commits. REQUIRES: the set exists; count > 0.
std::vector<PoppedMember> PopMembers(Draft<keyspace::Zset>& zset, size_t count, PopEnd end);

// numkeys key [key ...] MIN|MAX [COUNT count], from the argument of numkeys on to the end.
struct MultiPopArguments {
  size_t first_key = 0;
  size_t key_count = 0;
  PopEnd end = PopEnd::kMin;
  size_t count = 1;
};
std::optional<MultiPopArguments> ParseMultiPop(Call& call, size_t numkeys_argument);

// The key, and the members as pairs.
void ReplyMultiPop(Call& call, std::string_view key, const std::vector<PoppedMember>& members);

}  // namespace terrace::commands
