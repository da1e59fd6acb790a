#include "commands/lifetime.h"

#include <string>

namespace terrace::commands {

void ReplyInvalidExpireTime(Call& call) {
  call.reply.Error("ERR invalid expire time in '" + std::string(call.command.name) + "' command");
}

std::optional<int64_t> ParsePositiveUnixMs(Call& call, size_t argument, TimeUnit unit,
                                           TimeOrigin origin) {
  const std::optional<int64_t> time = call.Integer(argument);
  if (!time) return std::nullopt;
  if (*time > 0) return ParseUnixMs(call, argument, unit, origin);
  ReplyInvalidExpireTime(call);
  return std::nullopt;
}

std::optional<int64_t> ParseUnixMs(Call& call, size_t argument, TimeUnit unit, TimeOrigin origin) {
  const std::optional<int64_t> time = call.Integer(argument);
  if (!time) return std::nullopt;
  const int64_t origin_ms = origin == TimeOrigin::kNow ? call.ToUnixMs(call.moment_ms()) : 0;
  int64_t unix_ms = 0;
  if (__builtin_mul_overflow(*time, static_cast<int64_t>(unit), &unix_ms) ||
      __builtin_add_overflow(unix_ms, origin_ms, &unix_ms)) {
    ReplyInvalidExpireTime(call);
    return std::nullopt;
  }
  return unix_ms;
}

bool IsPast(const Call& call, int64_t unix_ms) { return unix_ms <= call.ToUnixMs(call.now_ms()); }

void RemovePast(Call& call, const keyspace::Key& key) {
  if (!call.db.Remove(key, keyspace::events::kDel)) return;
  call.RepeatAs({call.RemovalName(call.limits.lazy_expire), key.bytes});
}

}  // namespace terrace::commands
