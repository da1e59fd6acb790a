#include "commands/key_spec.h"

#include "base/numbers.h"

namespace terrace::commands {
namespace {

bool AppendRange(const KeySpec& spec, Args args, std::vector<int>* positions) {
  const int count = static_cast<int>(args.size());
  const int last = spec.last >= 0 ? spec.last : count + spec.last;
  if (last >= count) return false;
  for (int at = spec.first; at <= last; at += spec.step) positions->push_back(at);
  return true;
}

bool AppendCounted(const KeySpec& spec, Args args, std::vector<int>* positions) {
  const auto count_at = static_cast<size_t>(spec.first);
  if (count_at >= args.size()) return false;
  const auto count = base::ParseInt64(args[count_at]);
  if (!count || *count < 1) return false;
  if (static_cast<uint64_t>(*count) > args.size() - count_at - 1) return false;
  for (int i = 1; i <= *count; ++i) positions->push_back(spec.first + i);
  return true;
}

}  // namespace

bool FindMovableKeys(const Keys& keys, Args args, std::vector<int>* positions) {
  if (keys.find != nullptr) return keys.find(args, positions);
  for (const KeySpec& spec : keys.all()) {
    const bool is_range = spec.form == KeySpec::Form::kRange;
    if (is_range && !AppendRange(spec, args, positions)) return false;
    const bool is_counted = spec.form == KeySpec::Form::kCounted;
    if (is_counted && !AppendCounted(spec, args, positions)) return false;
  }
  return true;
}

}  // namespace terrace::commands
