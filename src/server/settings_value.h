#pragma once

// Values of settings as text: reading what an operator wrote, in the words and with the error texts
// of Redis, and showing it again.
//
// Errors:  SetValue answers "" when the value was set, else what is wrong with the text, without a
//          name in front and without changing anything.
// Threads: none inside; the owner of the field is locked by the caller.

#include <string>
#include <string_view>

#include "server/settings_table.h"

namespace terrace::server {

[[nodiscard]] std::string SetValue(const SettingInfo& info, Field field, std::string_view text);

// As CONFIG GET shows it; SetValue reads it back.
std::string GetValue(const SettingInfo& info, Field field);

// As a TOML value, in the unit people would choose ("64mb", "1m").
std::string TomlValue(const SettingInfo& info, Field field);

// A TOML basic string with quotes and escapes.
std::string TomlString(std::string_view text);

}  // namespace terrace::server
