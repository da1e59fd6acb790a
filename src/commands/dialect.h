#pragma once

// Dialect: whose answers a client gets where Redis 7.2 and Valkey 8.0 contradict each other. They
// agree nearly everywhere; each place where they do not asks Limits::dialect. What Valkey merely
// adds is there in both.

#include <cstdint>

namespace terrace::commands {

enum class Dialect : uint8_t { kRedis72, kValkey80 };

}  // namespace terrace::commands
