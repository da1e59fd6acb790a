#include "tiers/regional_address.h"

#include <arpa/inet.h>
#include <netdb.h>

namespace terrace::tiers {

bool IsNumericAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

ResolvedHost ResolveHost(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  ResolvedHost resolved;
  const int status = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status != 0) {
    resolved.error = gai_strerror(status);
    return resolved;
  }
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    char numeric[NI_MAXHOST];
    if (getnameinfo(info->ai_addr, info->ai_addrlen, numeric, sizeof numeric, nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      resolved.addresses.emplace_back(numeric);
    }
  }
  freeaddrinfo(found);
  if (resolved.addresses.empty()) resolved.error = "the name has no address";
  return resolved;
}

}  // namespace terrace::tiers
