#include "resp/command_writer.h"

#include <charconv>

namespace terrace::resp {
namespace {

template <typename Args>
void AppendArgs(std::string* out, const Args& args) {
  AppendHead(out, '*', static_cast<int64_t>(args.size()));
  for (const std::string_view arg : args) {
    AppendHead(out, '$', static_cast<int64_t>(arg.size()));
    out->append(arg);
    out->append("\r\n", 2);
  }
}

}  // namespace

void AppendHead(std::string* out, char prefix, int64_t number) {
  char buffer[24];
  buffer[0] = prefix;
  char* end = std::to_chars(buffer + 1, buffer + sizeof buffer - 2, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out->append(buffer, static_cast<size_t>(end - buffer));
}

void AppendCommand(std::string* out, std::initializer_list<std::string_view> args) {
  AppendArgs(out, args);
}
void AppendCommand(std::string* out, const std::vector<std::string_view>& args) {
  AppendArgs(out, args);
}
void AppendCommand(std::string* out, const std::vector<std::string>& args) {
  AppendArgs(out, args);
}

}  // namespace terrace::resp
