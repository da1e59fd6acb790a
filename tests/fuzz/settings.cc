// Whatever a configuration file holds, reading it ends in settings or in mistakes with a place; and
// whatever it sets can be shown and read back.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/settings_file.h"
#include "server/settings_value.h"

using namespace terrace::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Settings settings;
  const FileResult result = ReadSettings("t.toml", text, FileKind::kOperator, settings);
  for (const ConfigError& error : result.errors) {
    TERRACE_CHECK(!error.message.empty());
    TERRACE_CHECK(error.at.line >= 0 && error.at.column >= 0);
  }
  if (!result.ok()) return 0;
  for (const auto& row : SettingRows()) {
    if (row.info.type == SettingType::kDirectory) continue;  // Depends on the file system.
    const std::string shown = GetValue(row.info, row.field(settings));
    TERRACE_CHECK(SetValue(row.info, row.field(settings), shown).empty());
    TERRACE_CHECK(GetValue(row.info, row.field(settings)) == shown);
  }
  return 0;
}
