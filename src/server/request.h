#pragma once

// RequestPath: from received bytes to written replies, in one place and in time order:
//
//   parse -> check -> resolve -> execute -> reply
//
// See docs/request-path.md. The straight-line version, which request.cc is the desugaring of:
//
//   for each request in the input:
//     command = look up; reply an error unless arity, authentication and memory allow it
//     await every key of the command is present, absent or failed     (only on routes with tiers)
//     lock the shards of its keys; handler(call); unlock
//     the reply goes out with those of the whole batch
//
// A request that awaits parks its connection: the bytes stay at the front of the connection's
// input, and Resume parses them again and goes on at resolve. Nothing else is kept.
//
// Threads: one per worker, confined to its loop.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "commands/call.h"
#include "commands/command.h"
#include "commands/limits.h"
#include "keyspace/keyspace.h"
#include "replication/effect_stream.h"
#include "resp/reply.h"
#include "server/acl_log.h"
#include "server/connection.h"
#include "server/core.h"
#include "tiers/resolver.h"

namespace terrace::server {

struct WorkerStats;
class Transaction;
class Waiter;

class RequestPath : public commands::Executor {
 public:
  // A client whose unsent replies reach this much is not served until it takes some. Well above
  // what clients send before they start reading, so that a client which writes a long pipeline
  // first does not lock up against a server that waits for it to read. Well below a power of two:
  // the buffer doubles, and while it does there are two of it.
  static constexpr size_t kUnsentPauseBytes = size_t{48} << 20;

  // Within a script, its clients are served while the thread holds locks: what runs there gives up
  // what it would have to wait for.
  enum class Place : uint8_t { kOutside, kWithinScript };

  RequestPath(Core* core, WorkerStats* stats, Place place = Place::kOutside);

  // Executes what can be executed of input and returns how many bytes that took. Replies are
  // appended to *out. Stops early when the connection parks or is to be closed.
  // ahead: of this very input, or null.
  struct Ahead;
  size_t Process(Connection& connection, std::string_view input, const Ahead* ahead,
                 base::Buffer* out);

  // What a connection has sent and nobody has looked at.
  struct Arrival {
    Connection* connection;  // null once it has closed
    std::string_view input;
  };
  // Looks at the first requests of several connections and brings what they will look up on its way
  // into the cache, all together. Changes nothing.
  void LookAhead(std::span<const Arrival> arrivals);
  // What LookAhead has understood of arrivals[index], so that it is not parsed again; valid until
  // the next LookAhead.
  const Ahead* ahead(size_t index) const;

  // Of the request that runs: its connection, and whether a command within a command (EXEC, EVAL)
  // runs now, so that its reply is part of another. REQUIRES: within a handler.
  Connection& running() const { return *running_; }
  bool is_nested() const { return nested_depth_ > 0; }

  // Ends a wait that nobody has served, from any thread: this answer is its reply. False when it
  // has ended already. REQUIRES: no shard locks, or all.
  static bool EndWait(Core& core, const std::shared_ptr<Waiter>& waiter, std::string answer);
  // What a wait whose time is over replies.
  static std::string GiveUp(const Waiter& waiter);
  // Its connection closes.
  void AbandonWait(Connection& connection);
  // Hands over what was made ready by no command: expiry and eviction.
  void HandOverExpired(int64_t now_ms);

  // commands::Executor, in request_acl.cc
  std::string WhyDenied(const commands::Command& command, commands::Args args,
                        Denial denial) override;
  bool MayReadEveryKey(const commands::Command& command, commands::Args args) const override;
  // ... and in request_nested.cc
  std::string WhyWritesStopped() const override;
  std::string WhySwapRefused() const override;
  bool HoldsAllLocks() const override;
  void Run(const commands::Command& command, commands::Args args, commands::Session& session,
           resp::Reply& reply) override;
  int64_t BeginUnit() override;
  int64_t WallUs() const override;
  void CountRefused(const commands::Command* command, std::string_view code) override;

