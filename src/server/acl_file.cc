#include "server/acl_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace terrace::server {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool Defines(const std::vector<AclUsers::Definition>& users, std::string_view name) {
  return std::any_of(users.begin(), users.end(),
                     [name](const auto& other) { return other.name == name; });
}

// One line of a file: adds a definition, or says what is wrong with it.
class LineReader {
 public:
  LineReader(std::string place, const AclUsers& users, AclDefinitions* result)
      : place_(std::move(place)), users_(users), result_(result) {}

  void Read(std::string_view line, size_t number) {
    const std::vector<std::string_view> words = Split(line, ' ');
    const std::string at = place_ + ":" + std::to_string(number);
    std::string& errors = result_->errors;
    if (words[0] != "user" || words.size() < 2) {
      errors += at + " should start with user keyword followed by the username. ";
      return;
    }
    AclUsers::Definition definition{std::string(words[1]), {}};
    if (AclHasBlanks(definition.name)) {
      errors += "'" + at + ": username '" + definition.name + "' contains invalid characters. ";
      return;
    }
    if (Defines(result_->users, definition.name)) {
      errors += "WARNING: Duplicate user '" + definition.name + "' found on line " +
                std::to_string(number) + ". ";
      return;
    }
    std::string unmatched;
    if (!MergeSelectorRules(std::span(words).subspan(2), &definition.rules, &unmatched)) {
      errors += at + ": Unmatched parenthesis in selector definition.";
      return;
    }
    for (std::string& rule : definition.rules) rule = Trim(rule);
    Try(definition, at);
    result_->users.push_back(std::move(definition));
  }

 private:
  void Try(const AclUsers::Definition& definition, const std::string& at) {
    std::vector<AclUsers::Refused> refused;
    static_cast<void>(users_.Make(definition, &refused));
    bool told = false;
    for (const auto& [rule, error] : refused) {
      const std::string text(TextOf(error));
      if (error == AclError::kUnknownCommand) {
        result_->errors += at + ": Error in applying operation '" + rule + "': " + text + ". ";
      } else if (!told) {
        // A rule may hold a password, and the first mistake may be the cause of others.
        result_->errors += at + ": " + text + ". ";
        told = true;
      }
    }
  }

  const std::string place_;
  const AclUsers& users_;
  AclDefinitions* const result_;
};

}  // namespace

AclDefinitions ReadAclText(std::string_view text, const std::string& path, const AclUsers& users) {
  AclDefinitions result;
  LineReader reader(path, users, &result);
  size_t number = 0;
  for (const std::string_view line : Split(text, '\n')) {
    ++number;
    if (!Trim(line).empty()) reader.Read(Trim(line), number);
  }
  if (result.errors.empty()) return result;
  result.users.clear();
  result.errors +=
      "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
  return result;
}

AclDefinitions ReadAclFile(const std::string& path, const AclUsers& users) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) {
    return {{}, "Error loading ACLs, opening file '" + path + "': " + std::strerror(errno)};
  }
  return ReadAclText(text.view(), path, users);
}

AclDefinitions ReadAclSettings(std::span<const std::string> lines, const AclUsers& users) {
  AclDefinitions result;
  for (const std::string& line : lines) {
    std::vector<std::string_view> words = Split(Trim(line), ' ');
    AclUsers::Definition definition{std::string(words[0]), {}};
    const auto refuse = [&](std::string_view why) {
      result.errors = "user '" + definition.name + "': " + std::string(why);
      return result;
    };
    if (definition.name.empty() || AclHasBlanks(definition.name)) {
      return refuse("Spaces not allowed in ACL usernames");
    }
    if (Defines(result.users, definition.name)) {
      return refuse("Duplicate user found. A user can only be defined once in config files");
    }
    std::string unmatched;
    if (!MergeSelectorRules(std::span(words).subspan(1), &definition.rules, &unmatched)) {
      return refuse("Unmatched parenthesis in acl selector starting at '" + unmatched + "'.");
    }
    std::vector<AclUsers::Refused> refused;
    static_cast<void>(users.Make(definition, &refused));
    if (!refused.empty()) return refuse(TextOf(refused[0].error));
    result.users.push_back(std::move(definition));
  }
  return result;
}

std::string AclText(std::span<const AclUsers::User> users) {
  std::string text;
  for (const AclUsers::User& user : users) {
    text += "user " + user->name() + " " + user->Describe() + "\n";
  }
  return text;
}

}  // namespace terrace::server
