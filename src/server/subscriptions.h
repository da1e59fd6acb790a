#pragma once

// Subscriptions: what one connection is subscribed to.
//
// Threads: the loop of the connection's worker.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace terrace::server {

// What can be subscribed to.
enum class NameKind : uint8_t { kChannel, kPattern, kShardChannel };
inline constexpr size_t kNameKinds = 3;

// Looks strings up by views of them.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

struct Subscriptions {
  using NameSet = std::unordered_set<std::string, NameHash, std::equal_to<>>;
  std::array<NameSet, kNameKinds> names;

  NameSet& OfKind(NameKind kind) { return names[static_cast<size_t>(kind)]; }
  // What the confirmations count: channels and patterns together, shard channels apart.
  size_t CountBeside(NameKind kind) const {
    return kind == NameKind::kShardChannel ? names[2].size() : names[0].size() + names[1].size();
  }
  bool empty() const { return names[0].empty() && names[1].empty() && names[2].empty(); }
};

}  // namespace terrace::server
