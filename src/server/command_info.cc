#include "server/command_info.h"

#include <algorithm>
#include <bit>
#include <string>

#include "commands/categories.h"
#include "commands/key_access.h"

namespace terrace::server {
namespace {

using commands::Command;
using commands::KeySpec;

struct FlagName {
  uint32_t bit;
  std::string_view name;
};

constexpr FlagName kFlagNames[] = {
    {commands::kWrite, "write"},
    {commands::kReadOnly, "readonly"},
    {commands::kDenyOom, "denyoom"},
    {commands::kAdmin, "admin"},
    {commands::kPubSub, "pubsub"},
    {commands::kNoScript, "noscript"},
    {commands::kBlocking, "blocking"},
    {commands::kLoading, "loading"},
    {commands::kStale, "stale"},
    {commands::kSkipMonitor, "skip_monitor"},
    {commands::kSkipSlowlog, "skip_slowlog"},
    {commands::kFast, "fast"},
    {commands::kNoAuth, "no_auth"},
    {commands::kNoAsyncLoading, "no_async_loading"},
    {commands::kNoMulti, "no_multi"},
    {commands::kMovableKeys, "movablekeys"},
    {commands::kAllowBusy, "allow_busy"},
    {commands::kNoMandatoryKeys, "no_mandatory_keys"},
};

template <typename Write>
void ForEachWord(std::string_view words, Write write) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    write(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

size_t CountWords(std::string_view words) {
  size_t count = 0;
  ForEachWord(words, [&](std::string_view) { ++count; });
  return count;
}

void WriteFlags(resp::Reply& reply, const Command& command) {
  const auto count = std::count_if(std::begin(kFlagNames), std::end(kFlagNames),
                                   [&](const FlagName& flag) { return command.has(flag.bit); });
  reply.Set(static_cast<size_t>(count));
  for (const FlagName& flag : kFlagNames) {
    if (command.has(flag.bit)) reply.Simple(flag.name);
  }
}

void WriteCategories(resp::Reply& reply, const Command& command) {
  const uint32_t categories = commands::CategoriesOf(command);
  reply.Set(static_cast<size_t>(std::popcount(categories)));
  for (const commands::CategoryName& category : commands::CategoryNames()) {
    if ((categories & category.bit) != 0) reply.Simple("@" + std::string(category.name));
  }
}

// What stands in the older part of the description: where the ranges of keys lie together. An
// argument that only routes counts there too.
KeySpec RangeOf(const commands::Keys& keys) {
  if (keys.spec_count != 0 && keys.all()[0].access == commands::kNotKey) return keys.all()[0];
  return commands::KeyRange(keys.first, keys.last, keys.step, {});
}

// {"type": type, "spec": {...}}; the fields are for the caller to write.
void BeginSearch(resp::Reply& reply, std::string_view part, std::string_view type,
                 size_t field_count) {
  reply.Bulk(part);
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk(type);
  reply.Bulk("spec");
  reply.Map(field_count);
}

void WriteField(resp::Reply& reply, std::string_view name, int value) {
  reply.Bulk(name);
  reply.Integer(value);
}

void WriteWhereKeysBegin(resp::Reply& reply, const KeySpec& spec) {
  constexpr std::string_view kPart = "begin_search";
  switch (spec.form) {
    case KeySpec::Form::kUnknown:
      return BeginSearch(reply, kPart, "unknown", 0);
    case KeySpec::Form::kAfterWord:
      BeginSearch(reply, kPart, "keyword", 2);
      reply.Bulk("keyword");
      reply.Bulk(spec.word);
      return WriteField(reply, "startfrom", spec.first);
    case KeySpec::Form::kRange:
    case KeySpec::Form::kCounted:
      BeginSearch(reply, kPart, "index", 1);
      return WriteField(reply, "index", spec.first);
  }
}

void WriteWhichAreKeys(resp::Reply& reply, const KeySpec& spec) {
  constexpr std::string_view kPart = "find_keys";
  switch (spec.form) {
    case KeySpec::Form::kUnknown:
      return BeginSearch(reply, kPart, "unknown", 0);
    case KeySpec::Form::kCounted:
      BeginSearch(reply, kPart, "keynum", 3);
      WriteField(reply, "keynumidx", 0);
      WriteField(reply, "firstkey", 1);
      return WriteField(reply, "keystep", spec.step);
    case KeySpec::Form::kRange:
    case KeySpec::Form::kAfterWord: {
      const bool is_range = spec.form == KeySpec::Form::kRange;
      BeginSearch(reply, kPart, "range", 3);
      WriteField(reply, "lastkey", is_range && spec.last >= 0 ? spec.last - spec.first : spec.last);
      WriteField(reply, "keystep", spec.step);
      return WriteField(reply, "limit", spec.limit);
    }
  }
}

void WriteKeySpec(resp::Reply& reply, const Command& command, const KeySpec& spec) {
  reply.Map(spec.notes.empty() ? 3 : 4);
  if (!spec.notes.empty()) {
    reply.Bulk("notes");
    reply.Bulk(spec.notes);
  }
  std::string words(commands::AccessOf(command, spec));
  if (spec.is_incomplete) words += " incomplete";
  if (command.access_for != nullptr) words += " variable_flags";
  reply.Bulk("flags");
  WriteWords(reply, words);
  WriteWhereKeysBegin(reply, spec);
  WriteWhichAreKeys(reply, spec);
}

}  // namespace

void WriteWords(resp::Reply& reply, std::string_view words) {
  reply.Set(CountWords(words));
  ForEachWord(words, [&](std::string_view word) { reply.Simple(word); });
}

void WriteCommandInfo(resp::Reply& reply, const Command& command) {
  reply.Array(10);
  reply.Bulk(command.name);
  reply.Integer(command.arity);
  WriteFlags(reply, command);
  const KeySpec range = RangeOf(command.keys);
  reply.Integer(range.first);
  reply.Integer(range.last);
  reply.Integer(range.step);
  WriteCategories(reply, command);
  reply.Set(CountWords(command.tips));
  ForEachWord(command.tips, [&](std::string_view tip) { reply.Bulk(tip); });
  reply.Set(command.keys.spec_count);
  for (const KeySpec& spec : command.keys.all()) WriteKeySpec(reply, command, spec);
  reply.Array(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) WriteCommandInfo(reply, subcommand);
}

}  // namespace terrace::server
