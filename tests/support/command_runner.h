#pragma once

// CommandRunner: runs data commands on a keyspace of its own, with a clock that only moves when
// told, and returns the reply's bytes. No server, no tiers, no test framework.
//
// Threads: loop-confined.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "keyspace/database.h"
#include "keyspace/keyspace.h"
#include "resp/reply.h"

namespace terrace::commands {

class ManualClock : public base::Clock {
 public:
  int64_t MonoUs() const override { return now_ms * 1000; }
  int64_t WallMs() const override { return now_ms + wall_step_ms; }
  int64_t NowMs() const override { return now_ms; }

  int64_t now_ms = 1700000000000;
  int64_t wall_step_ms = 0;  // how far the wall clock was set since start-up
};

class CommandRunner {
 public:
  CommandRunner()
      : registry_(DataFamilies()), keyspace_({.shard_count = 4, .concurrent = false, .seed = 1}) {}

  // Words separated by single spaces.
  std::string Run(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
      const size_t end = std::min(line.find(' '), line.size());
      words.push_back(line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    return Run(words);
  }
  std::string Run(const std::vector<std::string_view>& words) {
    const Command* const command = registry_.Resolve(words);
    if (command == nullptr || !command->ArityFits(words.size())) return "not callable";
    std::vector<int> positions;
    if (!FindKeys(*command, words, &positions)) positions.clear();
    std::vector<uint64_t> hashes(words.size());
    for (const int at : positions) {
      const auto index = static_cast<size_t>(at);
      hashes[index] = keyspace_.MakeKey(words[index]).hash;
    }
    base::Buffer out;
    resp::Reply reply(&out, protocol_);
    keyspace::Database database(&keyspace_, 0, clock_.NowMs());
    Call call{*command, words,     reply,  database,     session_,
              limits_,  registry_, clock_, hashes.data()};
    command->handler(call);
    return std::string(out.view());
  }
  // Lets what is due expire, as the server does every now and then.
  void ExpireDue() {
    for (int i = 0; i < keyspace_.shard_count(); ++i) {
      keyspace_.ExpireDue(i, clock_.NowMs(), 1000);
    }
  }
  keyspace::Database Data() { return {&keyspace_, 0, clock_.NowMs()}; }

  int protocol_ = 2;
  ManualClock clock_;
  Limits limits_;
  Session session_;
  Registry registry_;
  keyspace::Keyspace keyspace_;
};

}  // namespace terrace::commands
