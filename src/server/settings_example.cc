#include "server/settings_example.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "server/settings_table.h"
#include "server/settings_value.h"

namespace terrace::server {
namespace {

constexpr size_t kLineWidth = 98;

using Example = std::pair<std::string_view, std::string_view>;  // name, TOML value

// Words wrapped behind "# ".
std::string Comment(std::string_view text) {
  std::string comment;
  while (!text.empty()) {
    size_t end = text.size();
    if (end > kLineWidth) end = text.rfind(' ', kLineWidth);
    comment += "# " + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return comment;
}

std::string Range(const SettingInfo& info) {
  if (info.only_default) return "";
  constexpr int64_t kUnlimited = std::numeric_limits<int>::max();
  const auto text = [&info](int64_t bound) {
    int64_t number = bound;
    return info.type == SettingType::kBytes || info.type == SettingType::kDurationMs ||
                   info.type == SettingType::kOctal
               ? GetValue(info, &number)
               : std::to_string(bound);
  };
  switch (info.type) {
    case SettingType::kInt:
    case SettingType::kOctal:
    case SettingType::kBytes:
      if (info.max < kUnlimited) return text(info.min) + " to " + text(info.max);
      return info.min == 0 || info.min <= -kUnlimited ? "" : "at least " + text(info.min);
    case SettingType::kBytesOrPercent:
      return "0% to 100%, or bytes";
    case SettingType::kFraction:
      return "0 to 1";
    case SettingType::kBool:
      return "true or false";
    default:
      break;
  }
  std::string names;
  for (const std::string_view choice : info.choices) {
    names += (names.empty() ? "" : ", ") + std::string(choice);
  }
  return names.empty() ? "" : "one of " + names;
}

std::string CommentOf(const SettingInfo& info) {
  std::string text = std::string(info.doc) + ".";
  const std::string range = Range(info);
  if (!info.unit.empty() || !range.empty()) {
    text += " [" + std::string(info.unit) + (info.unit.empty() || range.empty() ? "" : "; ") +
            range + "]";
  }
  // The tiers are read at the start only; their introduction says so.
  if (!info.section.empty() && info.change == Change::kRestart) text += " Restart to change.";
  return text;
}

std::string_view Introduction(std::string_view section) {
  if (section == "server") return "Where and how clients are served.";
  if (section == "log") return "What is written down, and where.";
  if (section == "security") return "Who may do what.";
  if (section == "memory") return "How much memory is used, and what leaves when it is full.";
  if (section == "clients") return "What one client may use, and what it is told.";
  if (section == "encoding") return "Up to which size values keep the compact encodings.";
  return "Bounds of the path of a miss. Reaching one is answered, never waited for.";
}

// One [[name]] behind '#'. Values in examples replace the defaults.
template <typename Row, typename FieldOf>
std::string ExampleElement(std::string_view name, std::span<const Row> rows,
                           std::span<const Example> examples, FieldOf field_of) {
  std::string text = "#[[" + std::string(name) + "]]\n";
  for (const Row& row : rows) {
    const auto field = field_of(row);
    if (!field) continue;
    const auto example = std::ranges::find(examples, row.info.name, &Example::first);
    text +=
        Comment(CommentOf(row.info)) + "#" + std::string(row.info.name) + " = " +
        (example == examples.end() ? TomlValue(row.info, *field) : std::string(example->second)) +
        "\n";
  }
  return text + "\n";
}

std::string OriginElement(OriginKind kind, std::span<const Example> examples) {
  OriginSettings origin;
  origin.kind = kind;
  return ExampleElement("origin", OriginRows(), examples,
                        [&origin](const OriginRow& row) -> std::optional<Field> {
                          const auto field = row.fields[static_cast<size_t>(origin.kind)];
                          return field == nullptr ? std::nullopt : std::optional(field(origin));
                        });
}

std::string Tiers() {
  const auto field_in = [](auto& owner) {
    return [&owner](const auto& row) { return std::optional<Field>(row.field(owner)); };
  };
  RegionalSettings regional;
  // A route says what holds for copies of a regional tier; write shows what it then defaults to.
  RouteSettings route;
  route.write = WriteMode::kForward;
  constexpr Example kRegional[] = {{"name", "\"near\""}, {"unix_socket", "\"\""}};
  constexpr Example kHttp[] = {{"name", "\"api\""},
                               {"url", "\"https://api.example.com/v1/{key:0}/{key:1}\""}};
  constexpr Example kDirectory[] = {{"name", "\"files\""}, {"path", "\"/srv/values\""}};
  constexpr Example kRedis[] = {{"name", "\"old\""}, {"host", "\"redis.example.com\""}};
  constexpr Example kRoute[] = {
      {"prefix", "\"user:\""}, {"regional", "\"near\""}, {"origin", "\"api\""}};
  return Comment(
             "Tiers below the local memory. They are read at the start only. Without any, every "
             "key lives in local memory alone.") +
         "\n" + Comment("A Redis below the local memory, for any number of routes.") +
         ExampleElement("regional", RegionalRows(), std::span(kRegional), field_in(regional)) +
         Comment("An HTTP server that values come from.") +
         OriginElement(OriginKind::kHttp, kHttp) +
         Comment("A directory of files that values come from.") +
         OriginElement(OriginKind::kDirectory, kDirectory) +
         Comment("Another Redis that values come from.") +
         OriginElement(OriginKind::kRedis, kRedis) +
         Comment("Which tiers the keys with a prefix have, and how long copies live.") +
         ExampleElement("route", RouteRows(), std::span(kRoute), field_in(route));
}

}  // namespace

std::string ExampleConfig() {
  std::string text = Comment(
      "The configuration of Terrace: every setting with its meaning, unit, range and default. All "
      "values here are the defaults, so a file needs to hold only what it changes. Sizes: "
      "\"64mb\" (kb, mb, gb: powers of 1024; k, m, g: of 1000). Durations: \"250ms\", \"5s\", "
      "\"10m\", \"1h\", \"2d\", or a number of milliseconds. `terrace --check-config FILE` says "
      "what is wrong with a file. The same names work on the command line (--port 7000) and in "
      "CONFIG GET and CONFIG SET; '-' and '_' in a name are the same.");
  Settings settings;
  std::string_view section;
  for (const auto& row : SettingRows()) {
    if (row.info.section != section) {
      section = row.info.section;
      text += "\n" + Comment(Introduction(section)) + "[" + std::string(section) + "]\n";
    }
    text += Comment(CommentOf(row.info)) + std::string(row.info.name) + " = " +
            TomlValue(row.info, row.field(settings)) + "\n";
  }
  text += "\n" + Tiers();
  text.pop_back();
  return text;
}

}  // namespace terrace::server
