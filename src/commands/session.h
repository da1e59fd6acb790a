#pragma once

// Session: the state of one client that commands may see and change. The server's connection is
// one; a script or a transaction runs on its client's.
//
// Threads: confined to the client's loop while a command runs.

#include <cstdint>
#include <string>

namespace terrace::commands {

struct Session {
  virtual ~Session() = default;

  uint64_t id = 0;
  int database = 0;
  int protocol = 2;
  bool authenticated = true;
  bool no_touch = false;  // CLIENT NO-TOUCH: reads leave the eviction policy alone
  std::string name;
};

}  // namespace terrace::commands
