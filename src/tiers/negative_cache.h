#pragma once

// NegativeCache: keys that are known to be absent below, each for a while. One per shard.
//
// Promises:  an absence is forgotten when the key's write version changes, so that no write needs
// to
//            look here, and with the connection to the regional tier it was learned over: who else
//            wrote there since is not known. Holds at most its limit of keys; when it is full half
//            of them go.
// Threads:   under the shard's lock.
// Units:     milliseconds on NowMs time.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace terrace::tiers {

class NegativeCache {
 public:
  // What must not have changed since a key was found absent.
  struct Proof {
    uint32_t version;     // of the key
    uint32_t generation;  // of the regional connection
    bool operator==(const Proof&) const = default;
  };
  void Remember(std::string key, Proof proof, int64_t until_ms, int64_t now_ms, size_t limit) {
    if (absent_.size() >= limit) MakeRoom(now_ms);
    absent_[std::move(key)] = {until_ms, proof};
  }
  bool Knows(const std::string& key, Proof proof, int64_t now_ms) {
    const auto found = absent_.find(key);
    if (found == absent_.end()) return false;
    if (found->second.until_ms > now_ms && found->second.proof == proof) return true;
    absent_.erase(found);
    return false;
  }
  void Clear() { absent_.clear(); }
  size_t size() const { return absent_.size(); }

 private:
  // Drops what has run out; if that is not enough, every second entry.
  void MakeRoom(int64_t now_ms) {
    const size_t before = absent_.size();
    std::erase_if(absent_, [&](const auto& item) { return item.second.until_ms <= now_ms; });
    if (absent_.size() * 2 <= before) return;
    bool drop = false;
    std::erase_if(absent_, [&](const auto&) { return drop = !drop; });
  }

  struct Absence {
    int64_t until_ms;
    Proof proof;
  };
  std::unordered_map<std::string, Absence> absent_;
};

}  // namespace terrace::tiers
