#pragma once

// KeptConnections: makes sure that a kept-alive connection is silent when it is used again. What it
// holds by then is an answer to nothing (load balancers send a 408 before they close), and would be
// taken for the answer to the next request.
//
// Connections are known to their owner by descriptor when they are opened and closed, and by their
// addresses when they are used: this table joins the two.
//
// Threads: loop-confined.

#include <string>
#include <unordered_map>
#include <unordered_set>

namespace terrace::tiers {

class KeptConnections {
 public:
  struct Addresses {
    std::string local_ip;
    int local_port;
    std::string remote_ip;
    int remote_port;
  };

  void Opened(int fd) { unnamed_.insert(fd); }
  void Closed(int fd);

  // Says which of the opened connections has these addresses, at its first use.
  void Name(const Addresses& addresses);

  // May a request be sent over it? A connection that has something to read is shut down, so that it
  // is found dead and not chosen again; so is answered false for one that was never named.
  [[nodiscard]] bool IsSilent(const Addresses& addresses);

 private:
  std::unordered_set<int> unnamed_;
  std::unordered_map<std::string, int> by_name_;
};

}  // namespace terrace::tiers
