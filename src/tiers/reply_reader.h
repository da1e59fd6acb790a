#pragma once

// ReplyReader: finds complete replies in the bytes of a regional server, however they were cut.
//
// Promises:  any nesting of arrays costs a counter: replies are only found and checked here, never
//            taken apart, so that what a script returns cannot be more than can be read.
// Errors:    what is no RESP2, and a reply larger than bytes_max; nothing can be read after that.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tiers/regional_wire.h"

namespace terrace::tiers {

class ReplyReader {
 public:
  enum class Status : uint8_t { kComplete, kIncomplete, kError };

  explicit ReplyReader(size_t bytes_max) : bytes_max_(bytes_max) {}

  void Feed(std::string_view bytes) { input_.append(bytes); }
  // The next reply in this form, when it is there as a whole. form: the same until it is.
  [[nodiscard]] Status Next(ReplyForm form, RegionalReply* reply);
  const std::string& error() const { return error_; }

 private:
  bool ReadElement();
  bool ReadLine(char kind, std::string_view line);
  bool ReadBulk(int64_t size, size_t begin);
  bool Fail(std::string why);
  void Compact();

  const size_t bytes_max_;
  std::string input_;
  size_t position_ = 0;  // of what has not been read in input_
  size_t searched_ = 0;  // no line ends before this
  // Of the reply that is being read.
  ReplyForm form_ = ReplyForm::kBare;
  RegionalReply reply_;
  uint64_t missing_ = 0;  // elements; 0: none has begun
  bool is_nested_ = false;
  std::string error_;
};

}  // namespace terrace::tiers
