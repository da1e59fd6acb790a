#include "replication/append_only_manifest.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "base/numbers.h"
#include "resp/request_parser.h"

namespace terrace::replication {
namespace {

constexpr size_t kManifestBytesMax = size_t{1} << 20;

// As SplitLine reads it.
std::string Quoted(const std::string& name) {
  const auto is_plain = [](char c) { return c > ' ' && c != '"' && c != '\'' && c != '\\'; };
  if (std::ranges::all_of(name, is_plain)) return name;
  std::string quoted = "\"";
  for (const char c : name) {
    if (is_plain(c) || c == ' ' || c == '\'') {
      quoted += c;
      continue;
    }
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    quoted += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return quoted + '"';
}

void AppendLine(const AppendOnlyManifest::File& file, char type, std::string* out) {
  *out += "file " + Quoted(file.name) + " seq " + std::to_string(file.sequence) + " type ";
  *out += type;
  *out += '\n';
}

struct ManifestLine {
  AppendOnlyManifest::File file;
  char type = '\0';
};

// Names and values in pairs; names that are not known are those of later versions.
std::optional<ManifestLine> ParseLine(std::string_view text) {
  std::vector<std::string> words;
  if (!resp::SplitLine(text, &words) || words.size() < 6 || words.size() % 2 != 0) return {};
  ManifestLine line;
  for (size_t i = 0; i < words.size(); i += 2) {
    const std::string& value = words[i + 1];
    if (words[i] == "file") {
      line.file.name = value;
    } else if (words[i] == "seq") {
      line.file.sequence = base::ParseInt64(value).value_or(0);
    } else if (words[i] == "type" && value.size() == 1) {
      line.type = value[0];
    }
  }
  const std::string& name = line.file.name;
  const bool is_path = name.empty() || name.find('/') != std::string::npos || name == "..";
  if (is_path || line.file.sequence <= 0) return {};
  return line;
}

}  // namespace

int64_t AppendOnlyManifest::NextBase() const { return base ? base->sequence + 1 : 1; }

int64_t AppendOnlyManifest::NextIncrement() const {
  return increments.empty() ? 1 : increments.back().sequence + 1;
}

std::string AppendOnlyManifest::Format() const {
  std::string text;
  if (base) AppendLine(*base, 'b', &text);
  for (const File& file : history) AppendLine(file, 'h', &text);
  for (const File& file : increments) AppendLine(file, 'i', &text);
  return text;
}

std::string AppendOnlyManifest::Parse(std::string_view text) {
  AppendOnlyManifest parsed;
  for (size_t at = 0, number = 1; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty() || line[0] == '#') continue;
    const auto failed = [&](const char* why) {
      return "line " + std::to_string(number) + " " + why;
    };
    std::optional<ManifestLine> found = ParseLine(line);
    if (!found) return failed("is not understood");
    switch (found->type) {
      case 'b':
        if (parsed.base) return failed("names a second base");
        parsed.base = std::move(found->file);
        break;
      case 'i':
        if (found->file.sequence < parsed.NextIncrement()) return failed("is out of order");
        parsed.increments.push_back(std::move(found->file));
        break;
      case 'h':
        parsed.history.push_back(std::move(found->file));
        break;
      default:
        return failed("has a type that is not known");
    }
  }
  *this = std::move(parsed);
  return "";
}

std::string AppendOnlyManifest::Read(const std::string& path) {
  std::string text;
  const int error = base::ReadWholeFile(path, kManifestBytesMax, &text);
  if (error != 0 && error != ENOENT) return std::string("cannot be read: ") + std::strerror(error);
  return Parse(text);
}

std::string AppendOnlyManifest::Write(const std::string& path) const {
  const int error = base::ReplaceFile(path, Format());
  return error == 0 ? "" : path + " cannot be written: " + std::strerror(error);
}

}  // namespace terrace::replication
