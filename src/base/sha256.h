#pragma once

// Sha256: the digest by which passwords are kept (FIPS 180-4).
//
// Threads: pure.

#include <string>
#include <string_view>

namespace terrace::base {

// 64 hexadecimal digits in lower case.
[[nodiscard]] std::string Sha256Hex(std::string_view bytes);

}  // namespace terrace::base
