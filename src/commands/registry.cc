#include "commands/registry.h"

#include "base/check.h"
#include "base/letters.h"
#include "commands/key_access.h"

namespace terrace::commands {
namespace {

// FNV-1a over the lower-cased name: names are short.
uint64_t HashName(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name)
    hash = (hash ^ static_cast<uint8_t>(base::LowerCase(c))) * 0x100000001b3u;
  return hash ^ (hash >> 29);
}

// Only the first key and those behind it are told apart (see KeyAccess), and no keys behind a word
// are found without a finder.
bool AreConsistent(const Command& row) {
  const auto specs = row.keys.all();
  for (const KeySpec& spec : specs) {
    if (spec.form == KeySpec::Form::kAfterWord && row.keys.find == nullptr) return false;
  }
  return specs.size() < 2 ||
         (specs[0].form == KeySpec::Form::kRange && specs[0].first == specs[0].last);
}

}  // namespace

bool SameName(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (base::LowerCase(a[i]) != b[i]) return false;
  }
  return true;
}

bool FindKeys(const Command& command, Args args, std::vector<int>* positions) {
  const Keys& keys = command.keys;
  if (keys.is_movable) return FindMovableKeys(keys, args, positions);
  if (keys.first == 0) return true;
  const int count = static_cast<int>(args.size());
  const int last = keys.last >= 0 ? keys.last : count + keys.last;
  if (last >= count) return false;
  for (int at = keys.first; at <= last; at += keys.step) positions->push_back(at);
  return true;
}

Registry::Registry(std::span<const std::span<const Command>> families) {
  size_t count = 0;
  for (const auto& family : families) {
    for (const Command& command : family) count += 1 + command.subcommands.size();
  }
  rows_.reserve(count);  // rows are pointed to from here on
  size_t capacity = 64;
  while (capacity < 4 * count) capacity *= 2;
  slots_.resize(capacity);
  const auto add = [&](const Command& row) {
    TERRACE_CHECK(AreConsistent(row));
    rows_.push_back(row);
    Command& added = rows_.back();
    added.id = static_cast<int>(rows_.size()) - 1;
    added.first_key_permissions = PermissionsFor(KeyAccess(row, {}, 0));
    added.other_key_permissions = PermissionsFor(KeyAccess(row, {}, 1));
    return &added;
  };
  for (const auto& family : families) {
    for (const Command& row : family) {
      TERRACE_CHECK(Find(row.name) == nullptr);
      Command* const command = add(row);
      const size_t first_subcommand = rows_.size();
      for (const Command& subcommand : row.subcommands) add(subcommand);
      command->subcommands = {rows_.data() + first_subcommand, row.subcommands.size()};
      size_t at = HashName(command->name) & (capacity - 1);
      while (slots_[at].command != nullptr) at = (at + 1) & (capacity - 1);
      slots_[at] = {HashName(command->name), command};
      all_.push_back(command);
    }
  }
}

const Command* Registry::Find(std::string_view name) const {
  const uint64_t hash = HashName(name);
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at].command != nullptr; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && SameName(name, slots_[at].command->name)) {
      return slots_[at].command;
    }
  }
  return nullptr;
}

const Command* Registry::FindFull(std::string_view name) const {
  const size_t bar = name.find('|');
  if (bar == name.npos) return Find(name);
  const Command* const container = Find(name.substr(0, bar));
  if (container == nullptr || container->subcommands.empty()) return nullptr;
  const std::string_view parts[] = {name.substr(0, bar), name.substr(bar + 1)};
  return Resolve(parts);
}

const Command* Registry::Resolve(Args args) const {
  const Command* command = Find(args[0]);
  if (command == nullptr || command->subcommands.empty()) return command;
  if (args.size() < 2) return command;  // without a handler its arity does not fit
  const size_t prefix = command->name.size() + 1;
  for (const Command& subcommand : command->subcommands) {
    if (SameName(args[1], subcommand.name.substr(prefix))) return &subcommand;
  }
  return nullptr;
}

std::span<const std::span<const Command>> DataFamilies() {
  static const std::span<const Command> families[] = {
      StringCommands(),
      StringNumericCommands(),
      StringRangeCommands(),
      StringLcsCommands(),
      BitmapCommands(),
      BitfieldCommands(),
      KeyCommands(),
      KeyExpiryCommands(),
      KeyspaceWalkCommands(),
      KeyDumpCommands(),
      ObjectCommands(),
      SortCommands(),
      HashCommands(),
      HashExpiryCommands(),
      SetCommands(),
      SetAlgebraCommands(),
      SortedSetCommands(),
      SortedSetRangeCommands(),
      SortedSetAlgebraCommands(),
      SortedSetBlockingCommands(),
      GeoCommands(),
      GeoSearchCommands(),
      ListCommands(),
      ListBlockingCommands(),
      HyperLogLogCommands(),
      StreamCommands(),
      StreamReadCommands(),
      StreamGroupCommands(),
      StreamClaimCommands(),
      StreamInfoCommands(),
  };
  return families;
}

}  // namespace terrace::commands
