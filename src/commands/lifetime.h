#pragma once

// Lifetime: how clients say when a key is to expire: in seconds or milliseconds, from now or from
// 1970.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "commands/call.h"

namespace terrace::commands {

enum class TimeUnit : int64_t { kMilliseconds = 1, kSeconds = 1000 };
enum class TimeOrigin : uint8_t { kNow, kEpoch };

void ReplyInvalidExpireTime(Call& call);

// The argument of SET, GETEX and their kin as Unix time in ms. It must be positive; otherwise
// replies the error and returns nullopt.
std::optional<int64_t> ParsePositiveUnixMs(Call& call, size_t argument, TimeUnit unit,
                                           TimeOrigin origin);

// The argument of EXPIRE and its kin as Unix time in ms. It may lie in the past. Replies the error
// and returns nullopt when it is no number or out of range.
std::optional<int64_t> ParseUnixMs(Call& call, size_t argument, TimeUnit unit, TimeOrigin origin);

// Has this moment come?
bool IsPast(const Call& call, int64_t unix_ms);

// Removes a key, if it is there, whose new lifetime is over already.
void RemovePast(Call& call, const keyspace::Key& key);

}  // namespace terrace::commands
