// sim: runs the simulation over many seeds, or proves with canaries that its checker can fail.
//
//   sim                          the first 200 seeds, and those that found a fault once
//   sim --seed N [--seeds N]     seeds from N on
//   sim --canary RULE|all        leaves a rule out; succeeds when the checker notices
//   --steps N                    requests of each seed

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "sim/simulation.h"

namespace terrace::sim {
namespace {

constexpr uint64_t kSeeds = 200;
constexpr uint64_t kSteps = 400;
// No more than one run of so many may be too tangled to check.
constexpr uint64_t kTangledShare = 200;
// A rule that so many seeds do not miss is not being tested.
constexpr uint64_t kCanarySeeds = 1000;

// Each rule, and a seed on which the simulation found out what happens without it. Without a --seed
// of its own a run begins with these: each was a fault once.
struct Canary {
  const char* name;
  bool tiers::Rules::*rule;
  uint64_t seed;
};
constexpr Canary kCanaries[] = {
    {"fill_checks_version", &tiers::Rules::fill_checks_version, 3},
    {"join_checks_version", &tiers::Rules::join_checks_version, 445},
    {"join_checks_generation", &tiers::Rules::join_checks_generation, 7941},
    {"generations", &tiers::Rules::generations, 3359},
    {"write_checks_version", &tiers::Rules::write_checks_version, 82},
    {"absence_checks_version", &tiers::Rules::absence_checks_version, 36},
    {"answer_checks_deadline", &tiers::Rules::answer_checks_deadline, 6705},
    {"relay_drops_copies", &tiers::Rules::relay_drops_copies, 495},
    {"tombstones", &tiers::Rules::tombstones, 1},
    {"recall", &tiers::Rules::recall, 1},
};

struct Options {
  uint64_t seed = 0;  // 0: none given
  uint64_t seeds = kSeeds;
  uint64_t steps = kSteps;
  std::string canary;
};

Report RunSeed(uint64_t seed, uint64_t steps, const tiers::Rules& rules) {
  Simulation simulation(seed, steps, rules);
  return simulation.Run();
}

int RunSeeds(const Options& options) {
  uint64_t passed = 0, failed = 0, tangled = 0;
  Report sum;
  std::vector<uint64_t> seeds;
  if (options.seed == 0) {
    for (const Canary& canary : kCanaries) seeds.push_back(canary.seed);
  }
  const uint64_t first = std::max<uint64_t>(options.seed, 1);
  for (uint64_t seed = first; seed < first + options.seeds; ++seed) seeds.push_back(seed);
  for (const uint64_t seed : seeds) {
    const Report report = RunSeed(seed, options.steps, {});
    if (report.violation.ends_with(kTooTangled)) {
      ++tangled;
    } else {
      report.violation.empty() ? ++passed : ++failed;
    }
    if (!report.violation.empty()) {
      std::printf("seed %llu: %s\n  again: sim --seed %llu --seeds 1 --steps %llu\n",
                  static_cast<unsigned long long>(seed), report.violation.c_str(),
                  static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(options.steps));
    }
    sum.requests += report.requests;
    sum.replies += report.replies;
    sum.errors += report.errors;
    sum.lost_replies += report.lost_replies;
    sum.fetches += report.fetches;
    sum.superseded += report.superseded;
    sum.coalesced += report.coalesced;
    sum.relays += report.relays;
    sum.spills += report.spills;
    sum.evictions += report.evictions;
    sum.generations += report.generations;
    sum.origin_states += report.origin_states;
    sum.steps += report.steps;
    sum.slowest_us = std::max(sum.slowest_us, report.slowest_us);
  }
  const auto print = [](const char* name, uint64_t value) {
    std::printf("%-28s %llu\n", name, static_cast<unsigned long long>(value));
  };
  print("requests", sum.requests);
  print("replies", sum.replies);
  print("error replies", sum.errors);
  print("lost with a connection", sum.lost_replies);
  print("regional reads", sum.fetches);
  print("superseded fetches", sum.superseded);
  print("coalesced requests", sum.coalesced);
  print("relayed commands", sum.relays);
  print("spilled values", sum.spills);
  print("evictions", sum.evictions);
  print("regional connections", sum.generations);
  print("changes at the origin", sum.origin_states);
  print("tasks", sum.steps);
  print("slowest answer, virtual ms", static_cast<uint64_t>(sum.slowest_us / 1000));
  print("too tangled to check", tangled);
  // A checker that cannot tell proves nothing.
  if (tangled > 1 + options.seeds / kTangledShare) ++failed;
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

// Does leaving this rule out make some seed fail that passes with it?
bool IsCaught(const Canary& canary, const Options& options) {
  tiers::Rules rules;
  rules.*canary.rule = false;
  const uint64_t first = options.seed == 0 ? canary.seed : options.seed;
  for (uint64_t seed = first; seed < first + kCanarySeeds; ++seed) {
    const Report report = RunSeed(seed, options.steps, rules);
    if (report.violation.empty() || report.violation.ends_with(kTooTangled)) continue;
    std::printf("without %s, seed %llu: %s\n", canary.name, static_cast<unsigned long long>(seed),
                report.violation.c_str());
    const std::string with_rule = RunSeed(seed, options.steps, {}).violation;
    if (with_rule.empty()) return true;
    std::printf("  but with it, too: %s\n", with_rule.c_str());
    return false;
  }
  std::printf("without %s: nothing noticed in %llu seeds\n", canary.name,
              static_cast<unsigned long long>(kCanarySeeds));
  return false;
}

int RunCanaries(const Options& options) {
  int caught = 0, missed = 0;
  for (const Canary& canary : kCanaries) {
    if (options.canary != "all" && options.canary != canary.name) continue;
    IsCaught(canary, options) ? ++caught : ++missed;
  }
  std::printf("%d passed, %d failed\n", caught, missed);
  return caught > 0 && missed == 0 ? 0 : 1;
}

int Usage() {
  std::printf("usage: sim [--seed N] [--seeds N] [--steps N] [--canary all");
  for (const Canary& canary : kCanaries) std::printf("|%s", canary.name);
  std::printf("]\n");
  return 2;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) return Usage();
    if (name == "--canary") {
      options.canary = argv[i + 1];
      continue;
    }
    uint64_t* const target = name == "--seed"    ? &options.seed
                             : name == "--seeds" ? &options.seeds
                             : name == "--steps" ? &options.steps
                                                 : nullptr;
    if (target == nullptr) return Usage();
    *target = std::strtoull(argv[i + 1], nullptr, 10);
  }
  return options.canary.empty() ? RunSeeds(options) : RunCanaries(options);
}

}  // namespace
}  // namespace terrace::sim

// Lines go out at once: a crash must not take the report with it.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return terrace::sim::Main(argc, argv);
}
