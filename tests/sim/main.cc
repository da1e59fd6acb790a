// sim: runs the simulation over many seeds, or proves with canaries that its checker can fail.
//
//   sim                          the first 200 seeds
//   sim --seed N [--seeds N]     seeds from N on
//   sim --canary RULE|all        leaves a rule out; succeeds when the checker notices
//   --steps N                    requests of each seed

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "sim/simulation.h"

namespace terrace::sim {
namespace {

constexpr uint64_t kSeeds = 200;
constexpr uint64_t kSteps = 400;
// A rule that so many seeds do not miss is not being tested.
constexpr uint64_t kCanarySeeds = 300;

struct Canary {
  const char* name;
  bool tiers::Rules::*rule;
};
constexpr Canary kCanaries[] = {
    {"fill_checks_version", &tiers::Rules::fill_checks_version},
    {"join_checks_version", &tiers::Rules::join_checks_version},
    {"generations", &tiers::Rules::generations},
    {"write_checks_version", &tiers::Rules::write_checks_version},
    {"relay_drops_copies", &tiers::Rules::relay_drops_copies},
    {"tombstones", &tiers::Rules::tombstones},
    {"recall", &tiers::Rules::recall},
};

struct Options {
  uint64_t seed = 1;
  uint64_t seeds = kSeeds;
  uint64_t steps = kSteps;
  std::string canary;
};

Report RunSeed(uint64_t seed, uint64_t steps, const tiers::Rules& rules) {
  Simulation simulation(seed, steps, rules);
  return simulation.Run();
}

int RunSeeds(const Options& options) {
  uint64_t passed = 0, failed = 0;
  Report sum;
  for (uint64_t seed = options.seed; seed < options.seed + options.seeds; ++seed) {
    const Report report = RunSeed(seed, options.steps, {});
    report.violation.empty() ? ++passed : ++failed;
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
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

// Does leaving this rule out make some seed fail?
bool IsCaught(const Canary& canary, const Options& options) {
  tiers::Rules rules;
  rules.*canary.rule = false;
  for (uint64_t seed = options.seed; seed < options.seed + kCanarySeeds; ++seed) {
    const Report report = RunSeed(seed, options.steps, rules);
    if (report.violation.empty()) continue;
    std::printf("without %s, seed %llu: %s\n", canary.name, static_cast<unsigned long long>(seed),
                report.violation.c_str());
    return true;
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
