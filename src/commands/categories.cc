#include "commands/categories.h"

#include "commands/registry.h"

namespace terrace::commands {
namespace {

// These follow from the flags; no row names them.
enum DerivedCategory : uint32_t {
  kReadCategory = 1u << 24,
  kWriteCategory = 1u << 25,
  kFastCategory = 1u << 27,
  kSlowCategory = 1u << 28,
  kBlockingCategory = 1u << 29,
};

constexpr CategoryName kNames[] = {
    {kKeyspace, "keyspace"},
    {kReadCategory, "read"},
    {kWriteCategory, "write"},
    {kSet, "set"},
    {kSortedSet, "sortedset"},
    {kList, "list"},
    {kHash, "hash"},
    {kString, "string"},
    {kBitmap, "bitmap"},
    {kHyperLogLog, "hyperloglog"},
    {kGeo, "geo"},
    {kStream, "stream"},
    {kPubSubCategory, "pubsub"},
    {kAdminCategory, "admin"},
    {kFastCategory, "fast"},
    {kSlowCategory, "slow"},
    {kBlockingCategory, "blocking"},
    {kDangerous, "dangerous"},
    {kConnection, "connection"},
    {kTransaction, "transaction"},
    {kScripting, "scripting"},
};

}  // namespace

std::span<const CategoryName> CategoryNames() { return kNames; }

uint32_t CategoriesOf(const Command& command) {
  uint32_t categories = command.categories;
  if (command.has(kWrite)) categories |= kWriteCategory;
  // What a script of EVAL_RO reads is in the commands that it runs.
  if (command.has(kReadOnly) && (categories & kScripting) == 0) categories |= kReadCategory;
  if (command.has(kAdmin)) categories |= kAdminCategory | kDangerous;
  if (command.has(kPubSub)) categories |= kPubSubCategory;
  if (command.has(kBlocking)) categories |= kBlockingCategory;
  return categories | (command.has(kFast) ? kFastCategory : kSlowCategory);
}

std::optional<uint32_t> FindCategory(std::string_view name) {
  for (const CategoryName& category : kNames) {
    if (SameName(name, category.name)) return category.bit;
  }
  return std::nullopt;
}

}  // namespace terrace::commands
