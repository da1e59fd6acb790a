#pragma once

// Effects: how what a command has done is repeated on a copy of the data (a replica). Mostly the
// command itself does it again. Where it would not (it picks at random, it waits, it counts from
// now), its handler says what would: Call::RepeatAs.
//
// Threads: one call's.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terrace::commands {

class Effects {
 public:
  using Arguments = std::vector<std::string>;

  void Say(std::span<const std::string_view> arguments) {
    said_.emplace_back(arguments.begin(), arguments.end());
  }
  // Empty: the command repeats itself.
  std::vector<Arguments> Take() { return std::move(said_); }

 private:
  std::vector<Arguments> said_;
};

}  // namespace terrace::commands
