#pragma once

// Sha1: the digest by which clients name scripts (FIPS 180-4). It names; it protects nothing.
//
// Threads: pure.

#include <string>
#include <string_view>

namespace terrace::base {

// 40 hexadecimal digits in lower case.
[[nodiscard]] std::string Sha1Hex(std::string_view bytes);

}  // namespace terrace::base
