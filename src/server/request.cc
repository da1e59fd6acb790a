#include "server/request.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/release.h"
#include "commands/call.h"
#include "server/busy_script.h"
#include "server/change_feed.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/stats.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Command;
using Status = resp::RequestParser::Status;

// Redis shows at most this much of a command that it does not know.
constexpr size_t kUnknownNameMax = 128;

// At most this many bytes, and nothing from a zero byte on.
std::string Shown(std::string_view text, size_t bytes_max) {
  return std::string(text.substr(0, std::min(bytes_max, text.find('\0'))));
}

void ReplyUnknown(const commands::Registry& registry, commands::Args args, resp::Reply& reply) {
  if (args.size() >= 2 && registry.Find(args[0]) != nullptr) {
    const Command* container = registry.Find(args[0]);
    std::string name(container->name);
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    reply.Error("ERR unknown subcommand '" + Shown(args[1], kUnknownNameMax) + "'. Try " + name +
                " HELP.");
    return;
  }
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kUnknownNameMax; ++i) {
    shown += "'" + Shown(args[i], kUnknownNameMax - shown.size()) + "' ";
  }
  reply.Error("ERR unknown command '" + Shown(args[0], kUnknownNameMax) +
              "', with args beginning with: " + shown);
}

// A page in a browser can make it send an HTTP request here, with commands in its body.
bool IsWebRequest(std::string_view name) {
  const auto is = [name](std::string_view word) {
    return name.size() == word.size() &&
           std::equal(name.begin(), name.end(), word.begin(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  return is("post") || is("host:");
}

// A RESP2 client that is subscribed could not tell the replies of other commands from messages.
bool MaySubscriberRun(const Command& command) {
  const bool subscribes = command.has(commands::kPubSub) && command.has(commands::kNoScript);
  return subscribes || command.name == "ping" || command.name == "quit" || command.name == "reset";
}

void PrefetchBucket(const keyspace::Table& table, uint32_t hash) { table.PrefetchBucket(hash); }
void PrefetchEntry(const keyspace::Table& table, uint32_t hash) { table.PrefetchEntry(hash); }

}  // namespace

RequestPath::RequestPath(Core* core, WorkerStats* stats, Place place)
    : core_(core),
      stats_(stats),
      place_(place),
      patience_(place == Place::kOutside ? keyspace::ShardLock::Patience::kMayGiveUp
                                         : keyspace::ShardLock::Patience::kNone),
      busy_(place == Place::kOutside ? &core->busy_script : &something_is_busy_) {}

size_t RequestPath::Process(Connection& connection, std::string_view input, const Ahead* ahead,
                            base::Buffer* out) {
  now_ms_ = core_->clock->NowMs();
  connection.view.active_ms.store(now_ms_, std::memory_order_relaxed);
  protocol_error_ = false;
  size_t done = 0;
  // Who has waited may soon wait again: what is parsed behind that is parsed in vain.
  size_t batch_max = connection.waiter != nullptr ? 1 : kBatchMax;
  while (done < input.size() && connection.state == ConnectionState::kReady) {
    const bool is_known = ahead != nullptr && ahead->argument_count != 0 && done == 0;
    const size_t parsed = is_known && connection.authenticated
                              ? TakeAhead(*ahead, input.size())
                              : ParseBatch(connection, input.substr(done), batch_max, out);
    batch_max = std::min(2 * batch_max, kBatchMax);
    if (requests_.size() > 1) Prefetch(connection);
    for (size_t i = 0; i < requests_.size(); ++i) {
      const Request request = requests_[i];
      const Step step = Run(connection, request, out);
      if (step == Step::kParked && connection.parked != nullptr) FetchAhead(connection, i);
      if (step == Step::kParked || connection.state != ConnectionState::kReady) {
        connection.parser.Reset();  // it may be ahead of where we stop
        return done + (step == Step::kParked ? request.begin : request.end);
      }
      if (out->size() >= kUnsentPauseBytes) {
        // A few bytes can ask for gigabytes: the rest waits until the client has read these.
        connection.parser.Reset();
        connection.has_backlog = true;
        return done + request.end;
      }
    }
    if (arguments_.capacity() > kArgumentsKept) [[unlikely]]
      TrimScratch();
    done += parsed;
    if (protocol_error_) {
      connection.state = ConnectionState::kClosing;
      return input.size();
    }
    if (requests_.empty() && parsed == 0) break;  // the rest is an unfinished request
    now_ms_ = core_->clock->NowMs();
  }
  return done;
}

// One request with very many arguments must not leave its memory behind.
void RequestPath::TrimScratch() {
  base::Release(&arguments_);
  base::Release(&hashes_);
  base::Release(&positions_);
  base::Release(&key_views_);
  base::Release(&keys_);
}

// ---- parse -------------------------------------------------------------------------------------

// Parses up to batch_max requests into requests_ and returns how many bytes they took.
size_t RequestPath::ParseBatch(Connection& connection, std::string_view input, size_t batch_max,
                               base::Buffer* out) {
  arguments_.clear();
  requests_.clear();
  resp::RequestLimits limits;
  limits.bulk_bytes_max = core_->hot.bulk_bytes_max.load(std::memory_order_relaxed);
  limits.unauthenticated = !connection.authenticated && MustAuthenticate(*core_, connection);
  size_t position = 0;
  while (requests_.size() < batch_max && position < input.size()) {
    const size_t first_argument = arguments_.size();
    size_t consumed = 0;
    const Status status =
        connection.parser.Parse(input.substr(position), limits, &arguments_, &consumed);
    if (status == Status::kIncomplete) break;
    if (status == Status::kError) {
      // What came before it in the batch is answered first.
      if (requests_.empty()) {
        protocol_error_ = true;
        stats_->protocol_errors.Add();
        resp::Reply(out, connection.protocol).Error("ERR " + connection.parser.error());
      }
      connection.parser.Reset();
      break;
    }
    const size_t begin = position;
    position += consumed;
    if (arguments_.size() == first_argument) continue;  // an empty line
    Admit(connection, first_argument, begin, position);
    // The arguments of an inline request live in the parser until the next one.
    if (connection.parser.was_inline()) break;
  }
  hashes_.resize(arguments_.size());
  return position;
}

void RequestPath::Admit(Connection& connection, size_t first_argument, size_t begin, size_t end) {
  Request request;
  request.first_argument = static_cast<uint32_t>(first_argument);
  request.argument_count = static_cast<uint32_t>(arguments_.size() - first_argument);
  request.begin = begin;
  request.end = end;
  request.first_key_hashed = false;
  request.command = FindCommand(ArgsOf(request));
  requests_.push_back(request);
}

const Command* RequestPath::FindCommand(commands::Args args) {
  if (last_command_ != nullptr && args[0] == last_name_) return last_command_;
  const Command* command = core_->registry->Resolve(args);
  // A container's row depends on more than the name.
  if (command != nullptr && command->name.find('|') == command->name.npos &&
      command->subcommands.empty()) {
    last_name_.assign(args[0]);
    last_command_ = command;
  }
  return command;
}

// Hashes the keys of a request; after this positions_ holds where they are.
void RequestPath::HashKeys(const Request& request) {
  positions_.clear();
  const commands::Keys& keys = request.command->keys;
  if (request.first_key_hashed && keys.first == keys.last && !keys.is_movable) {
    positions_.push_back(keys.first);
    return;
  }
  if (!commands::FindKeys(*request.command, ArgsOf(request), &positions_)) positions_.clear();
  const uint64_t seed = core_->keyspace->hash_seed();
  for (const int position : positions_) {
    const size_t at = request.first_argument + static_cast<size_t>(position);
    hashes_[at] = base::HashBytes(arguments_[at], seed);
  }
}

template <typename Visit>
void RequestPath::VisitTable(int database, uint64_t hash, Visit&& visit) {
  const keyspace::Key key{{}, hash};
  keyspace::Shard& shard = core_->keyspace->ShardOf(key);
  const bool concurrent = core_->keyspace->concurrent();
  // Another thread may be changing the table: without its lock there is no looking into it, and a
  // lock that is taken is not worth waiting for.
  if (concurrent && !shard.mutex.try_lock()) return;
  if (const auto* part = shard.part(database)) visit(part->table, key.table_hash());
  if (concurrent) shard.mutex.unlock();
}

// Brings the buckets, then the entries, of the whole batch on their way into the cache, so that
// their misses overlap instead of adding up. This is where pipelines win.
void RequestPath::Prefetch(const Connection& connection) {
  const uint64_t seed = core_->keyspace->hash_seed();
  const auto each = [&](auto&& visit) {
    for (Request& request : requests_) {
      const Command* command = request.command;
      if (command == nullptr || command->keys.first == 0 ||
          static_cast<uint32_t>(command->keys.first) >= request.argument_count) {
        continue;
      }
      const size_t at = request.first_argument + static_cast<size_t>(command->keys.first);
      visit(request, at);
    }
  };
  each([&](Request& request, size_t at) {
    hashes_[at] = base::HashBytes(arguments_[at], seed);
    request.first_key_hashed = true;
    VisitTable(connection.database, hashes_[at], PrefetchBucket);
  });
  each([&](Request&, size_t at) { VisitTable(connection.database, hashes_[at], PrefetchEntry); });
}

void RequestPath::LookAhead(std::span<const Arrival> arrivals) {
  ahead_.assign(arrivals.size(), {});
  ahead_arguments_.clear();
  for (size_t i = 0; i < arrivals.size(); ++i) {
    const auto& [connection, input] = arrivals[i];
    if (connection == nullptr) continue;
    const size_t first = ahead_arguments_.size();
    size_t consumed = 0;
    const Status status = peek_parser_.Parse(input, {}, &ahead_arguments_, &consumed);
    const bool stays = !peek_parser_.was_inline();
    peek_parser_.Reset();
    const size_t count = ahead_arguments_.size() - first;
    if (status != Status::kComplete || count == 0 || !stays) continue;
    Ahead& ahead = ahead_[i];
    const commands::Args args(ahead_arguments_.data() + first, count);
    ahead.command = FindCommand(args);
    ahead.first_argument = static_cast<uint32_t>(first);
    if (consumed == input.size()) ahead.argument_count = static_cast<uint32_t>(count);
    if (ahead.command == nullptr) continue;
    const auto at = static_cast<size_t>(ahead.command->keys.first);
    if (at == 0 || at >= count) continue;
    ahead.key_argument = static_cast<uint32_t>(at);
    ahead.key_hash = base::HashBytes(args[at], core_->keyspace->hash_seed());
    VisitTable(connection->database, ahead.key_hash, PrefetchBucket);
  }
  for (size_t i = 0; i < arrivals.size(); ++i) {
    if (ahead_[i].key_argument == 0) continue;
    VisitTable(arrivals[i].connection->database, ahead_[i].key_hash, PrefetchEntry);
  }
}

// The batch is the one request that is known already.
size_t RequestPath::TakeAhead(const Ahead& ahead, size_t input_bytes) {
  const std::string_view* const first = ahead_arguments_.data() + ahead.first_argument;
  arguments_.assign(first, first + ahead.argument_count);
  hashes_.resize(ahead.argument_count);
  if (ahead.key_argument != 0) hashes_[ahead.key_argument] = ahead.key_hash;
  requests_.clear();
  requests_.push_back(
      {ahead.command, 0, ahead.argument_count, ahead.key_argument != 0, 0, input_bytes});
  return input_bytes;
}

// ---- check -------------------------------------------------------------------------------------

// Replies the error and returns false when the request may not run.
bool RequestPath::Check(Connection& connection, const Request& request, resp::Reply& reply) {
  const commands::Args args = ArgsOf(request);
  const Command* command = request.command;
  if (command == nullptr) {
    if (IsWebRequest(args[0])) {
      core_->log->Warning("client_closed", {{"reason", "a web request, perhaps forged"},
                                            {"client", connection.view.peer_address}});
      connection.state = ConnectionState::kClosing;
      return false;
    }
    ReplyUnknown(*core_->registry, args, reply);
    return false;
  }
  if (!command->ArityFits(args.size())) {
    reply.Error("ERR wrong number of arguments for '" + std::string(command->name) + "' command");
    return false;
  }
  // For who may do everything this is the whole check of rights.
  if (connection.unrestricted_at != core_->hot.acl_generation.load(std::memory_order_acquire))
      [[unlikely]] {
    if (!CheckUser(connection, request, reply)) return false;
  }
  if (connection.is_subscriber && connection.protocol == 2 && !MaySubscriberRun(*command))
      [[unlikely]] {
    reply.Error("ERR Can't execute '" + std::string(command->name) +
                "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                "this context");
    return false;
  }
  if (busy_->load(std::memory_order_relaxed) != BusyKind::kNone &&
      !command->has(commands::kAllowBusy)) [[unlikely]] {
    reply.Error(core_->busy->error());
    return false;
  }
  const uint8_t stopped = core_->hot.writes_stopped.load(std::memory_order_relaxed);
  if (stopped != 0) [[unlikely]] {
    constexpr uint8_t kDisk = HotSettings::kSnapshotFailed | HotSettings::kAppendFailed;
    const bool pings = command->name == "ping" && (stopped & kDisk) != 0;
    if (command->has(commands::kWrite) || pings) {
      reply.Error(WritesStoppedError(core_->hot, stopped));
      return false;
    }
  }
  if ((command->flags & (commands::kWrite | commands::kMayReplicate)) != 0 &&
      core_->keyspace->IsOverLimit()) {
    const bool fits = MakeRoom();
    if (!fits && command->has(commands::kDenyOom)) {
      reply.Error("OOM command not allowed when used memory > 'maxmemory'.");
      return false;
    }
  }
  if (connection.hears) [[unlikely]]
    HearAhead(connection, reply);
  return true;
}

// ---- resolve, execute, reply -------------------------------------------------------------------

RequestPath::Step RequestPath::Run(Connection& connection, const Request& request,
                                   base::Buffer* out) {
  const size_t reply_begin = out->size();
  resp::Reply reply(out, connection.protocol);
  const uint64_t begin_cycles = runtime::ReadCycles();
  Step step;
  running_ = &connection;
  connection.view.last_command.store(request.command, std::memory_order_relaxed);
  // What waits was shown to MONITOR when it began to.
  unfed_ = connection.waiter == nullptr ? &request : nullptr;
  if ((connection.detours != 0) | core_->pause.any()) [[unlikely]] {
    step = RunDetour(connection, request, reply, reply_begin);
  } else if (connection.parked != nullptr || Check(connection, request, reply)) [[likely]] {
    // A request that comes back from parking was checked before it parked: its writes may have
    // happened already, and what it was told must not be left to the request behind it.
    step = Execute(connection, request, reply);
  } else {
    step = Refuse(connection, request, reply, reply_begin);
  }
  if (step != Step::kDone) [[unlikely]] {
    if (step == Step::kParked || step == Step::kAnswered) unfed_ = nullptr;
    if (step == Step::kParked) return step;
    if (step == Step::kMustHandOver) FinishHandOver();
  }
  if (step != Step::kAnswered) [[likely]] {
    Count(*request.command, ArgsOf(request), begin_cycles, reply);
    if (core_->messaging->has_monitors()) [[unlikely]]
      FeedOnce();
    unfed_ = nullptr;
  }
  stats_->commands_processed.Add();
  if (connection.reply_mode != ReplyMode::kOn) [[unlikely]] {
    // SKIP leaves out its own reply and the next one.
    if (connection.reply_mode == ReplyMode::kSkipping) connection.reply_mode = ReplyMode::kOn;
    if (connection.reply_mode == ReplyMode::kSkipNext) connection.reply_mode = ReplyMode::kSkipping;
    out->Truncate(reply_begin);
  }
  if (connection.hears) [[unlikely]]
    connection.worker->desk().AfterCommand(connection, out);
  return step;
}

// A request did not pass its checks, which have replied why.
RequestPath::Step RequestPath::Refuse(Connection& connection, const Request& request,
                                      resp::Reply& reply, size_t reply_begin) {
  if (request.command != nullptr) {
    stats_->commands[static_cast<size_t>(request.command->id)].rejected.Add();
  }
  if (reply.error_count() > 0) CountError(reply.last_error_code());
  if ((connection.detours & Connection::kQueues) != 0) connection.transaction->Fail();
  if (request.command != nullptr && request.command->name == "exec") {
    RefuseExec(connection, reply, reply_begin);
  }
  return Step::kAnswered;
}

RequestPath::Step RequestPath::Execute(Connection& connection, const Request& request,
                                       resp::Reply& reply) {
  positions_.clear();
  if (!request.command->has(commands::kNoLocks)) HashKeys(request);
  return ExecuteWork(
      connection,
      {request.command, ArgsOf(request), hashes_.data() + request.first_argument, positions_},
      reply);
}

RequestPath::Step RequestPath::ExecuteWork(Connection& connection, const Work& work,
                                           resp::Reply& reply) {
  if (core_->resolver != nullptr && work.key_count() > 0) {
    return ExecuteTiered(connection, work, reply);
  }
  while (true) {
    {
      held_ = ShardsOf(work);
      keyspace::ShardLock lock(*core_->keyspace, held_, patience_);
      if (!lock.is_held()) [[unlikely]] {
        reply.Error(core_->busy->error());
        return Step::kDone;
      }
      // Nobody overtakes those who are being served here.
      if ((core_->keyspace->ready_shards() & held_) == 0) [[likely]] {
        keyspace::Database database(core_->keyspace, connection.database, now_ms_);
        Call(connection, work, database, reply, &wait_);
        // It has asked to wait, or made keys ready that somebody waits for.
        if (((core_->keyspace->ready_shards() & held_) != 0) | wait_.requested) [[unlikely]]
          return AfterCall(connection, work, reply);
        return Step::kDone;
      }
    }
    if (place_ == Place::kWithinScript) {
      reply.Error(core_->busy->error());
      return Step::kDone;
    }
    FinishHandOver();
  }
}

// Runs the handler. REQUIRES: the locks of ShardsOf(work).
void RequestPath::Call(commands::Session& session, const Work& work, keyspace::Database& database,
                       resp::Reply& reply, commands::Wait* wait) {
  if (session.no_touch) database.set_touches(false);
  const uint64_t version = core_->limits_version.load(std::memory_order_acquire);
  if (limits_version_ != version) {
    limits_ = core_->limits();
    limits_version_ = version;
  }
  commands::Call call{*work.command, work.args,        reply,         database,    session,
                      *limits_,      *core_->registry, *core_->clock, work.hashes, this,
                      wait,          script_depth_ > 0};
  const bool has_monitors = core_->messaging->has_monitors();
  if (has_monitors) [[unlikely]]
    FeedBefore(work, session);
  const bool is_script = work.command->has(commands::kSkipMonitor);
  script_depth_ += is_script;
  if (core_->changes != nullptr && core_->changes->is_followed()) [[unlikely]] {
    CallRepeated(call, work, database.index());
  } else {
    work.command->handler(call);
  }
  script_depth_ -= is_script;
  if (has_monitors) [[unlikely]]
    FeedAfter(work, session);
  if (TracksReads()) [[unlikely]]
    RememberReads(work);
}

bool RequestPath::NeedsOnlyKeys(const commands::Command& command, commands::Args args) const {
  // Without locks all of them cost nothing.
  return command.needs_only_keys != nullptr && core_->keyspace->concurrent() &&
         command.needs_only_keys(*running_, args);
}

keyspace::ShardSet RequestPath::ShardsOf(const Work& work) const {
  if (work.command->has(commands::kAllShards) && !NeedsOnlyKeys(*work.command, work.args)) {
    return core_->keyspace->AllShards();
  }
  keyspace::ShardSet shards = 0;
  for (size_t i = 0; i < work.key_count(); ++i) shards |= core_->keyspace->SetOf(work.AsKey(i));
  return shards;
}

}  // namespace terrace::server
