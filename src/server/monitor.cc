#include "server/monitor.h"

#include <cstdio>

#include "server/secrets.h"

namespace terrace::server {
namespace {

void AppendQuoted(std::string_view argument, std::string* line) {
  constexpr std::string_view kNamed = "\n\r\t\a\b\\\"";
  constexpr std::string_view kNames = "nrtab\\\"";
  *line += '"';
  for (const char c : argument) {
    const size_t named = kNamed.find(c);
    if (named != kNamed.npos) {
      *line += '\\';
      *line += kNames[named];
    } else if (c >= ' ' && c <= '~') {
      *line += c;
    } else {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\x%02x", static_cast<unsigned char>(c));
      *line += escape;
    }
  }
  *line += '"';
}

}  // namespace

std::string MonitorLine(const commands::Command& command, commands::Args args, int database,
                        std::string_view source, int64_t wall_us) {
  char stamp[64];
  std::snprintf(stamp, sizeof(stamp), "+%lld.%06lld [%d ",
                static_cast<long long>(wall_us / 1000000),
                static_cast<long long>(wall_us % 1000000), database);
  std::string line = stamp;
  line.append(source).append("]");
  for (size_t at = 0; at < args.size(); ++at) {
    line += ' ';
    AppendQuoted(IsSecret(command, args, at) ? kRedacted : args[at], &line);
  }
  return line + "\r\n";
}

}  // namespace terrace::server
