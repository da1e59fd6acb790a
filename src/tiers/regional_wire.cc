#include "tiers/regional_wire.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "resp/command_writer.h"

namespace terrace::tiers {
namespace {

// Upper-cased into the buffer; empty when the word is too long to be any of ours.
using WordBuffer = std::array<char, 16>;
std::string_view UpperCased(std::string_view word, WordBuffer* buffer) {
  if (word.size() > buffer->size()) return {};
  for (size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    (*buffer)[i] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return {buffer->data(), word.size()};
}

template <size_t N>
bool Contains(const std::array<std::string_view, N>& sorted, std::string_view word) {
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

constexpr std::string_view kChangesConnection =
    "it would change the connection that everybody shares";
constexpr std::string_view kBlocks = "it would block everything behind it on the shared connection";

constexpr auto kConnectionCommands = std::to_array<std::string_view>(
    {"ASKING",       "AUTH",       "DISCARD",     "EXEC",         "HELLO",      "MONITOR",
     "MULTI",        "PSUBSCRIBE", "PSYNC",       "PUNSUBSCRIBE", "QUIT",       "READONLY",
     "READWRITE",    "REPLCONF",   "RESET",       "SELECT",       "SSUBSCRIBE", "SUBSCRIBE",
     "SUNSUBSCRIBE", "SYNC",       "UNSUBSCRIBE", "UNWATCH",      "WATCH"});
static_assert(std::is_sorted(kConnectionCommands.begin(), kConnectionCommands.end()));

constexpr auto kBlockingCommands =
    std::to_array<std::string_view>({"BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP",
                                     "BZPOPMAX", "BZPOPMIN", "WAIT", "WAITAOF"});
static_assert(std::is_sorted(kBlockingCommands.begin(), kBlockingCommands.end()));

constexpr std::array<std::string_view, 3> kCannotServe = {"CLUSTERDOWN", "LOADING", "MASTERDOWN"};

}  // namespace

void AppendTransaction(std::string* out, const std::vector<std::vector<std::string>>& commands) {
  resp::AppendCommand(out, {"MULTI"});
  for (const auto& args : commands) resp::AppendCommand(out, args);
  resp::AppendCommand(out, {"EXEC"});
}

size_t BytesOf(const std::vector<std::string>& args) {
  size_t bytes = kCommandBytes;
  for (const std::string& arg : args) bytes += arg.size() + kCommandBytes / 4;
  return bytes;
}

size_t BytesOf(const std::vector<std::vector<std::string>>& transaction) {
  size_t bytes = 2 * kCommandBytes;
  for (const auto& args : transaction) bytes += BytesOf(args);
  return bytes;
}

// Two bulk strings: seconds, and microseconds of the second.
std::optional<int64_t> ReadTime(std::string_view framed_reply) {
  std::array<int64_t, 2> numbers;
  if (!framed_reply.starts_with("*2\r\n")) return std::nullopt;
  framed_reply.remove_prefix(4);
  for (int64_t& number : numbers) {
    const size_t begin = framed_reply.find("\r\n");
    if (!framed_reply.starts_with('$') || begin == framed_reply.npos) return std::nullopt;
    framed_reply.remove_prefix(begin + 2);
    const size_t size = framed_reply.find("\r\n");
    if (size == framed_reply.npos) return std::nullopt;
    const char* const end = framed_reply.data() + size;
    const auto parsed = std::from_chars(framed_reply.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) return std::nullopt;
    framed_reply.remove_prefix(size + 2);
  }
  constexpr int64_t kSecondsMax = int64_t{1} << 40;
  if (numbers[0] > kSecondsMax || numbers[1] >= 1000000) return std::nullopt;
  return numbers[0] * 1000 + numbers[1] / 1000;
}

std::string_view ErrorCode(std::string_view text) { return text.substr(0, text.find(' ')); }

bool SaysCannotServe(std::string_view code) { return Contains(kCannotServe, code); }

std::string_view WhyNotRelayed(const std::vector<std::string>& args) {
  WordBuffer buffer;
  const std::string_view command = UpperCased(args[0], &buffer);
  if (Contains(kConnectionCommands, command)) return kChangesConnection;
  if (Contains(kBlockingCommands, command)) return kBlocks;
  if (command == "CLIENT" || command == "SCRIPT") {
    // CLIENT REPLY silences replies; SCRIPT DEBUG turns the connection into a debugger's session.
    const std::string_view quarrel = command == "CLIENT" ? "REPLY" : "DEBUG";
    WordBuffer sub;
    if (args.size() > 1 && UpperCased(args[1], &sub) == quarrel) return kChangesConnection;
  }
  if (command == "XREAD" || command == "XREADGROUP") {
    // BLOCK is an option only ahead of STREAMS; behind it, it is the name of a stream. The group
    // and consumer of XREADGROUP come first and may bear any name.
    for (size_t i = command == "XREAD" ? 1 : 4; i < args.size(); ++i) {
      WordBuffer option;
      const std::string_view word = UpperCased(args[i], &option);
      if (word == "STREAMS") break;
      if (word == "BLOCK") return kBlocks;
    }
  }
  return {};
}

}  // namespace terrace::tiers
