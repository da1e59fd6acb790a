#include "server/settings_outside.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "server/acl_file.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

// "" or why this file cannot be opened in this mode of fopen.
std::string WhyNot(const std::string& path, const char* mode) {
  std::FILE* const file = std::fopen(path.c_str(), mode);
  if (file == nullptr) return "cannot open " + path + ": " + std::strerror(errno) + "\n";
  std::fclose(file);
  return "";
}

}  // namespace

std::string CheckFiles(const Settings& settings) {
  std::string errors;
  const auto check = [&errors](const std::string& name, const std::string& path, const char* mode) {
    if (path.empty()) return;
    const std::string error = WhyNot(path, mode);
    if (!error.empty()) errors += name + ": " + error;
  };
  check("logfile", settings.logfile, "a");
  for (const OriginSettings& origin : settings.origins) {
    check("origin " + origin.name + ": ca_file", origin.http.ca_file, "r");
  }
  return errors;
}

std::string ReadUsers(const Settings& settings, AclUsers& users) {
  if (!settings.user.empty() && !settings.aclfile.empty()) {
    return "users may stand in the settings or in an ACL file, not in both (user, aclfile)";
  }
  if (!settings.user.empty()) {
    const AclDefinitions defined = ReadAclSettings(settings.user, users);
    if (defined.errors.empty()) users.Add(defined.users);
    return defined.errors;
  }
  return settings.aclfile.empty() ? "" : ReadUsersOfFile(settings, users);
}

std::string ReadUsersOfFile(const Settings& settings, AclUsers& users) {
  const AclDefinitions defined = ReadAclFile(AclPathOf(settings), users);
  if (defined.errors.empty()) users.Replace(defined.users);
  return defined.errors;
}

std::string CheckUsers(const Settings& settings) {
  const commands::Registry registry(AllFamilies());
  std::atomic<uint64_t> generation{0};
  AclUsers users(&registry, &generation);
  const std::string error = ReadUsers(settings, users);
  return error.empty() ? "" : error + "\n";
}

std::string AclPathOf(const Settings& settings) {
  return (std::filesystem::path(settings.dir) / settings.aclfile).string();
}

}  // namespace terrace::server
