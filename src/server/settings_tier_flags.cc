#include "server/settings_tier_flags.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/settings_names.h"

namespace terrace::server {
namespace {

constexpr std::string_view kTierSections[] = {"regional", "origin", "route"};

const DocumentValue* FindValue(const DocumentSection& section, std::string_view name) {
  const auto found = std::ranges::find_if(section.values, [name](const DocumentValue& value) {
    return NormalName(value.name) == NormalName(name);
  });
  return found == section.values.end() ? nullptr : &*found;
}

// Its name, or the prefix of a route; nullptr when it has none, which is reported later on.
const std::string* IdentityOf(const DocumentSection& section) {
  const DocumentValue* value = FindValue(section, section.name == "route" ? "prefix" : "name");
  return value == nullptr ? nullptr : &value->text;
}

// The table of one flag; nullopt: it is none, which is reported.
std::optional<DocumentSection> ReadFlag(const TierFlag& flag, Position at, ErrorList& errors) {
  const bool has_braces = flag.text.starts_with('{');
  ConfigError error;
  auto document = ParseDocument(
      flag.section + " = [" + (has_braces ? flag.text : "{" + flag.text + "}") + "]", &error);
  if (!document) {
    errors.Error(at, error.message);
    return std::nullopt;
  }
  if (document->sections.size() != 1 || !document->sections.front().is_element) {
    errors.Error(at, "expected one inline table, such as name = \"near\", port = 6379");
    return std::nullopt;
  }
  DocumentSection section = std::move(document->sections.front());
  section.at = at;
  for (DocumentValue& value : section.values) value.name_at = value.value_at = at;
  return section;
}

void Override(DocumentSection& section, std::vector<DocumentValue> values) {
  for (DocumentValue& value : values) {
    std::erase_if(section.values, [&value](const DocumentValue& old) {
      return old.value_at.flag != value.value_at.flag &&
             NormalName(old.name) == NormalName(value.name);
    });
    section.values.push_back(std::move(value));
  }
}

}  // namespace

std::span<const std::string_view> TierSections() { return kTierSections; }

void AddTierFlags(std::span<const TierFlag> flags, Document& document, ErrorList& errors) {
  for (size_t i = 0; i < flags.size(); ++i) {
    Position at;
    at.flag = static_cast<int>(i) + 1;
    auto added = ReadFlag(flags[i], at, errors);
    if (!added) continue;
    const std::string* const identity = IdentityOf(*added);
    const auto same = std::ranges::find_if(document.sections, [&](const DocumentSection& section) {
      if (identity == nullptr || !section.is_element || section.name != added->name) return false;
      const std::string* const other = IdentityOf(section);
      return other != nullptr && *other == *identity;
    });
    if (same == document.sections.end()) {
      document.sections.push_back(std::move(*added));
    } else {
      Override(*same, std::move(added->values));
    }
  }
}

}  // namespace terrace::server
