#pragma once

// HashBytes: the hash of keys and members. XXH3 (Collet), seeded per process so that nobody outside
// can aim keys at one bucket.

#include <cstdint>
#include <string_view>

namespace terrace::base {

uint64_t HashBytes(std::string_view bytes, uint64_t seed);

}  // namespace terrace::base