 private:
  static constexpr size_t kBatchMax = 64;
  // Scratch for so many arguments is kept from batch to batch.
  static constexpr size_t kArgumentsKept = 16 * 1024;

  struct Request {
    const commands::Command* command;
    uint32_t first_argument;  // in arguments_ and hashes_
    uint32_t argument_count;
    bool first_key_hashed;  // hashes_ has it already
    size_t begin;           // in the input of this Process
    size_t end;
  };
  enum class Step : uint8_t {
    kDone,
    kParked,        // waits; it will be run again
    kMustHandOver,  // done, but what it made ready could not all be handed over
    kAnswered,      // answered without having run
  };

  // What runs: a request, or the part of one whose other keys are elsewhere.
  struct Work {
    const commands::Command* command;
    commands::Args args;
    const uint64_t* hashes;              // parallel to args; set for the keys
    std::span<const int> key_positions;  // in args
    size_t key_count() const { return key_positions.size(); }
    std::string_view key(size_t i) const { return args[static_cast<size_t>(key_positions[i])]; }
    keyspace::Key AsKey(size_t i) const {
      return {key(i), hashes[static_cast<size_t>(key_positions[i])]};
    }
  };

  size_t ParseBatch(Connection& connection, std::string_view input, size_t batch_max,
                    base::Buffer* out);
  void TrimScratch();
  size_t TakeAhead(const Ahead& ahead, size_t input_bytes);
  const commands::Command* FindCommand(commands::Args args);
  void Admit(Connection& connection, size_t first_argument, size_t begin, size_t end);
  void HashKeys(const Request& request);
  void Prefetch(const Connection& connection);
  // Calls visit(table, hash in the table) for the table of a key, unless another thread has it.
  template <typename Visit>
  void VisitTable(int database, uint64_t hash, Visit&& visit);
  Step Run(Connection& connection, const Request& request, base::Buffer* out);
  bool Check(Connection& connection, const Request& request, resp::Reply& reply);
  Step Refuse(Connection& connection, const Request& request, resp::Reply& reply,
              size_t reply_begin);
  Step Execute(Connection& connection, const Request& request, resp::Reply& reply);
  Step ExecuteWork(Connection& connection, const Work& work, resp::Reply& reply);
  // wait: what the handler may ask for; null when it may not.
  void Call(commands::Session& session, const Work& work, keyspace::Database& database,
            resp::Reply& reply, commands::Wait* wait);
  bool NeedsOnlyKeys(const commands::Command& command, commands::Args args) const;
  keyspace::ShardSet ShardsOf(const Work& work) const;
  // The keys of a nested command with their hashes: its own vectors, as the outer command's
  // scratch is in use.
  struct NestedKeys {
    std::vector<int> positions;
    std::vector<uint64_t> hashes;
  };
  NestedKeys FindNestedKeys(const commands::Command& command, commands::Args args) const;
  bool Covers(const Work& work) const;
  std::string ResolveNested(const Work& work, keyspace::Database& database,
                            tiers::Overlay* overlay);
  // In request_effects.cc: what is repeated on replicas.
  void CallRepeated(commands::Call& call, const Work& work, int database);
  void RepeatUnit();
  bool IsRepeated(const Work& work) const;
  uint64_t CountChanges() const;
  // In request_listeners.cc.
  void FeedBefore(const Work& work, const commands::Session& session);
  void FeedAfter(const Work& work, const commands::Session& session);
  void FeedOnce();
  void Feed(const commands::Command& command, commands::Args args, int database) const;
  // Are the keys that a command reads now to be remembered for whom it runs?
  bool TracksReads() const;
  void RememberReads(const Work& work);
  bool IsAccountable(const keyspace::Key& key) const;
  void HearAhead(Connection& connection, resp::Reply& reply);
  // In request_stats.cc.
  void Count(const commands::Command& command, commands::Args args, uint64_t begin_cycles,
             const resp::Reply& reply);
  void NoteSlow(const commands::Command& command, commands::Args args, uint64_t cycles);
  void CountError(std::string_view code);
  commands::Args ArgsOf(const Request& request) const {
    return {arguments_.data() + request.first_argument, request.argument_count};
  }

