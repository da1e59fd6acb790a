// What a request to the regional tier costs this process: CPU time per Get and per Relay, with a
// given number of them under way at any time, against a real redis-server on a unix socket or port.
//
//   bench_regional_micro [--benchmark_filter=...]     needs a server: TERRACE_BENCH_REDIS_PORT
//
// CPU time is the process's own: the server's is not in it.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "runtime/uv_loop.h"
#include "tiers/regional.h"

namespace terrace::tiers {
namespace {

constexpr int64_t kDeadlineUs = 5000000;

// Keeps depth requests under way until count are answered.
class Driver {
 public:
  Driver(RegionalTier* tier, runtime::UvLoop* loop, int64_t depth)
      : tier_(tier), loop_(loop), depth_(depth) {}

  template <typename Ask>
  void Run(int64_t count, Ask ask) {
    left_to_ask_ = count;
    left_to_answer_ = count;
    ask_ = [this, ask] { ask(tier_, loop_->clock().MonoUs() + kDeadlineUs, this); };
    for (int64_t i = 0; i < depth_; ++i) Next();
    loop_->Run();
  }

  void Answered(Failure failure) {
    failures_ += failure != Failure::kNone;
    if (--left_to_answer_ == 0) loop_->Stop();
    Next();
  }

  int64_t failures() const { return failures_; }

 private:
  void Next() {
    if (left_to_ask_ == 0) return;
    --left_to_ask_;
    ask_();
  }

  RegionalTier* const tier_;
  runtime::UvLoop* const loop_;
  const int64_t depth_;
  std::function<void()> ask_;
  int64_t left_to_ask_ = 0;
  int64_t left_to_answer_ = 0;
  int64_t failures_ = 0;
};

template <typename Ask>
void Measure(benchmark::State& state, Ask ask) {
  const char* port = std::getenv("TERRACE_BENCH_REDIS_PORT");
  if (port == nullptr) {
    state.SkipWithError("set TERRACE_BENCH_REDIS_PORT to the port of a redis-server to use");
    return;
  }
  runtime::SystemClock clock;
  runtime::UvLoop loop(&clock);
  RegionalOptions options;
  options.port = std::atoi(port);
  std::unique_ptr<RegionalTier> tier = NewRegionalTier(options, &loop, 1);
  tier->Relay({0, {"SET", "terrace:bench", std::string(64, 'v')}, clock.MonoUs() + kDeadlineUs},
              [&](RelayResult) { loop.Stop(); });
  loop.Run();
  constexpr int64_t kBatch = 20000;
  Driver driver(tier.get(), &loop, state.range(0));
  for (auto _ : state) driver.Run(kBatch, ask);
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.counters["cpu_per_request"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kBatch),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  if (driver.failures() > 0) state.SkipWithError("requests failed");
  tier->Close([&] { loop.Stop(); });
  loop.Run();
}

void BM_Get(benchmark::State& state) {
  Measure(state, [](RegionalTier* tier, int64_t deadline_us, Driver* driver) {
    tier->Get({0, "terrace:bench", deadline_us, 0},
              [driver](GetResult result) { driver->Answered(result.failure); });
  });
}
BENCHMARK(BM_Get)->Arg(1)->Arg(50)->Arg(500);

void BM_Relay(benchmark::State& state) {
  Measure(state, [](RegionalTier* tier, int64_t deadline_us, Driver* driver) {
    tier->Relay({0, {"GET", "terrace:bench"}, deadline_us},
                [driver](RelayResult result) { driver->Answered(result.failure); });
  });
}
BENCHMARK(BM_Relay)->Arg(1)->Arg(50)->Arg(500);

}  // namespace
}  // namespace terrace::tiers

BENCHMARK_MAIN();
