#include "tiers/http_framing.h"

#include "base/letters.h"

namespace terrace::tiers {
namespace {

// Takes the next item off a list with commas.
std::string_view TakeItem(std::string_view* list) {
  const size_t comma = list->find(',');
  std::string_view item = list->substr(0, comma);
  list->remove_prefix(comma == std::string_view::npos ? list->size() : comma + 1);
  const size_t begin = item.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return item.substr(begin, item.find_last_not_of(" \t") + 1 - begin);
}

}  // namespace

std::string FramingProblem(std::string_view content_length, std::string_view transfer_encoding) {
  if (!content_length.empty()) {
    const std::string_view length = TakeItem(&content_length);
    while (!content_length.empty()) {
      if (TakeItem(&content_length) != length) return "several lengths of one body";
    }
  }
  bool is_chunked = false;
  while (!transfer_encoding.empty()) {
    const std::string_view coding = TakeItem(&transfer_encoding);
    if (coding.empty() || base::SameWord(coding, "identity")) continue;
    if (is_chunked || !base::SameWord(coding, "chunked")) return "an unknown transfer coding";
    is_chunked = true;
  }
  return "";
}

std::string ContentEncodingOf(std::string_view content_encoding) {
  std::string_view rest = content_encoding, only;
  while (!rest.empty()) {
    const std::string_view encoding = TakeItem(&rest);
    if (encoding.empty() || base::SameWord(encoding, "identity")) continue;
    if (!only.empty()) return std::string(content_encoding);
    only = encoding;
  }
  return std::string(only);
}

}  // namespace terrace::tiers