  // In request_acl.cc.
  bool CheckUser(Connection& connection, const Request& request, resp::Reply& reply);
  bool CheckQueued(Connection& connection, const commands::Command& command, commands::Args args,
                   resp::Reply& reply);
  bool MayBeServed(Waiter& waiter) const;
  void NoteDenied(const AclVerdict& verdict, const commands::Command& command, commands::Args args,
                  AclContext context);

  // In request_waiting.cc.
  Step AfterCall(Connection& connection, const Work& work, resp::Reply& reply);
  Step BeginWait(Connection& connection, const Work& work, resp::Reply& reply);
  Step FinishWait(Connection& connection, const Request& request, resp::Reply& reply);
  static std::string TierWaitError(const commands::Command& command);
  void SetWaitTimer(const std::shared_ptr<Waiter>& waiter);
  bool HandOver();
  bool ServeKey(keyspace::Observers& observers, const keyspace::Observers::ReadyKey& ready);
  void Serve(Waiter& waiter);
  void FinishHandOver();
  Step RunDetour(Connection& connection, const Request& request, resp::Reply& reply,
                 size_t reply_begin);
  bool IsPaused(const Connection& connection, const Request& request) const;

  // In request_transaction.cc: between MULTI and EXEC.
  Step QueueOrExecute(Connection& connection, const Request& request, resp::Reply& reply);
  void RefuseExec(Connection& connection, resp::Reply& reply, size_t reply_begin);
  void AbortTransaction(Connection& connection, std::string_view why, resp::Reply& reply);
  Step ExecuteTransaction(Connection& connection, resp::Reply& reply);
  keyspace::ShardSet ShardsOf(const Transaction& transaction) const;
  std::string PlanQueue(const Transaction& transaction) const;
  Step ResolveQueue(Connection& connection, const Transaction& transaction, resp::Reply& reply);

  // In request_transaction_below.cc: transactions that a regional tier runs.
  std::string PlaceQueued(Transaction& transaction, const commands::Command& command,
                          commands::Args args, bool* is_below) const;
  Step ExecuteBelow(Connection& connection, resp::Reply& reply);
  // kAnswered: nothing was sent, and the reply says why.
  Step SendBelow(Connection& connection, resp::Reply& reply);
  Step FinishBelow(Connection& connection, resp::Reply& reply);
  Step AnswerBelow(Connection& connection, const Transaction& transaction,
                   std::span<const std::string_view> replies, resp::Reply& reply);

  // In request_tiers.cc: the resolve stage of requests whose keys have lower tiers.
  tiers::Access AccessOf(const Work& work) const;
  bool ChangesElsewhere(const Work& work) const;
  const tiers::Route* RouteBelow(const Work& work) const;
  Step ExecuteTiered(Connection& connection, const Work& work, resp::Reply& reply);
  Step ResolveAndCall(Connection& connection, const Work& work, const tiers::Access& access,
                      tiers::Resolver::Where where, resp::Reply& reply);
  std::shared_ptr<tiers::ParkedRequest>& ParkedOf(Connection& connection);
  Step Park(Connection& connection);
  void Unpark(Connection& connection);
  void FetchAhead(Connection& connection, size_t parked_index);

  // Without waiting for a lock while others are held.
  bool MakeRoom() { return place_ == Place::kOutside && core_->keyspace->MakeRoom(now_ms_); }

