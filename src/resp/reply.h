#pragma once

// Reply: writes RESP2 or RESP3 replies into a buffer. A handler states what it means (a map, a
// double, a null) and the protocol of the client decides the bytes.
//
// Promises:  exactly the bytes Redis sends for the same reply, in both protocols.
// Threads:   none inside.

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/buffer.h"

namespace terrace::resp {

class Reply {
 public:
  explicit Reply(base::Buffer* out, int protocol = 2) : out_(out), protocol_(protocol) {}

  int protocol() const { return protocol_; }
  void set_protocol(int protocol) { protocol_ = protocol; }
  base::Buffer& buffer() { return *out_; }

  void Ok() { Raw("+OK\r\n"); }
  void Simple(std::string_view text) { Line('+', text); }
  // text without the leading '-', with its code: "ERR something". Line breaks become blanks.
  void Error(std::string_view text);
  // An error that the statistics know already from where it happened: a failure, but without a code
  // to count.
  void CountedError(std::string_view text) {
    Error(text);
    last_error_size_ = 0;
  }
  void WrongType() { Error("WRONGTYPE Operation against a key holding the wrong kind of value"); }
  void SyntaxError() { Error("ERR syntax error"); }
  void NotAnInteger() { Error("ERR value is not an integer or out of range"); }
  void NotAFloat() { Error("ERR value is not a valid float"); }
  void NoSuchKey() { Error("ERR no such key"); }

  void Integer(int64_t value);
  void Boolean(bool value);  // RESP2: 1 or 0
  void Bulk(std::string_view bytes);
  void BulkInteger(int64_t value);
  void Double(double value);            // RESP2: a bulk string
  void HumanDouble(long double value);  // a bulk string in both, as INCRBYFLOAT answers
  void BigNumber(std::string_view digits);
  void Verbatim(std::string_view format, std::string_view text);  // format: txt or mkd
  void Null();                                                    // RESP2: a null bulk string
  void NullArray();                                               // RESP2: a null array

  void Array(size_t count) { Header('*', count); }
  void Map(size_t pairs) { protocol_ >= 3 ? Header('%', pairs) : Header('*', 2 * pairs); }
  void Set(size_t count) { Header(protocol_ >= 3 ? '~' : '*', count); }
  void Push(size_t count) { Header(protocol_ >= 3 ? '>' : '*', count); }
  void Attribute(size_t pairs) { Header('|', pairs); }  // REQUIRES: protocol() >= 3

  // A container whose length is known only at its end: mark where it begins, write the elements,
  // then put the header in front of them. Marks nest; finish the inner ones first.
  struct Mark {
    size_t offset;
  };
  Mark Begin() const { return {out_->size()}; }
  void EndArray(Mark mark, size_t count) { InsertHeader(mark, '*', count); }
  void EndMap(Mark mark, size_t pairs) {
    InsertHeader(mark, protocol_ >= 3 ? '%' : '*', protocol_ >= 3 ? pairs : 2 * pairs);
  }
  void EndSet(Mark mark, size_t count) { InsertHeader(mark, protocol_ >= 3 ? '~' : '*', count); }

  // Bytes that are a reply already.
  void Raw(std::string_view bytes) { out_->Append(bytes); }

  // How many error replies were written: lets the caller see that a handler failed.
  uint64_t error_count() const { return error_count_; }
  // The code (first word) of the last error, for errorstats.
  std::string_view last_error_code() const { return {last_error_, last_error_size_}; }

 private:
  void Line(char kind, std::string_view text);
  void Header(char kind, size_t count);
  void InsertHeader(Mark mark, char kind, size_t count);

  base::Buffer* out_;
  int protocol_;
  uint64_t error_count_ = 0;
  char last_error_[32] = {};
  size_t last_error_size_ = 0;
};

}  // namespace terrace::resp
