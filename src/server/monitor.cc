#include "server/monitor.h"

#include <cstdio>

#include "commands/registry.h"

namespace terrace::server {
namespace {

constexpr std::string_view kSecret = "(redacted)";

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

// Is this argument a user name or a password?
bool IsSecret(const commands::Command& command, commands::Args args, size_t at) {
  if (command.name == "auth") return at > 0;
  if (command.name != "hello") return false;
  for (size_t before = 1; before <= 2 && before < at; ++before) {
    if (at - before >= 2 && commands::SameName(args[at - before], "auth")) return true;
  }
  return false;
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
    AppendQuoted(IsSecret(command, args, at) ? kSecret : args[at], &line);
  }
  return line + "\r\n";
}

}  // namespace terrace::server
