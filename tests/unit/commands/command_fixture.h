#pragma once

// CommandFixture: a CommandRunner for tests, with what is heard of its changes.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/command_runner.h"

namespace terrace::commands {

// Gathers the keyspace notifications of all changes.
class EventLog : public keyspace::MutationSink {
 public:
  void OnMutation(const keyspace::Mutation& mutation) override {
    OnEvent(mutation.database, mutation.key, mutation.event);
  }
  void OnEvent(int database, const keyspace::Key& key, keyspace::KeyEvent event) override {
    if (event.event_class != 0) events.emplace_back(event.name);
  }
  std::vector<std::string> Take() { return std::exchange(events, {}); }
  std::vector<std::string> events;
};

class CommandFixture : public ::testing::Test, protected CommandRunner {
 protected:
  CommandFixture() { keyspace_.AddSink(&events_); }
  using CommandRunner::Run;  // testing::Test has one, too

  size_t KeyCount() { return Data().size(); }

  EventLog events_;
};

}  // namespace terrace::commands
