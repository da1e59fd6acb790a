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
    if (mutation.event.event_class != 0) events.emplace_back(mutation.event.name);
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
