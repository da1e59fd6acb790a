#pragma once

// Limits: the live settings that handlers read. The server fills one in from the configuration and
// replaces it as a whole; a call sees the same one from beginning to end.

#include <cstddef>
#include <cstdint>

#include "commands/dialect.h"
#include "keyspace/types/encoding_limits.h"

namespace terrace::commands {

struct Limits {
  Dialect dialect = Dialect::kRedis72;
  keyspace::EncodingLimits encoding;
  // Which of DEL and UNLINK a removal is repeated as; both free large values in the background.
  bool lazy_expire = false;
  bool lazy_server_del = false;
  size_t string_bytes_max = size_t{512} * 1024 * 1024;  // proto-max-bulk-len
};

}  // namespace terrace::commands
