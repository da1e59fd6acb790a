#include "replication/command_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace terrace::replication {
namespace {

// Gives the bytes a few at a time.
class Pieces : public ByteInput {
 public:
  Pieces(std::string bytes, size_t size) : bytes_(std::move(bytes)), size_(size) {}
  int64_t Read(char* buffer, size_t size) override {
    const size_t count = std::min({size, size_, bytes_.size() - at_});
    bytes_.copy(buffer, count, at_);
    at_ += count;
    return static_cast<int64_t>(count);
  }

 private:
  const std::string bytes_;
  const size_t size_;
  size_t at_ = 0;
};

class Heard : public CommandSink {
 public:
  std::string OnCommand(std::span<const std::string_view> arguments) override {
    for (const std::string_view argument : arguments) text += std::string(argument) + ' ';
    text += '|';
    return arguments[0] == "BAD" ? "it is bad" : "";
  }
  std::string text;
};

std::string Bytes(std::string_view words) {
  std::string bulks;
  size_t count = 0;
  for (size_t at = 0; at <= words.size(); ++count) {
    const size_t end = std::min(words.find(' ', at), words.size());
    bulks +=
        "$" + std::to_string(end - at) + "\r\n" + std::string(words.substr(at, end - at)) + "\r\n";
    at = end + 1;
  }
  return "*" + std::to_string(count) + "\r\n" + bulks;
}

CommandLogRead Read(const std::string& bytes, std::string* heard, size_t piece = 1 << 20) {
  Pieces input(bytes, piece);
  Heard sink;
  const CommandLogRead read = ReadCommandLog(&input, 1000, &sink);
  *heard = sink.text;
  return read;
}

TEST(CommandLog, GivesCommandsHoweverTheyArrive) {
  const std::string bytes = "#TS:17\r\n" + Bytes("SET a 1") + Bytes("multi") + Bytes("INCR a") +
                            "#TS:18\n" + Bytes("INCR b") + Bytes("Exec") + Bytes("DEL c");
  for (const size_t piece : {size_t{1}, size_t{7}, bytes.size()}) {
    std::string heard;
    const CommandLogRead read = Read(bytes, &heard, piece);
    EXPECT_EQ(read.error, "");
    EXPECT_FALSE(read.is_truncated);
    EXPECT_EQ(heard, "SET a 1 |INCR a |INCR b |DEL c |");
    EXPECT_EQ(read.whole_bytes, 1000 + bytes.size());
    EXPECT_EQ(read.commands, 4u);
  }
}

TEST(CommandLog, WhatIsNotWholeAtTheEndIsNotGiven) {
  const std::string whole = Bytes("SET a 1");
  const std::string unit = Bytes("MULTI") + Bytes("INCR a") + Bytes("EXEC");
  for (const std::string& rest : {Bytes("SET b 1"), unit, std::string("#TS:17\n")}) {
    for (size_t size = 1; size < rest.size(); ++size) {
      std::string heard;
      const CommandLogRead read = Read(whole + rest.substr(0, size), &heard);
      EXPECT_EQ(read.error, "");
      EXPECT_TRUE(read.is_truncated) << size;
      EXPECT_EQ(heard, "SET a 1 |") << size;
      EXPECT_EQ(read.whole_bytes, 1000 + whole.size()) << size;
    }
  }
}

TEST(CommandLog, WhatIsWrongIsSaidWithItsOffset) {
  const std::string whole = Bytes("SET a 1");
  const std::string at = " at offset " + std::to_string(1000 + whole.size());
  for (const auto& [rest, why] :
       {std::pair<std::string, std::string>{"SET a 1\r\n", "there is no command"},
        {"*x\r\n", "Protocol error: invalid multibulk length"},
        {Bytes("EXEC"), "a transaction ends that has not begun"},
        {Bytes("BAD"), "it is bad"}}) {
    std::string heard;
    EXPECT_EQ(Read(whole + rest, &heard).error, why + at);
  }
  std::string heard;
  EXPECT_NE(Read(Bytes("MULTI") + Bytes("MULTI"), &heard).error, "");
}

TEST(CommandLog, ASizeThatIsNotThereTakesNoMemory) {
  std::string heard;
  EXPECT_TRUE(Read("*2\r\n$1\r\nx\r\n$4611686018427387904\r\nab", &heard).is_truncated);
}

}  // namespace
}  // namespace terrace::replication