  // In request_relay.cc: what the regional tier executes.
  Step RelayWhole(Connection& connection, const Work& work, const tiers::Access& access,
                  const tiers::Resolver::Plan& plan, resp::Reply& reply);
  Step SendRelay(Connection& connection, const Work& work, const tiers::Route& route,
                 std::vector<std::string> args, size_t part, resp::Reply& reply);
  Step FinishRelay(Connection& connection, const Work& work, const tiers::Route& route,
                   resp::Reply& reply);
  Step BringIn(Connection& connection, const Work& work,
               const std::shared_ptr<tiers::ParkedRequest>& parked, resp::Reply& reply);
  void DoubtReads(const Work& work);
  std::vector<std::string> ToRelay(const Work& work) const;
  // The keys whose copies are not true any more once this was executed elsewhere.
  std::vector<std::string> WrittenBy(const Work& work) const;
  // In request_lease.cc: what needs a connection of its own there.
  Step WaitBelow(Connection& connection, const Work& work, const tiers::Resolver::Plan& plan,
                 resp::Reply& reply);
  Step WatchBelow(Connection& connection, const Work& work, const tiers::Route& route,
                  resp::Reply& reply);

  Step RelaySplit(Connection& connection, const Work& work, resp::Reply& reply);
  Step CallLocalPart(Connection& connection, const Work& work, std::span<const size_t> local_keys,
                     int64_t relayed_sum, resp::Reply& reply);

  Core* const core_;
  WorkerStats* const stats_;
  const Place place_;
  const keyspace::ShardLock::Patience patience_;
  // What is busy, as it matters here: within a script something always is.
  const std::atomic<BusyKind> something_is_busy_{BusyKind::kScript};
  const std::atomic<BusyKind>* const busy_;

  // Scratch of one batch, kept for its memory.
  std::vector<std::string_view> arguments_;
  std::vector<uint64_t> hashes_;  // parallel to arguments_; set for the keys
  std::vector<Request> requests_;
  std::vector<int> positions_;
  std::vector<std::string_view> key_views_;
  std::vector<keyspace::Key> keys_;
  int64_t now_ms_ = 0;
  // Of the request that runs: its connection, and the locks it holds.
  Connection* running_ = nullptr;
  keyspace::ShardSet held_ = 0;
  int nested_depth_ = 0;
  int script_depth_ = 0;                   // of scripts and functions within one another
  int unit_depth_ = 0;                     // of commands whose effects are repeated as one
  std::vector<replication::Effect> unit_;  // what is to be repeated of them
  const Request* unfed_ = nullptr;         // the request that runs, until it was shown to MONITOR
  const Waiter* served_ = nullptr;         // on whose behalf a command runs that is not running_'s
  // The moment that the commands within a command see: on NowUs, and as TIME tells it (0: nobody
  // has asked).
  int64_t unit_begin_us_ = 0;
  mutable int64_t unit_wall_us_ = 0;
  commands::Wait wait_;             // what the handler that ran last has asked for
  keyspace::ShardSet missing_ = 0;  // what HandOver could not lock
  // The last command found by its name as sent: pipelines repeat themselves.
  std::string last_name_;
  const commands::Command* last_command_ = nullptr;
  uint64_t limits_version_ = 0;
  std::shared_ptr<const commands::Limits> limits_;  // of that version
  bool protocol_error_ = false;
  // Of LookAhead.
  resp::RequestParser peek_parser_;
  std::vector<Ahead> ahead_;  // parallel to the arrivals
  std::vector<std::string_view> ahead_arguments_;
  std::shared_ptr<tiers::ParkedRequest> spare_;  // for the next request that may have to park
};

// The one request that an arrival consists of; its arguments are in ahead_arguments_.
struct RequestPath::Ahead {
  const commands::Command* command = nullptr;
  uint32_t first_argument = 0;
  uint32_t argument_count = 0;  // 0: it is something else, and is parsed when it is processed
  uint32_t key_argument = 0;    // 0: none
  uint64_t key_hash = 0;
};

inline const RequestPath::Ahead* RequestPath::ahead(size_t index) const { return &ahead_[index]; }

}  // namespace terrace::server
