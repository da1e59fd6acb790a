// policy_replay: replays a trace of requests through the eviction policies as the server has them,
// with a store that does nothing else, and prints miss ratios.
//
//   policy_replay --size=N|N% [--unit=objects|bytes] [--policy=all|name,name] TRACE
//   policy_replay --compare=REFERENCE.csv [--policy=...]
//
// A trace is text, one request a line: `key size`. A name ending in .xz is read through xz; `-` is
// the standard input. A percentage is of the distinct keys, or of their bytes. Every request is a
// read; a miss is followed by an insert, from a cold start. Time advances one millisecond a
// request.
//
// --compare replays every cell of a reference table (columns trace, cache_size, unit, policy,
// miss_ratio, with the traces as trace.txt.xz beside it) and prints ours beside the policy of the
// same name there and beside the best one there.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/rng.h"
#include "eviction/registry.h"

namespace terrace::eviction {
namespace {

constexpr uint64_t kSeed = 42;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "policy_replay: %s\n", message.c_str());
  std::exit(1);
}

struct Request {
  uint32_t key_index = 0;  // keys are numbered in order of first appearance
  uint32_t size = 0;
};

struct Trace {
  std::vector<Request> requests;
  uint32_t key_count = 0;
  uint64_t key_bytes = 0;
};

Trace ReadTrace(const std::string& path) {
  const bool packed = path.ends_with(".xz");
  if (path.find('\'') != std::string::npos) Fail("a quote in the name of a trace: " + path);
  FILE* in = path == "-" ? stdin
             : packed    ? popen(("xz -dc '" + path + "'").c_str(), "r")
                         : std::fopen(path.c_str(), "r");
  if (in == nullptr) Fail("cannot read " + path);
  Trace trace;
  std::unordered_map<uint64_t, uint32_t> index_of;
  char line[128];
  while (std::fgets(line, sizeof(line), in) != nullptr) {
    char* end = nullptr;
    const uint64_t key = std::strtoull(line, &end, 10);
    const auto size = static_cast<uint32_t>(std::max(std::strtoul(end, nullptr, 10), 1ul));
    const auto [it, is_new] = index_of.try_emplace(key, trace.key_count);
    if (is_new) {
      ++trace.key_count;
      trace.key_bytes += size;
    }
    trace.requests.push_back({it->second, size});
  }
  if (packed ? pclose(in) != 0 : std::ferror(in) != 0) Fail("cannot read " + path);
  if (trace.requests.empty()) Fail("nothing in " + path);
  return trace;
}

// The store: an array of entries by key, and a hash that can be undone, so that Find is exact and
// costs nothing.
class ReplayStore final : public Residents {
 public:
  explicit ReplayStore(uint32_t key_count) : entries_(key_count), rng_(kSeed) {}

  struct Entry {
    Word word = 0;
    uint32_t charge = 0;    // 0: not resident
    uint32_t position = 0;  // in residents_
  };

  Entry& entry(uint32_t key_index) { return entries_[key_index]; }
  uint64_t used() const { return used_; }

  // Bijective on 32 bits: each step can be undone.
  static uint32_t HashOf(uint32_t key_index) {
    uint32_t hash = key_index;
    hash = (hash ^ hash >> 16) * 0x7feb352du;
    hash = (hash ^ hash >> 16) * kOdd;
    return hash ^ hash >> 16;
  }

  void Insert(EvictionPolicy& policy, uint32_t key_index, uint32_t charge, uint32_t now_ms) {
    Entry& entry = entries_[key_index];
    entry.charge = charge;
    entry.position = static_cast<uint32_t>(residents_.size());
    residents_.push_back(key_index);
    used_ += charge;
    policy.OnInsert(HashOf(key_index), entry.word, charge, now_ms);
  }

  void Evict(EvictionPolicy& policy, const Resident& victim) {
    const uint32_t key_index = KeyOf(victim.hash);
    Entry& entry = entries_[key_index];
    policy.OnRemove(victim.hash, entry.word, entry.charge, RemoveCause::kEvicted);
    used_ -= entry.charge;
    entry.charge = 0;
    residents_[entry.position] = residents_.back();
    entries_[residents_.back()].position = entry.position;
    residents_.pop_back();
  }

  bool Find(uint32_t hash, Word value, Word mask, Resident* found) override {
    const uint32_t key_index = KeyOf(hash);
    if (key_index >= entries_.size()) return false;
    Entry& entry = entries_[key_index];
    if (entry.charge == 0 || (entry.word & mask) != value) return false;
    *found = {hash, &entry.word, entry.charge, kNoDeadline, nullptr};
    return true;
  }

  size_t Sample(SampleFrom from, size_t limit, Resident* out) override {
    if (residents_.empty() || from == SampleFrom::kKeysWithDeadline) return 0;
    for (size_t i = 0; i < limit; ++i) {
      const uint32_t key_index = residents_[rng_.Below(residents_.size())];
      Entry& entry = entries_[key_index];
      out[i] = {HashOf(key_index), &entry.word, entry.charge, kNoDeadline, nullptr};
    }
    return limit;
  }

