#pragma once

// Versions, as INFO, HELLO and --version tell them.

#include <string_view>

namespace terrace::server {

inline constexpr std::string_view kVersion = "0.1.0";
// The Redis whose commands and replies the server follows; clients choose their features by it.
inline constexpr std::string_view kRedisVersion = "7.2.6";
// And whose answers it gives where the setting `compatibility` asks for Valkey's.
inline constexpr std::string_view kValkeyVersion = "8.0.1";

}  // namespace terrace::server
