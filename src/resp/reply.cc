#include "resp/reply.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/numbers.h"

namespace terrace::resp {
namespace {

// Kind, up to 20 digits, CRLF.
constexpr size_t kHeaderMax = 24;

// Writes the decimal digits of value and returns their end.
char* PutDigits(char* at, uint64_t value) {
  if (value < 10) {
    *at = static_cast<char>('0' + value);
    return at + 1;
  }
  if (value < 100) {
    at[0] = static_cast<char>('0' + value / 10);
    at[1] = static_cast<char>('0' + value % 10);
    return at + 2;
  }
  char digits[20];
  char* begin = digits + sizeof(digits);
  while (value != 0) {
    *--begin = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  const auto count = static_cast<size_t>(digits + sizeof(digits) - begin);
  std::memcpy(at, begin, count);
  return at + count;
}

char* PutEnd(char* at) {
  at[0] = '\r';
  at[1] = '\n';
  return at + 2;
}

char* PutHeader(char* at, char kind, uint64_t count) {
  *at = kind;
  return PutEnd(PutDigits(at + 1, count));
}

}  // namespace

void Reply::Line(char kind, std::string_view text) {
  char* const begin = out_->Reserve(text.size() + 3);
  *begin = kind;
  if (!text.empty()) std::memcpy(begin + 1, text.data(), text.size());
  PutEnd(begin + 1 + text.size());
  out_->Commit(text.size() + 3);
}

void Reply::Header(char kind, size_t count) {
  char* const begin = out_->Reserve(kHeaderMax);
  out_->Commit(static_cast<size_t>(PutHeader(begin, kind, count) - begin));
}

void Reply::InsertHeader(Mark mark, char kind, size_t count) {
  char header[kHeaderMax];
  const auto size = static_cast<size_t>(PutHeader(header, kind, count) - header);
  const size_t body = out_->size() - mark.offset;
  char* const end = out_->Reserve(size);
  std::memmove(end - body + size, end - body, body);
  std::memcpy(end - body, header, size);
  out_->Commit(size);
}

void Reply::Error(std::string_view text) {
  ++error_count_;
  // Clients' words may be in the text. Line ends become spaces, and none at the end, as in Redis.
  while (text.ends_with('\r') || text.ends_with('\n')) text.remove_suffix(1);
  // What has no code, or a longer one than Redis looks at, counts as a plain error.
  const size_t space = text.substr(0, sizeof(last_error_) - 1).find(' ');
  const std::string_view code = space != text.npos ? text.substr(0, space) : "ERR";
  last_error_size_ = code.size();
  std::memcpy(last_error_, code.data(), last_error_size_);
  char* const begin = out_->Reserve(text.size() + 3);
  *begin = '-';
  for (size_t i = 0; i < text.size(); ++i) {
    begin[1 + i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
  }
  PutEnd(begin + 1 + text.size());
  out_->Commit(text.size() + 3);
}

void Reply::Integer(int64_t value) {
  char* const begin = out_->Reserve(kHeaderMax + 1);
  char* at = begin;
  *at++ = ':';
  auto magnitude = static_cast<uint64_t>(value);
  if (value < 0) {
    *at++ = '-';
    magnitude = 0 - magnitude;
  }
  at = PutEnd(PutDigits(at, magnitude));
  out_->Commit(static_cast<size_t>(at - begin));
}

void Reply::Boolean(bool value) {
  if (protocol_ >= 3) {
    Raw(value ? "#t\r\n" : "#f\r\n");
  } else {
    Integer(value ? 1 : 0);
  }
}

void Reply::Bulk(std::string_view bytes) {
  char* const begin = out_->Reserve(kHeaderMax + bytes.size() + 2);
  char* at = PutHeader(begin, '$', bytes.size());
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  at = PutEnd(at + bytes.size());
  out_->Commit(static_cast<size_t>(at - begin));
}

void Reply::BulkInteger(int64_t value) {
  base::Int64Text text;
  Bulk(base::FormatInt64(value, text));
}

void Reply::Double(double value) {
  base::DoubleText text;
  const std::string_view digits = base::FormatDouble(value, text);
  if (protocol_ >= 3) {
    Line(',', digits);
  } else {
    Bulk(digits);
  }
}

void Reply::HumanDouble(long double value) { Bulk(base::FormatLongDouble(value)); }

void Reply::BigNumber(std::string_view digits) {
  if (protocol_ >= 3) {
    Line('(', digits);
  } else {
    Bulk(digits);
  }
}

void Reply::Verbatim(std::string_view format, std::string_view text) {
  if (protocol_ < 3) {
    Bulk(text);
    return;
  }
  TERRACE_CHECK(format.size() == 3);
  Header('=', text.size() + 4);
  Raw(format);
  Raw(":");
  Raw(text);
  Raw("\r\n");
}

void Reply::Null() { Raw(protocol_ >= 3 ? "_\r\n" : "$-1\r\n"); }

void Reply::NullArray() { Raw(protocol_ >= 3 ? "_\r\n" : "*-1\r\n"); }

}  // namespace terrace::resp
