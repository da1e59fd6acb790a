#include "server/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace terrace::server {
namespace {

// Descriptors kept for files, listeners and upstreams beside those of clients.
constexpr int64_t kReservedDescriptors = 64;

}  // namespace

int64_t FitClientsToDescriptors(int64_t maxclients) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return maxclients;
  const auto wanted = static_cast<rlim_t>(maxclients + kReservedDescriptors);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return std::max<int64_t>(
      1, std::min(maxclients, static_cast<int64_t>(limit.rlim_cur) - kReservedDescriptors));
}

}  // namespace terrace::server
