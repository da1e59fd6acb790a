#pragma once

// ZADD with its options, which ZINCRBY and GEOADD share.

#include <span>
#include <string_view>

#include "commands/call.h"

namespace terrace::commands {

struct ZaddOptions {
  bool only_new = false;       // NX
  bool only_existing = false;  // XX
  bool only_greater = false;   // GT
  bool only_less = false;      // LT
  bool count_changed = false;  // CH
  bool increment = false;      // INCR

  // Reads the options from `argument` on; returns the argument after them.
  size_t Parse(const Call& call, size_t argument);
  // Replies the error if options exclude each other; false then.
  bool Check(Call& call) const;
};

struct ScoredMember {
  double score;
  std::string_view member;
};

// Adds the members to the sorted set at argument 1 and replies as ZADD does.
void AddScoredMembers(Call& call, const ZaddOptions& options,
                      std::span<const ScoredMember> members);

void Zadd(Call& call);
void Zincrby(Call& call);

}  // namespace terrace::commands
