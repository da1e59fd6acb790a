#include "tiers/kept_connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace terrace::tiers {
namespace {

// A peer that sends without end must not hold us here; its connection is merely found again.
constexpr int kDropReadsMax = 16;

std::string NameOf(const KeptConnections::Addresses& addresses) {
  return addresses.local_ip + ' ' + std::to_string(addresses.local_port) + ' ' +
         addresses.remote_ip + ' ' + std::to_string(addresses.remote_port);
}

bool HasLocalAddress(int fd, const std::string& ip, int port) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    return ntohs(v4->sin_port) == port && ip == text;
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
  return ntohs(v6->sin6_port) == port && ip == text;
}

}  // namespace

void KeptConnections::Closed(int fd) {
  unnamed_.erase(fd);
  std::erase_if(by_name_, [fd](const auto& entry) { return entry.second == fd; });
}

void KeptConnections::Name(const Addresses& addresses) {
  for (const int fd : unnamed_) {
    if (!HasLocalAddress(fd, addresses.local_ip, addresses.local_port)) continue;
    by_name_[NameOf(addresses)] = fd;
    unnamed_.erase(fd);
    return;
  }
}

bool KeptConnections::IsSilent(const Addresses& addresses) {
  const auto found = by_name_.find(NameOf(addresses));
  if (found == by_name_.end()) return false;
  char bytes[4096];
  const auto receive = [&bytes, fd = found->second](int flags) {
    return recv(fd, bytes, sizeof(bytes), flags | MSG_DONTWAIT);
  };
  // An end of the connection is noticed by whoever sends next.
  if (receive(MSG_PEEK) <= 0) return true;
  for (int i = 0; i < kDropReadsMax && receive(0) > 0; ++i) continue;
  shutdown(found->second, SHUT_RDWR);
  return false;
}

}  // namespace terrace::tiers
