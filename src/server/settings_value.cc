#include "server/settings_value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/letters.h"
#include "base/numbers.h"
#include "base/units.h"
#include "server/save_points.h"

namespace terrace::server {
namespace {

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  constexpr std::string_view kBlanks = " \t\n";
  for (size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// "%f" without the zeros at the end, as Redis shows percentiles.
std::string ShortDouble(double value) {
  std::array<char, 64> buffer;
  const int size = std::snprintf(buffer.data(), buffer.size(), "%f", value);
  std::string text(buffer.data(), static_cast<size_t>(size));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string OctalText(int64_t value) {
  std::array<char, 24> buffer;
  const int size =
      std::snprintf(buffer.data(), buffer.size(), "%lo", static_cast<unsigned long>(value));
  return {buffer.data(), static_cast<size_t>(size)};
}

std::string RangeError(const SettingInfo& info) {
  const auto text = [&info](int64_t bound) {
    return info.type == SettingType::kOctal ? OctalText(bound) : std::to_string(bound);
  };
  return "argument must be between " + text(info.min) + " and " + text(info.max) + " inclusive";
}

// Numbers live in fields of several widths; their range keeps them representable.
void StoreNumber(Field field, int64_t number) {
  if (auto* const* wide = std::get_if<int64_t*>(&field)) {
    **wide = number;
  } else if (auto* const* size = std::get_if<uint64_t*>(&field)) {
    **size = static_cast<uint64_t>(number);
  } else {
    *std::get<int*>(field) = static_cast<int>(number);
  }
}

int64_t LoadNumber(Field field) {
  if (auto* const* wide = std::get_if<int64_t*>(&field)) return **wide;
  if (auto* const* size = std::get_if<uint64_t*>(&field)) return static_cast<int64_t>(**size);
  return *std::get<int*>(field);
}

std::optional<int64_t> ParseOctal(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number, 8);
  if (error != std::errc() || parsed_to != end) return std::nullopt;
  return number;
}

std::optional<int64_t> ParseSize(std::string_view text) {
  const auto bytes = base::ParseBytes(text);
  if (!bytes || *bytes > uint64_t{std::numeric_limits<int64_t>::max()}) return std::nullopt;
  return static_cast<int64_t>(*bytes);
}

// A percentage as a negative number, so that it cannot be confused with bytes.
std::optional<int64_t> ParsePercent(std::string_view text) {
  if (text.size() < 2 || text.back() != '%') return std::nullopt;
  const auto percent = base::ParseInt64(text.substr(0, text.size() - 1));
  if (!percent || *percent < 0) return std::nullopt;
  return -*percent;
}

std::string SetNumber(const SettingInfo& info, Field field, std::string_view text) {
  std::optional<int64_t> number;
  std::string_view not_a_number;
  switch (info.type) {
    case SettingType::kInt:
      number = base::ParseInt64(text);
      not_a_number = "argument couldn't be parsed into an integer";
      break;
    case SettingType::kOctal:
      number = ParseOctal(text);
      not_a_number = "argument couldn't be parsed as an octal number";
      break;
    case SettingType::kBytes:
      number = ParseSize(text);
      not_a_number = "argument must be a memory value";
      break;
    case SettingType::kBytesOrPercent:
      number = ParseSize(text);
      if (!number) number = ParsePercent(text);
      not_a_number = "argument must be a memory or percent value";
      if (number && *number < info.min) {
        return "percentage argument must be less or equal to " + std::to_string(-info.min);
      }
      break;
    default:
      TERRACE_CHECK(info.type == SettingType::kDurationMs);
      if (info.min == -1 && base::SameWord(text, "none")) number = -1;
      if (!number) number = base::ParseDurationMs(text);
      not_a_number =
          "argument must be a duration, a number of milliseconds or one with ms, s, m, h or d";
      break;
  }
  if (!number) return std::string(not_a_number);
  if (*number < info.min || *number > info.max) return RangeError(info);
  StoreNumber(field, *number);
  return "";
}

std::string SetBool(const SettingInfo& info, bool& value, std::string_view text) {
  const bool yes = base::SameWord(text, "yes");
  if (!yes && !base::SameWord(text, "no")) return "argument must be 'yes' or 'no'";
  if (yes && info.only_default) return "this server supports only 'no'";
  value = yes;
  return "";
}

std::string SetString(const SettingInfo& info, std::string& value, std::string_view text) {
  if (info.only_default && !text.empty()) return "this server supports only ''";
  if (info.type == SettingType::kFileName && text.find('/') != std::string_view::npos) {
    return std::string(info.name) + " can't be a path, just a filename";
  }
  if (info.type == SettingType::kDirectory) {
    std::error_code error;
    auto path = std::filesystem::canonical(text, error);
    if (error) return error.message();
    if (!std::filesystem::is_directory(path, error)) return "Not a directory";
    value = path.string();
    return "";
  }
  value = text;
  return "";
}

std::string SetChoice(const SettingInfo& info, Field field, std::string_view text) {
  std::string names;
  for (size_t i = 0; i < info.choices.size(); ++i) {
    if (base::SameWord(text, info.choices[i])) {
      if (auto* const* name = std::get_if<std::string*>(&field)) {
        **name = info.choices[i];
      } else {
        const auto& number = std::get<EnumField>(field);
        number.set(number.object, static_cast<int>(i));
      }
      return "";
    }
    names += (i == 0 ? "" : ", ") + std::string(info.choices[i]);
  }
  return "argument(s) must be one of the following: " + names;
}

std::string SetFraction(double& value, std::string_view text) {
  const bool percent = text.ends_with('%');
  auto number = base::ParseDouble(percent ? text.substr(0, text.size() - 1) : text);
  if (!number) return "argument must be a fraction such as 0.1 or 10%";
  if (percent) *number /= 100;
  if (!(*number >= 0 && *number <= 1)) return "argument must be between 0 and 1 inclusive";
  value = *number;
  return "";
}

std::string SetPercentiles(std::vector<double>& value, std::string_view text) {
  std::vector<double> percentiles;
  for (const std::string& word : SplitWords(text)) {
    const auto percentile = base::ParseDouble(word);
    if (!percentile) return "Invalid latency-tracking-info-percentiles parameters";
    if (!(*percentile >= 0 && *percentile <= 100)) {
      return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    }
    percentiles.push_back(*percentile);
  }
  value = std::move(percentiles);
  return "";
}

// Keeps the classes in the order CONFIG GET shows them, with 'A' for all that it stands for.
std::string SetKeyspaceEvents(std::string& value, std::string_view text) {
  constexpr std::string_view kInA = "g$lshzxetd";
  constexpr std::string_view kOthers = "nKEm";
  std::string wanted;
  for (const char c : text) {
    if (c == 'A') {
      wanted += kInA;
    } else if (kInA.find(c) != std::string_view::npos ||
               kOthers.find(c) != std::string_view::npos) {
      wanted += c;
    } else {
      return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    }
  }
  const auto pick = [&wanted](std::string_view classes) {
    std::string picked;
    for (const char c : classes) {
      if (wanted.find(c) != std::string::npos) picked += c;
    }
    return picked;
  };
  std::string in_a = pick(kInA);
  value = (in_a == kInA ? "A" : in_a) + pick(kOthers);
  return "";
}

OutputBufferLimit* FindClass(OutputBufferLimits& limits, std::string_view name) {
  if (base::SameWord(name, "normal")) return &limits.normal;
  if (base::SameWord(name, "replica") || base::SameWord(name, "slave")) return &limits.replica;
  if (base::SameWord(name, "pubsub")) return &limits.pubsub;
  return nullptr;
}

std::string SetOutputBufferLimits(OutputBufferLimits& value, std::string_view text) {
  const std::vector<std::string> words = SplitWords(text);
  if (words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  OutputBufferLimits limits = value;
  for (size_t i = 0; i < words.size(); i += 4) {
    OutputBufferLimit* const limit = FindClass(limits, words[i]);
    if (limit == nullptr) return "Invalid client class specified in buffer limit configuration.";
    const auto hard = base::ParseBytes(words[i + 1]);
    const auto soft = base::ParseBytes(words[i + 2]);
    const auto seconds = base::ParseInt64(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    *limit = {*hard, *soft, *seconds};
  }
  value = limits;
  return "";
}

template <typename Items, typename ToText>
std::string Join(const Items& items, std::string_view separator, ToText to_text) {
  std::string joined;
  for (const auto& item : items) {
    if (!joined.empty()) joined += separator;
    joined += to_text(item);
  }
  return joined;
}

using ClassLimit = std::pair<std::string_view, OutputBufferLimit>;

std::array<ClassLimit, 3> Classes(const OutputBufferLimits& limits, std::string_view replica_name) {
  return {ClassLimit{"normal", limits.normal}, ClassLimit{replica_name, limits.replica},
          ClassLimit{"pubsub", limits.pubsub}};
}

std::string ChoiceName(const SettingInfo& info, Field field) {
  if (auto* const* name = std::get_if<std::string*>(&field)) return **name;
  const auto& number = std::get<EnumField>(field);
  return std::string(info.choices[static_cast<size_t>(number.get(number.object))]);
}

std::string QuotedUnlessNumber(const std::string& text) {
  return base::ParseInt64(text) ? text : TomlString(text);
}

}  // namespace

std::string SetValue(const SettingInfo& info, Field field, std::string_view text) {
  switch (info.type) {
    case SettingType::kBool:
      return SetBool(info, *std::get<bool*>(field), text);
    case SettingType::kInt:
    case SettingType::kOctal:
    case SettingType::kBytes:
    case SettingType::kBytesOrPercent:
    case SettingType::kDurationMs:
      return SetNumber(info, field, text);
    case SettingType::kFraction:
      return SetFraction(*std::get<double*>(field), text);
    case SettingType::kString:
    case SettingType::kFileName:
    case SettingType::kDirectory:
      return SetString(info, *std::get<std::string*>(field), text);
    case SettingType::kChoice:
      return SetChoice(info, field, text);
    case SettingType::kList:
      *std::get<std::vector<std::string>*>(field) = SplitWords(text);
      return "";
    case SettingType::kTexts:
      *std::get<std::vector<std::string>*>(field) = SplitLines(text);
      return "";
    case SettingType::kPercentiles:
      return SetPercentiles(*std::get<std::vector<double>*>(field), text);
    case SettingType::kKeyspaceEvents:
      return SetKeyspaceEvents(*std::get<std::string*>(field), text);
    case SettingType::kSavePoints: {
      const auto points = ParseSavePoints(text);
      if (!points) return "Invalid save parameters";
      *std::get<std::string*>(field) = SavePointsText(*points);
      return "";
    }
    case SettingType::kOutputBufferLimits:
      return SetOutputBufferLimits(*std::get<OutputBufferLimits*>(field), text);
  }
  return "";
}

std::string GetValue(const SettingInfo& info, Field field) {
  switch (info.type) {
    case SettingType::kBool:
      return *std::get<bool*>(field) ? "yes" : "no";
    case SettingType::kInt:
    case SettingType::kBytes:
      return std::to_string(LoadNumber(field));
    case SettingType::kDurationMs:
      return LoadNumber(field) < 0 ? "none" : std::to_string(LoadNumber(field));
    case SettingType::kOctal:
      return OctalText(LoadNumber(field));
    case SettingType::kBytesOrPercent: {
      const int64_t number = LoadNumber(field);
      return number < 0 ? std::to_string(-number) + "%" : std::to_string(number);
    }
    case SettingType::kFraction:
      return ShortDouble(*std::get<double*>(field));
    case SettingType::kString:
    case SettingType::kFileName:
    case SettingType::kDirectory:
    case SettingType::kKeyspaceEvents:
    case SettingType::kSavePoints:
      return *std::get<std::string*>(field);
    case SettingType::kChoice:
      return ChoiceName(info, field);
    case SettingType::kList:
      return Join(*std::get<std::vector<std::string>*>(field), " ",
                  [](const std::string& word) { return word; });
    case SettingType::kTexts:
      return Join(*std::get<std::vector<std::string>*>(field), "\n",
                  [](const std::string& line) { return line; });
    case SettingType::kPercentiles:
      return Join(*std::get<std::vector<double>*>(field), " ", ShortDouble);
    case SettingType::kOutputBufferLimits:
      return Join(Classes(*std::get<OutputBufferLimits*>(field), "slave"), " ",
                  [](const ClassLimit& entry) {
                    const auto& [name, limit] = entry;
                    return std::string(name) + " " + std::to_string(limit.hard_bytes) + " " +
                           std::to_string(limit.soft_bytes) + " " +
                           std::to_string(limit.soft_seconds);
                  });
  }
  return "";
}

std::string TomlString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
      quoted += escape.data();
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string TomlValue(const SettingInfo& info, Field field) {
  switch (info.type) {
    case SettingType::kBool:
      return *std::get<bool*>(field) ? "true" : "false";
    case SettingType::kInt:
    case SettingType::kFraction:
      return GetValue(info, field);
    case SettingType::kBytes:
      return QuotedUnlessNumber(base::FormatBytes(static_cast<uint64_t>(LoadNumber(field))));
    case SettingType::kBytesOrPercent:
      return QuotedUnlessNumber(LoadNumber(field) < 0
                                    ? GetValue(info, field)
                                    : base::FormatBytes(static_cast<uint64_t>(LoadNumber(field))));
    case SettingType::kDurationMs:
      return QuotedUnlessNumber(LoadNumber(field) < 0 ? GetValue(info, field)
                                                      : base::FormatDurationMs(LoadNumber(field)));
    case SettingType::kList:
    case SettingType::kTexts:
      return "[" + Join(*std::get<std::vector<std::string>*>(field), ", ", TomlString) + "]";
    case SettingType::kPercentiles:
      return "[" + Join(*std::get<std::vector<double>*>(field), ", ", ShortDouble) + "]";
    case SettingType::kOutputBufferLimits:
      return "[" +
             Join(Classes(*std::get<OutputBufferLimits*>(field), "replica"), ", ",
                  [](const ClassLimit& entry) {
                    const auto& [name, limit] = entry;
                    return TomlString(std::string(name) + " " +
                                      base::FormatBytes(limit.hard_bytes) + " " +
                                      base::FormatBytes(limit.soft_bytes) + " " +
                                      std::to_string(limit.soft_seconds));
                  }) +
             "]";
    default:
      return TomlString(GetValue(info, field));
  }
}

}  // namespace terrace::server