  bool SoonestToExpire(Resident*) override { return false; }

 private:
  static constexpr uint32_t kOdd = 0x846ca68bu;

  static constexpr uint32_t InverseOf(uint32_t odd) {
    uint32_t inverse = odd;
    for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
    return inverse;
  }
  static uint32_t KeyOf(uint32_t hash) {
    hash = (hash ^ hash >> 16) * InverseOf(kOdd);
    hash = (hash ^ hash >> 16) * InverseOf(0x7feb352du);
    return hash ^ hash >> 16;
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> residents_;
  uint64_t used_ = 0;
  base::Rng rng_;
};

struct Cell {
  uint64_t capacity = 0;
  bool by_bytes = false;
};

struct Outcome {
  double miss_ratio = 0;
  double byte_miss_ratio = 0;
  size_t metadata_bytes = 0;
};

Outcome Replay(const Trace& trace, const Cell& cell, const PolicyInfo& info) {
  const std::unique_ptr<EvictionPolicy> policy = info.make(kSeed);
  policy->SetCapacity(cell.capacity);
  ReplayStore store(trace.key_count);
  uint64_t misses = 0, missed_bytes = 0, bytes = 0;
  uint32_t now_ms = 0;
  Outcome outcome;
  for (const Request& request : trace.requests) {
    ++now_ms;
    bytes += request.size;
    const uint32_t hash = ReplayStore::HashOf(request.key_index);
    ReplayStore::Entry& entry = store.entry(request.key_index);
    if (entry.charge != 0) {
      policy->OnHit(hash, entry.word, now_ms);
      continue;
    }
    ++misses;
    missed_bytes += request.size;
    const uint32_t charge = cell.by_bytes ? request.size : 1;
    if (charge > cell.capacity || !policy->AdmitFetched(hash, charge)) continue;
    Resident victim;
    while (store.used() + charge > cell.capacity) {
      if (!policy->PickVictim(store, now_ms, &victim)) break;
      store.Evict(*policy, victim);
    }
    if (store.used() + charge <= cell.capacity) {
      store.Insert(*policy, request.key_index, charge, now_ms);
    }
    outcome.metadata_bytes = std::max(outcome.metadata_bytes, policy->metadata_bytes());
  }
  outcome.miss_ratio = static_cast<double>(misses) / static_cast<double>(trace.requests.size());
  outcome.byte_miss_ratio = static_cast<double>(missed_bytes) / static_cast<double>(bytes);
  return outcome;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<const PolicyInfo*> ChoosePolicies(const std::string& names) {
  std::vector<const PolicyInfo*> chosen;
  if (names == "all") {
    for (const PolicyInfo& info : Policies()) {
      if (info.name != "noeviction" && !info.name.starts_with("volatile-")) chosen.push_back(&info);
    }
    return chosen;
  }
  for (const std::string& name : Split(names, ',')) {
    const PolicyInfo* info = FindPolicy(name);
    if (info == nullptr) Fail("no policy is called " + name);
    chosen.push_back(info);
  }
  return chosen;
}

// The name of a policy of ours in the reference table; empty when it has none.
std::string ReferenceNameOf(std::string_view name) {
  static const std::map<std::string_view, std::string> names = {{"allkeys-lru", "LRU"},
                                                                {"allkeys-lfu", "LFU"},
                                                                {"allkeys-random", "RANDOM"},
                                                                {"sieve", "SIEVE"},
                                                                {"s3-fifo", "S3-FIFO"}};
  const auto it = names.find(name);
  return it == names.end() ? std::string() : it->second;
}

struct ReferenceCell {
  std::string trace;
  Cell cell;
  std::map<std::string, double> miss_ratio;  // by policy
};

std::vector<ReferenceCell> ReadReference(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) Fail("cannot read " + path);
  std::vector<ReferenceCell> cells;
  while (std::getline(in, line)) {
    const std::vector<std::string> fields = Split(line, ',');
    if (fields.size() < 7) Fail("a short line in " + path + ": " + line);
    const Cell cell = {std::strtoull(fields[3].c_str(), nullptr, 10), fields[4] == "bytes"};
    if (cells.empty() || cells.back().trace != fields[0] ||
        cells.back().cell.capacity != cell.capacity ||
        cells.back().cell.by_bytes != cell.by_bytes) {
      cells.push_back({fields[0], cell, {}});
    }
    cells.back().miss_ratio[fields[5]] = std::strtod(fields[6].c_str(), nullptr);
  }
  return cells;
}

// Offline optima know the future, so they are shown as the bound and never as the best policy.
bool IsOffline(const std::string& policy) { return policy.starts_with("Belady"); }

void Compare(const std::string& reference_path, const std::vector<const PolicyInfo*>& policies) {
  const std::vector<ReferenceCell> cells = ReadReference(reference_path);
  const size_t slash = reference_path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : reference_path.substr(0, slash);
  std::printf("| trace | size |");
  for (const PolicyInfo* info : policies) {
    std::printf(" %s |", std::string(info->name).c_str());
    if (const std::string theirs = ReferenceNameOf(info->name); !theirs.empty()) {
      std::printf(" (%s) |", theirs.c_str());
    }
  }
  std::printf(" best published | bound |\n");
  std::map<std::string, double> sums;  // ours by our names, theirs by theirs
  Trace trace;
  std::string loaded;
  for (const ReferenceCell& cell : cells) {
    if (cell.trace != loaded) trace = ReadTrace(directory + "/" + cell.trace + ".txt.xz");
    loaded = cell.trace;
    std::printf("| %s | %llu%s |", cell.trace.c_str(),
                static_cast<unsigned long long>(cell.cell.capacity),
                cell.cell.by_bytes ? " B" : "");
    for (const PolicyInfo* info : policies) {
      const double ours = Replay(trace, cell.cell, *info).miss_ratio;
      sums[std::string(info->name)] += ours;
      std::printf(" %.4f |", ours);
      if (const auto it = cell.miss_ratio.find(ReferenceNameOf(info->name));
          it != cell.miss_ratio.end()) {
        std::printf(" %.4f |", it->second);
      }
    }
    const auto best = std::min_element(
        cell.miss_ratio.begin(), cell.miss_ratio.end(), [](const auto& a, const auto& b) {
          return std::pair(IsOffline(a.first), a.second) < std::pair(IsOffline(b.first), b.second);
        });
    std::printf(" %.4f %s | %.4f |\n", best->second, best->first.c_str(),
                cell.miss_ratio.at("Belady"));
    std::fflush(stdout);
    for (const auto& [name, ratio] : cell.miss_ratio) sums[name] += ratio;
  }
  std::printf("\nmean miss ratio over %zu cells:\n", cells.size());
  std::vector<std::pair<double, std::string>> means;
  for (const auto& [name, sum] : sums) {
    const bool in_every_cell =
        std::all_of(cells.begin(), cells.end(), [&, &wanted = name](auto& c) {
          return FindPolicy(wanted) != nullptr || c.miss_ratio.contains(wanted);
        });
    if (in_every_cell) means.emplace_back(sum / static_cast<double>(cells.size()), name);
  }
  std::sort(means.begin(), means.end());
  for (const auto& [mean, name] : means) std::printf("  %.4f %s\n", mean, name.c_str());
}

void ReplayOne(const std::string& path, const std::string& size, bool by_bytes,
               const std::vector<const PolicyInfo*>& policies) {
  const Trace trace = ReadTrace(path);
  const double given = std::strtod(size.c_str(), nullptr);
  const double whole = by_bytes ? static_cast<double>(trace.key_bytes) : trace.key_count;
  const double capacity = size.ends_with('%') ? whole * given / 100 : given;
  if (capacity < 1) Fail("the size must be at least 1: " + size);
  const Cell cell = {static_cast<uint64_t>(capacity), by_bytes};
  std::printf("%zu requests, %u keys, %llu bytes; capacity %llu %s\n", trace.requests.size(),
              trace.key_count, static_cast<unsigned long long>(trace.key_bytes),
              static_cast<unsigned long long>(cell.capacity), by_bytes ? "bytes" : "objects");
  for (const PolicyInfo* info : policies) {
    const Outcome outcome = Replay(trace, cell, *info);
    std::printf("%-16s miss ratio %.4f  byte miss ratio %.4f  metadata %zu bytes at most\n",
                std::string(info->name).c_str(), outcome.miss_ratio, outcome.byte_miss_ratio,
                outcome.metadata_bytes);
  }
}

int Main(int argc, char** argv) {
  std::string size, unit = "objects", policy = "all", compare, path;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "--size") {
      size = value;
    } else if (name == "--unit" && (value == "objects" || value == "bytes")) {
      unit = value;
    } else if (name == "--policy") {
      policy = value;
    } else if (name == "--compare") {
      compare = value;
    } else if (!argument.starts_with("--") && path.empty()) {
      path = argument;
    } else {
      Fail("cannot make sense of " + argument);
    }
  }
  const std::vector<const PolicyInfo*> policies = ChoosePolicies(policy);
  if (!compare.empty()) {
    Compare(compare, policies);
  } else if (!path.empty() && !size.empty()) {
    ReplayOne(path, size, unit == "bytes", policies);
  } else {
    Fail("give --compare=REFERENCE.csv, or --size=N|N% and a trace");
  }
  return 0;
}

}  // namespace
}  // namespace terrace::eviction

int main(int argc, char** argv) { return terrace::eviction::Main(argc, argv); }
