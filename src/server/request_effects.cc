// What commands have done is repeated on replicas: here it is gathered, and handed to the stream
// while the locks of what was changed are held. See docs/replication.md.

#include <algorithm>
#include <utility>

#include "server/change_feed.h"
#include "server/core.h"
#include "server/request.h"

namespace terrace::server {

// Runs the handler and keeps what it has done. What commands within it do is kept before it.
void RequestPath::CallRepeated(commands::Call& call, const Work& work, int database) {
  commands::Effects effects;
  call.effects = &effects;
  const uint64_t changes = CountChanges();
  const uint64_t errors = call.reply.error_count();
  ++unit_depth_;
  work.command->handler(call);
  --unit_depth_;
  std::vector<commands::Effects::Arguments> said = effects.Take();
  // What a reading command finds to have expired is told of by the keyspace.
  const bool has_changed = work.command->has(commands::kWrite) && CountChanges() != changes;
  if (!said.empty() || has_changed || (IsRepeated(work) && call.reply.error_count() == errors)) {
    bool is_theirs = true;
    for (size_t i = 0; i < work.key_count(); ++i) is_theirs &= core_->changes->Has(work.key(i));
    const bool holds_commands = work.command->has(commands::kSkipMonitor);
    if (is_theirs && !holds_commands) {
      if (said.empty()) said.emplace_back(work.args.begin(), work.args.end());
      const bool is_message = work.command->has(commands::kPubSub);
      for (auto& arguments : said) unit_.push_back({database, std::move(arguments), !is_message});
    }
  }
  if (unit_depth_ == 0) RepeatUnit();
}

// What changes something that is no key, or all keys: always, unless it fails.
bool RequestPath::IsRepeated(const Work& work) const {
  constexpr std::string_view kOthers[] = {"flushall", "flushdb", "swapdb", "publish", "spublish"};
  return work.command->has(commands::kWrite | commands::kNoLocks) ||
         std::ranges::find(kOthers, work.command->name) != std::end(kOthers);
}

uint64_t RequestPath::CountChanges() const {
  uint64_t changes = 0;
  for (keyspace::ShardSet left = held_; left != 0; left &= left - 1) {
    changes += core_->keyspace->shard(__builtin_ctzll(left)).stats.changes;
  }
  return changes;
}

void RequestPath::RepeatUnit() {
  if (unit_.empty()) return;
  core_->changes->stream().Append(unit_);
  unit_.clear();
}

}  // namespace terrace::server
