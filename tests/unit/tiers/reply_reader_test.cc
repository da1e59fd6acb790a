#include "tiers/reply_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace terrace::tiers {
namespace {

using Type = RegionalReply::Type;

constexpr size_t kBytesMax = 1 << 20;

// The bytes of all replies, or "!" and why there is one that is none.
std::string ReadAll(std::string_view bytes, size_t piece, ReplyForm form) {
  ReplyReader reader(kBytesMax);
  std::string all;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.Feed(bytes.substr(at, piece));
    RegionalReply reply;
    ReplyReader::Status status;
    while ((status = reader.Next(form, &reply)) == ReplyReader::Status::kComplete)
      all += reply.bytes + "|";
    if (status == ReplyReader::Status::kError) return all + "!" + reader.error();
  }
  return all;
}

TEST(ReplyReader, FindsTheSameRepliesHoweverTheyAreCut) {
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n"
      "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n*1\r\n-ERR in\r\n*2\r\n*-1\r\n*0\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    EXPECT_EQ(ReadAll(bytes, piece, ReplyForm::kFramed),
              "+OK\r\n|-ERR no\r\n|:-7\r\n|$3\r\na\r\n\r\n|$0\r\n\r\n|$-1\r\n|*-1\r\n|*0\r\n|"
              "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n*1\r\n-ERR in\r\n|*2\r\n*-1\r\n*0\r\n|");
    EXPECT_EQ(ReadAll(bytes, piece, ReplyForm::kBare),
              "OK|ERR no||a\r\n||||*0\r\n|"
              "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n*1\r\n-ERR in\r\n|*2\r\n*-1\r\n*0\r\n|");
  }
}

TEST(ReplyReader, TellsTypesAndNumbers) {
  ReplyReader reader(kBytesMax);
  reader.Feed("+OK\r\n-ERR\r\n:-7\r\n$1\r\nx\r\n$-1\r\n*-1\r\n*1\r\n:5\r\n");
  RegionalReply reply;
  for (const Type type : {Type::kStatus, Type::kError, Type::kInteger, Type::kBulk, Type::kNil,
                          Type::kNil, Type::kArray}) {
    ASSERT_EQ(reader.Next(ReplyForm::kFramed, &reply), ReplyReader::Status::kComplete);
    EXPECT_EQ(reply.type, type);
    EXPECT_EQ(reply.integer, type == Type::kInteger ? -7 : 0);
  }
  EXPECT_EQ(reader.Next(ReplyForm::kFramed, &reply), ReplyReader::Status::kIncomplete);
}

TEST(ReplyReader, ReadsWhateverIsNestedHoweverDeep) {
  std::string deep;
  for (int i = 0; i < 20000; ++i) deep += "*1\r\n";
  deep += ":1\r\n";
  EXPECT_EQ(ReadAll(deep + "+OK\r\n", 1000, ReplyForm::kFramed), deep + "|+OK\r\n|");
}

TEST(ReplyReader, NonsenseIsAnErrorForGood) {
  for (const std::string nonsense :
       {"?", "\r\n", "%1\r\n", "$x\r\n", "$-2\r\n", "$\r\n", "*-2\r\n", "*99999999999999\r\n",
        ":1x\r\n", ":\r\n", "$1\r\nab\r\n", "$99999999\r\n",
        ":00000000000000000000000000000000000000", "*1\r\n_\r\n"}) {
    ReplyReader reader(kBytesMax);
    reader.Feed("+OK\r\n" + nonsense);
    RegionalReply reply;
    ASSERT_EQ(reader.Next(ReplyForm::kBare, &reply), ReplyReader::Status::kComplete) << nonsense;
    EXPECT_EQ(reader.Next(ReplyForm::kBare, &reply), ReplyReader::Status::kError) << nonsense;
    reader.Feed("+OK\r\n");
    EXPECT_EQ(reader.Next(ReplyForm::kBare, &reply), ReplyReader::Status::kError) << nonsense;
  }
}

TEST(ReplyReader, AReplyWithoutEndIsGivenUp) {
  ReplyReader reader(1000);
  RegionalReply reply;
  reader.Feed("*1000000\r\n");
  ReplyReader::Status status = ReplyReader::Status::kIncomplete;
  for (int i = 0; i < 1000 && status == ReplyReader::Status::kIncomplete; ++i) {
    reader.Feed(":1\r\n");
    status = reader.Next(ReplyForm::kBare, &reply);
  }
  EXPECT_EQ(status, ReplyReader::Status::kError);
}

}  // namespace
}  // namespace terrace::tiers
