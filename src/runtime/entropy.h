#pragma once

// Entropy: chance from the operating system, for seeds and identifiers. Everything else draws from
// a base::Rng that was seeded with it.

#include <cstdint>
#include <string>

namespace terrace::runtime {

uint64_t RandomSeed();
std::string RandomHex(size_t digits);

}  // namespace terrace::runtime
