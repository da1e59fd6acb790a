#pragma once

// Client: one application: it pipelines random commands over a few hot keys, reads the answers in
// order, and writes all of it into the history. Some of them also change the origin and then delete
// the key through Terrace, as an application does.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "sim/fake_origin.h"
#include "sim/history.h"
#include "sim/sim_stream.h"

namespace terrace::sim {

// What may be done with a key.
enum class KeyClass : uint8_t {
  kString,    // everything for strings
  kCounter,   // INCR, and what goes with it
  kConstant,  // below it lies an origin that never changes
  kForeign,   // read-through: only the origin is written, behind our back
};

struct HotKey {
  std::string name;
  KeyClass key_class;
};

// The newest state of each read-through key whose invalidation was acknowledged.
using Acknowledged = std::map<std::string, size_t>;

// What the clients share.
struct Board {
  SimLoop* loop;
  base::Rng* rng;
  FakeOrigin* origin;
  History* history;
  std::vector<HotKey> keys;
  Acknowledged acknowledged;
  uint64_t next_value = 0;
  uint64_t replies = 0;
  uint64_t errors = 0;
  uint64_t lost_replies = 0;  // requests whose connection ended first
  int64_t slowest_us = 0;
  std::string violation;  // the first thing that was wrong
  void Wrong(std::string what) {
    if (violation.empty()) violation = std::move(what);
  }
};

class Client {
 public:
  // No request waits longer, all its rounds included.
  static constexpr int64_t kAnswerBoundUs = 40'000'000;

  Client(Board* board, int number) : board_(board), number_(number) {}

  // Talks over this wire from now on.
  void Connect(std::shared_ptr<Wire> wire);
  // Goes away; what is not answered has an unknown outcome.
  void Disconnect();
  bool connected() const { return wire_ != nullptr; }
  const std::shared_ptr<Wire>& wire() const { return wire_; }
  size_t waiting() const { return asked_.size(); }
  // Sends one random request, about any keys or about this one.
  void Ask();
  void AskAbout(const HotKey& key);
  // Gives the key another value; a string's lives for this many milliseconds only, if not 0.
  void Overwrite(const HotKey& key, int64_t lifetime_ms);
  // Reads a key, whatever its class.
  void Read(const HotKey& key);
  std::string Oldest() const;

 private:
  struct Part {
    Operation operation;
    bool is_foreign = false;
    size_t state = 0;  // of a foreign key: the oldest that may be read, or that is invalidated
  };
  struct Asked {
    std::vector<Part> parts;
    bool is_multiple = false;  // MGET, MSET, EXEC
    bool is_exec = false;
    bool is_preparation = false;  // MULTI, and what is queued behind it
    int64_t asked_us = 0;
  };

  void AskString(const HotKey& key);
  void AskBuiltUpon(const HotKey& key);
  void AskCounter(const HotKey& key);
  void SetNew(const HotKey& key);
  void Append(const HotKey& key);
  void AskForeign(const HotKey& key);
  void AskMany();
  void AskTransaction();
  void Send(std::vector<std::string> args, Asked asked);
  Part PartOf(const HotKey& key, Kind kind, std::string argument = "",
              int64_t lifetime_us = kNever);
  void SendOne(std::vector<std::string> args, Part part);
  std::string NewValue();

  static std::string NameOf(const Asked& asked);
  void OnBytes(std::string_view bytes);
  void OnReply(std::string_view reply);
  void Answer(Part& part, std::string_view reply);
  void AnswerForeign(const Part& part, std::string_view reply);
  void OnError(Asked& asked, std::string_view reply);

  Board* const board_;
  const int number_;
  std::shared_ptr<Wire> wire_;
  std::deque<Asked> asked_;
  std::string received_;
  int64_t last_answer_us_ = 0;
};

}  // namespace terrace::sim
