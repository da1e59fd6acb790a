#include "tiers/reply_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "resp/command_writer.h"

namespace terrace::tiers {
namespace {

using Type = RegionalReply::Type;

// A line that is no text: its number and what is around it.
constexpr size_t kNumberLineMax = 32;
// What has been read is dropped once it is so much.
constexpr size_t kCompactBytes = 16 * 1024;
// An empty input larger than this is given back.
constexpr size_t kKeptBytes = 256 * 1024;

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t number = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

ReplyReader::Status ReplyReader::Next(ReplyForm form, RegionalReply* reply) {
  if (!error_.empty()) return Status::kError;
  if (missing_ == 0) {
    // The form of what comes next may not be known before something of it is there.
    if (position_ == input_.size()) return Status::kIncomplete;
    form_ = form;
    reply_ = RegionalReply();
    missing_ = 1;
    is_nested_ = false;
  }
  while (missing_ > 0 && ReadElement()) {
  }
  if (!error_.empty()) return Status::kError;
  if (input_.size() - position_ + reply_.bytes.size() > bytes_max_) {
    Fail("a reply without end");
    return Status::kError;
  }
  Compact();
  if (missing_ > 0) return Status::kIncomplete;
  *reply = std::exchange(reply_, {});
  return Status::kComplete;
}

// Reads one element, with what is in it if it is no array; false when it is not there as a whole,
// or is none.
bool ReplyReader::ReadElement() {
  if (position_ == input_.size()) return false;
  const char kind = input_[position_];
  if (std::string_view("+-:$*").find(kind) == std::string_view::npos) {
    return Fail("a reply of a type RESP2 does not have");
  }
  const size_t end = input_.find("\r\n", std::max(position_, searched_));
  if (end == std::string::npos) {
    searched_ = input_.size() - 1;  // the last may be half a line end
    const bool is_text = kind == '+' || kind == '-';
    if (!is_text && input_.size() - position_ > kNumberLineMax) return Fail("a number without end");
    return false;
  }
  const std::string_view line(input_.data() + position_, end - position_);
  if (kind == '$') {
    const std::optional<int64_t> size = ParseNumber(line.substr(1));
    if (!size || *size < -1) return Fail("a string of a senseless size");
    return ReadBulk(*size, end + 2);
  }
  if (!ReadLine(kind, line)) return false;
  position_ = searched_ = end + 2;
  --missing_;
  return true;
}

// Everything but strings with a size.
bool ReplyReader::ReadLine(char kind, std::string_view line) {
  const bool is_framed = is_nested_ || form_ == ReplyForm::kFramed;
  const bool is_whole = !is_nested_;
  switch (kind) {
    case '+':
    case '-':
      if (is_whole) reply_.type = kind == '+' ? Type::kStatus : Type::kError;
      reply_.bytes.append(is_framed ? line : line.substr(1));
      break;
    case ':': {
      const std::optional<int64_t> number = ParseNumber(line.substr(1));
      if (!number) return Fail("an integer that is none");
      if (is_whole) {
        reply_.type = Type::kInteger;
        reply_.integer = *number;
      }
      if (is_framed) reply_.bytes.append(line);
      break;
    }
    case '*': {
      const std::optional<int64_t> count = ParseNumber(line.substr(1));
      constexpr int64_t kElementsMax = int64_t{1} << 32;
      if (!count || *count < -1 || *count > kElementsMax) {
        return Fail("an array of a senseless size");
      }
      if (is_whole) reply_.type = *count < 0 ? Type::kNil : Type::kArray;
      // An array is framed in either form.
      if (is_framed || *count >= 0) {
        reply_.bytes.append(line);
        reply_.bytes.append("\r\n");
      }
      if (*count > 0) {
        is_nested_ = true;
        missing_ += static_cast<uint64_t>(*count);
      }
      return true;
    }
    default:
      break;
  }
  if (is_framed) reply_.bytes.append("\r\n");
  return true;
}

// The string that begins here, behind the line with its size.
bool ReplyReader::ReadBulk(int64_t size, size_t begin) {
  const bool is_framed = is_nested_ || form_ == ReplyForm::kFramed;
  if (size < 0) {
    if (!is_nested_) reply_.type = Type::kNil;
    if (is_framed) reply_.bytes.append("$-1\r\n");
    position_ = searched_ = begin;
    --missing_;
    return true;
  }
  const auto length = static_cast<size_t>(size);
  if (length > bytes_max_) return Fail("a reply without end");
  if (input_.size() - begin < length + 2) {
    // Once, and no more than a megabyte ahead of what has come: it is only a promise.
    constexpr size_t kAhead = size_t{1} << 20;
    input_.reserve(std::min(begin + length + 2, input_.size() + kAhead));
    return false;
  }
  if (input_[begin + length] != '\r' || input_[begin + length + 1] != '\n') {
    return Fail("a string without its end");
  }
  if (!is_nested_) reply_.type = Type::kBulk;
  if (is_framed) resp::AppendHead(&reply_.bytes, '$', size);
  reply_.bytes.append(input_, begin, length);
  if (is_framed) reply_.bytes.append("\r\n");
  position_ = searched_ = begin + length + 2;
  --missing_;
  return true;
}

bool ReplyReader::Fail(std::string why) {
  error_ = std::move(why);
  return false;
}

void ReplyReader::Compact() {
  if (position_ == input_.size()) {
    // Assigning an empty string would keep the memory.
    if (input_.capacity() > kKeptBytes) std::string().swap(input_);
    input_.clear();
  } else if (position_ >= kCompactBytes && position_ * 2 >= input_.size()) {
    input_.erase(0, position_);
  } else {
    return;
  }
  searched_ -= std::min(searched_, position_);
  position_ = 0;
}

}  // namespace terrace::tiers
