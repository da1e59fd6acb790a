#pragma once

// ReplaceFile: writes a file so that a crash leaves either the old or the new one.
//
// Errors: the system's word for what went wrong, or "".

#include <string>
#include <string_view>

namespace terrace::server {

// Only its owner may read the file: passwords may be in it.
[[nodiscard]] std::string ReplaceFile(const std::string& path, std::string_view text);

}  // namespace terrace::server
