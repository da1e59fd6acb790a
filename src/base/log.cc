#include "base/log.h"

#include <ctime>

namespace terrace::base {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "verbose", "notice", "warning"};

std::string Timestamp(int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm parts;
  gmtime_r(&seconds, &parts);
  char date[32], text[48];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof(text), "%s.%03dZ", date, static_cast<int>(wall_ms % 1000));
  return text;
}

// Quoted where a reader of key=value would stumble; always quoted in JSON.
void AppendValue(std::string_view value, bool always_quote, std::string* line) {
  const bool plain = !value.empty() && value.find_first_of(" \"=\\\n\r\t") == value.npos;
  if (plain && !always_quote) {
    line->append(value);
    return;
  }
  line->push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line->push_back('\\');
      line->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      line->append(escape);
    } else {
      line->push_back(c);
    }
  }
  line->push_back('"');
}

}  // namespace

Log::~Log() {
  if (file_ != stdout) std::fclose(file_);
}

bool Log::OpenFile(const std::string& path) {
  std::FILE* file = path.empty() ? stdout : std::fopen(path.c_str(), "ae");
  if (file == nullptr) return false;
  std::lock_guard lock(mutex_);
  if (file_ != stdout) std::fclose(file_);
  file_ = file;
  return true;
}

void Log::set_level(Level level) {
  std::lock_guard lock(mutex_);
  level_ = level;
}

void Log::set_format(Format format) {
  std::lock_guard lock(mutex_);
  format_ = format;
}

void Log::Write(Level level, std::string_view event, Fields fields) {
  const int64_t wall_ms = clock_->WallMs();
  std::lock_guard lock(mutex_);
  if (level < level_) return;
  auto found = rates_.find(event);
  if (found == rates_.end()) found = rates_.emplace(std::string(event), Rate{}).first;
  Rate& rate = found->second;
  const int64_t second = wall_ms / 1000;
  if (rate.second != second) rate = {second, 0, rate.suppressed};
  if (++rate.lines > kLinesPerSecondMax) {
    ++rate.suppressed;
    return;
  }
  const bool json = format_ == Format::kJson;
  std::string line;
  const auto field = [&](std::string_view name, std::string_view value) {
    if (json) {
      line += line.empty() ? "{\"" : ",\"";
      line.append(name);
      line += "\":";
    } else {
      line.push_back(' ');
      line.append(name);
      line.push_back('=');
    }
    AppendValue(value, json, &line);
  };
  const std::string_view level_name = kLevelNames[static_cast<size_t>(level)];
  if (json) {
    field("time", Timestamp(wall_ms));
    field("level", level_name);
    field("event", event);
  } else {
    line = Timestamp(wall_ms) + " " + std::string(level_name) + " " + std::string(event);
  }
  for (const Field& f : fields) field(f.name, f.value);
  if (rate.suppressed > 0) field("suppressed", std::to_string(rate.suppressed));
  rate.suppressed = 0;
  line += json ? "}\n" : "\n";
  std::fwrite(line.data(), 1, line.size(), file_);
  std::fflush(file_);
}

}  // namespace terrace::base
