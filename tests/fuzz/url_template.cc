// Whatever the template and the key, an expanded URL asks the template's server, and nothing in it
// ends a request line or climbs its path. The input is a template and a key, split at its first
// NUL.

#include "tiers/url_template.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

using terrace::tiers::UrlTemplate;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\0');
  const std::string_view key = split == std::string_view::npos ? input : input.substr(split + 1);
  const std::string_view text = split == std::string_view::npos
                                    ? "http://host.example:81/a/{key:0}/{key:1}?q={key}"
                                    : input.substr(0, split);
  std::string problem;
  const auto url_template = UrlTemplate::Parse(text, &problem);
  TERRACE_CHECK(url_template.has_value() == problem.empty());
  if (!url_template) return 0;
  std::string url;
  if (url_template->Expand(key, &url) != UrlTemplate::Expansion::kUrl) return 0;

  TERRACE_CHECK(url.size() <= UrlTemplate::kUrlBytesMax);
  for (const char c : url) TERRACE_CHECK(c > 0x20 && c < 0x7f && c != '\\' && c != '#');
  const size_t path = url.find('/', url.find("//") + 2);
  TERRACE_CHECK(path != std::string::npos);
  TERRACE_CHECK(text.substr(0, path + 1) == std::string_view(url).substr(0, path + 1));
  TERRACE_CHECK(url.substr(0, path).find('@') == std::string::npos);
  std::string_view rest = std::string_view(url).substr(path, url.find('?') - path);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view component = rest.substr(0, rest.find('/'));
    TERRACE_CHECK(component != "." && component != "..");
    rest.remove_prefix(component.size());
  }
  return 0;
}
