#pragma once

// What the stream commands share: how they find streams and groups, how clients write ids, and how
// entries are replied.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "commands/typed.h"
#include "keyspace/types/stream.h"
#include "keyspace/types/stream_reader.h"

namespace terrace::commands {

template <>
inline constexpr keyspace::Type kTypeOf<keyspace::Stream> = keyspace::Type::kStream;
template <>
inline constexpr bool kMayBeEmpty<keyspace::Stream> = true;

// The moment of the call as streams record it: ms since the epoch.
inline int64_t StreamNowMs(const Call& call) { return call.ToUnixMs(call.moment_ms()); }

inline constexpr uint64_t kSequenceMax = std::numeric_limits<uint64_t>::max();

// <ms>[-<seq>], the sequence being missing_sequence when left out. nullopt when it is no id.
std::optional<keyspace::StreamId> ReadStreamId(std::string_view text, uint64_t missing_sequence);

// The same from an argument; replies the error.
std::optional<keyspace::StreamId> ParseStreamId(Call& call, size_t argument,
                                                uint64_t missing_sequence = 0);

// A bound of a range: an id, "-", "+", or "(" and an id that is not itself in the range.
enum class RangeEnd : uint8_t { kStart, kStop };
std::optional<keyspace::StreamId> ParseRangeId(Call& call, size_t argument, RangeEnd end);

void ReplyId(resp::Reply& reply, keyspace::StreamId id);
// The entry the reader stands on: its id and its fields.
void ReplyEntry(resp::Reply& reply, keyspace::StreamReader& reader);
// The entry of this id, if it is there.
bool ReplyEntry(resp::Reply& reply, const keyspace::Stream& stream, keyspace::StreamId id);
// An array of up to count_max entries (0: all).
void ReplyEntries(resp::Reply& reply, keyspace::StreamReader reader, uint64_t count_max);

// The consumer of that name with its time of sight set, created if needed.
keyspace::StreamConsumer* SeeConsumer(keyspace::StreamGroup* group, std::string_view name,
                                      int64_t now_ms, bool* is_new);

// A name as error texts show it: Redis ends it at its first zero byte.
std::string Shown(std::string_view name);

// The error for a group that is not there.
void ReplyNoGroup(Call& call, std::string_view key, std::string_view group);

// A wrong number or order of arguments for a subcommand.
void ReplySubcommandError(Call& call);

}  // namespace terrace::commands
