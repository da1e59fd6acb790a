// LATENCY: what held up requests, and how long each command takes.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/letters.h"
#include "commands/registry.h"
#include "server/commands.h"
#include "server/server.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

void LatencyLatest(Call& call) {
  const std::vector<LatencyEvent> events = CoreOf(call).latency_monitor.Latest();
  call.reply.Array(events.size());
  for (const LatencyEvent& event : events) {
    call.reply.Array(4);
    call.reply.Bulk(event.name);
    call.reply.Integer(event.latest.unix_s);
    call.reply.Integer(event.latest.latency_ms);
    call.reply.Integer(event.max_ms);
  }
}

void LatencyHistory(Call& call) {
  const std::vector<LatencySample> samples = CoreOf(call).latency_monitor.History(call.args[2]);
  call.reply.Array(samples.size());
  for (const LatencySample& sample : samples) {
    call.reply.Array(2);
    call.reply.Integer(sample.unix_s);
    call.reply.Integer(sample.latency_ms);
  }
}

void LatencyReset(Call& call) {
  LatencyMonitor& monitor = CoreOf(call).latency_monitor;
  if (call.argc() == 2) return call.reply.Integer(static_cast<int64_t>(monitor.ResetAll()));
  int64_t count = 0;
  for (size_t i = 2; i < call.argc(); ++i) count += monitor.Reset(call.args[i]) ? 1 : 0;
  call.reply.Integer(count);
}

// Draws the samples of an event as columns of '#', the newest at the right, oldest first.
std::string Graph(std::string_view event, const std::vector<LatencySample>& samples,
                  int64_t now_s) {
  constexpr size_t kColumnsMax = 80;
  constexpr int64_t kRows = 4;
  const size_t first = samples.size() - std::min(samples.size(), kColumnsMax);
  const std::vector<LatencySample> shown(samples.begin() + static_cast<ptrdiff_t>(first),
                                         samples.end());
  const auto by_latency = [](const LatencySample& a, const LatencySample& b) {
    return a.latency_ms < b.latency_ms;
  };
  const auto [low, high] = std::minmax_element(shown.begin(), shown.end(), by_latency);
  const int64_t all_time_ms =
      std::max_element(samples.begin(), samples.end(), by_latency)->latency_ms;
  std::string text = std::string(event) + " - high " + std::to_string(high->latency_ms) +
                     " ms, low " + std::to_string(low->latency_ms) + " ms (all time high " +
                     std::to_string(all_time_ms) + " ms)\n" + std::string(kColumnsMax, '-') + "\n";
  for (int64_t row = kRows; row >= 1; --row) {
    for (const LatencySample& sample : shown) {
      const bool reaches = sample.latency_ms * kRows >= high->latency_ms * row;
      text += reaches ? '#' : (row == 1 ? '_' : ' ');
    }
    text += "\n";
  }
  return text + "oldest " + std::to_string(now_s - shown.front().unix_s) + " s ago, newest " +
         std::to_string(now_s - shown.back().unix_s) + " s ago\n";
}

void LatencyGraph(Call& call) {
  const std::vector<LatencySample> samples = CoreOf(call).latency_monitor.History(call.args[2]);
  if (samples.empty()) {
    return call.reply.Error("ERR No samples available for event '" + std::string(call.args[2]) +
                            "'");
  }
  call.reply.Verbatim("txt", Graph(call.args[2], samples, call.clock.WallMs() / 1000));
}

std::string Advice(std::string_view event) {
  if (event == "expire-cycle") {
    return "many keys expire at once: spread their deadlines, or lower active-expire-effort";
  }
  if (event == "fast-command") {
    return "commands that should be quick are not: is the machine overloaded or swapping?";
  }
  return "slow commands: see SLOWLOG GET and INFO commandstats";
}

void LatencyDoctor(Call& call) {
  const Core& core = CoreOf(call);
  if (core.hot.latency_threshold_ms.load() == 0) {
    return call.reply.Verbatim("txt",
                               "The latency monitor is off. Switch it on with CONFIG SET "
                               "latency-monitor-threshold <milliseconds>.\n");
  }
  const std::vector<LatencyEvent> events = core.latency_monitor.Latest();
  if (events.empty()) {
    return call.reply.Verbatim("txt", "Nothing has held up requests beyond the threshold.\n");
  }
  std::string text;
  for (const LatencyEvent& event : events) {
    const auto samples = core.latency_monitor.History(event.name);
    int64_t sum_ms = 0;
    for (const LatencySample& sample : samples) sum_ms += sample.latency_ms;
    text += event.name + ": " + std::to_string(samples.size()) + " samples, average " +
            std::to_string(sum_ms / static_cast<int64_t>(samples.size())) + " ms, worst " +
            std::to_string(event.max_ms) + " ms; " + Advice(event.name) + "\n";
  }
  call.reply.Verbatim("txt", text);
}

// ---- Histograms
// ----------------------------------------------------------------------------------

uint64_t CallsOf(Call& call, const Command& command) {
  uint64_t calls = 0;
  for (const auto& worker : CoreOf(call).server->workers()) {
    calls += worker->stats().commands[static_cast<size_t>(command.id)].calls.value();
  }
  return calls;
}

