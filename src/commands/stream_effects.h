#pragma once

// How what streams do is repeated (Call::RepeatAs): by the ids and times that were chosen here.

#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/stream_trim.h"
#include "commands/stream_values.h"

namespace terrace::commands {

// XADD of the entry that was added, with what was trimmed for it.
void RepeatAdd(Call& call, const StreamAddOptions& options, const keyspace::Stream& stream,
               keyspace::StreamId added, uint64_t trimmed);
// XTRIM to what the stream has now.
void RepeatTrim(Call& call, const StreamAddOptions& options, const keyspace::Stream& stream);

// The names of a group of a stream, and of one of its consumers.
struct GroupNames {
  std::string_view key;
  std::string_view group;
  std::string_view consumer;
};
void RepeatNewConsumer(Call& call, const GroupNames& names);
// How far the group has read.
void RepeatPosition(Call& call, const GroupNames& names, const keyspace::StreamGroup& group);
// That this entry is pending for the consumer, since when, and how often it was delivered.
void RepeatPending(Call& call, const GroupNames& names, const keyspace::StreamGroup& group,
                   keyspace::StreamId id);
// That it is pending no more.
void RepeatForgotten(Call& call, const GroupNames& names, keyspace::StreamId id);

}  // namespace terrace::commands