void ReplyHistogram(Call& call, const Command& command, uint64_t calls,
                    const base::Histogram& latency, double cycles_per_us) {
  call.reply.Bulk(command.name);
  call.reply.Map(2);
  call.reply.Bulk("calls");
  call.reply.Integer(static_cast<int64_t>(calls));
  call.reply.Bulk("histogram_usec");
  // Cumulative counts at powers of two, without those that add nothing.
  std::vector<std::pair<int64_t, uint64_t>> steps;
  uint64_t seen = 0;
  for (int64_t us = 1; seen < latency.count() && us < (int64_t{1} << 40); us *= 2) {
    const auto cycles = static_cast<uint64_t>(static_cast<double>(us) * cycles_per_us);
    const uint64_t count = latency.CountUpTo(cycles);
    if (count > seen) steps.emplace_back(us, count);
    seen = count;
  }
  call.reply.Map(steps.size());
  for (const auto& [us, count] : steps) {
    call.reply.Integer(us);
    call.reply.Integer(static_cast<int64_t>(count));
  }
}

// The rows a name stands for: a command's own, or those of its subcommands.
void AppendRows(const Command& command, std::vector<const Command*>* rows) {
  if (command.subcommands.empty()) {
    rows->push_back(&command);
    return;
  }
  for (const Command& sub : command.subcommands) rows->push_back(&sub);
}

void LatencyHistogram(Call& call) {
  std::vector<const Command*> rows;
  if (call.argc() == 2) {
    for (const Command& row : call.registry.rows()) rows.push_back(&row);
  }
  for (size_t i = 2; i < call.argc(); ++i) {
    const std::string name = base::LowerCase(call.args[i]);
    for (const Command& row : call.registry.rows()) {
      if (row.name == name) AppendRows(row, &rows);
    }
  }
  const double us_per_cycle = CoreOf(call).cycles->UsPerCycle(call.clock.MonoUs());
  const resp::Reply::Mark mark = call.reply.Begin();
  size_t count = 0;
  for (const Command* row : rows) {
    base::Histogram latency;
    CoreOf(call).server->CollectLatency(*row, &latency);
    if (latency.count() == 0) continue;
    ReplyHistogram(call, *row, CallsOf(call, *row), latency, 1 / us_per_cycle);
    ++count;
  }
  call.reply.EndMap(mark, count);
}

void LatencyHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "DOCTOR",
      "    What has held up requests, and what to do about it.",
      "GRAPH <event>",
      "    The samples of an event as a picture.",
      "HISTORY <event>",
      "    The samples of an event: time and milliseconds.",
      "LATEST",
      "    The latest sample of every event, and the worst.",
      "RESET [<event> ...]",
      "    Forget these events, or all.",
      "HISTOGRAM [<command> ...]",
      "    How many calls of commands took up to 1, 2, 4 ... microseconds.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr Command LatencyRow(std::string_view name, int arity, commands::Handler handler,
                             std::string_view since, std::string_view syntax,
                             std::string_view summary) {
  return {.name = name,
          .arity = arity,
          .flags = commands::kAdmin | commands::kNoScript | commands::kLoading | commands::kStale |
                   commands::kNoLocks,
          .categories = commands::kDangerous,
          .handler = handler,
          .group = "server",
          .since = since,
          .syntax = syntax,
          .summary = summary};
}

constexpr Command kLatencySubcommands[] = {
    LatencyRow("latency|doctor", 2, LatencyDoctor, "2.8.13", "", "Explains what held up requests.")
        .Tipped("nondeterministic_output request_policy:all_nodes response_policy:special"),
    LatencyRow("latency|graph", 3, LatencyGraph, "2.8.13", "event",
               "Draws the samples of an event.")
        .Tipped("nondeterministic_output request_policy:all_nodes response_policy:special"),
    LatencyRow("latency|history", 3, LatencyHistory, "2.8.13", "event",
               "Answers the samples of an event.")
        .Tipped("nondeterministic_output request_policy:all_nodes response_policy:special"),
    LatencyRow("latency|latest", 2, LatencyLatest, "2.8.13", "", "Answers the latest samples.")
        .Tipped("nondeterministic_output request_policy:all_nodes response_policy:special"),
    LatencyRow("latency|reset", -2, LatencyReset, "2.8.13", "[event...]", "Forgets events.")
        .Tipped("request_policy:all_nodes response_policy:agg_sum"),
    LatencyRow("latency|histogram", -2, LatencyHistogram, "7.0.0", "[command...]",
               "Answers how long commands take.")
        .Costs("O(N), N: commands")
        .Tipped("nondeterministic_output request_policy:all_nodes response_policy:special"),
    {.name = "latency|help",
     .arity = 2,
     .flags = commands::kLoading | commands::kStale | commands::kNoLocks,
     .handler = LatencyHelp,
     .group = "server",
     .since = "2.8.13",
     .summary = "Describes the subcommands."},
};

constexpr Command kLatencyCommands[] = {
    {.name = "latency",
     .arity = -2,
     .group = "server",
     .since = "2.8.13",
     .summary = "A container for latency commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kLatencySubcommands},
};

}  // namespace

std::span<const Command> LatencyCommands() { return kLatencyCommands; }

}  // namespace terrace::server
