#include "resp/request_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace terrace::resp {
namespace {

using Status = RequestParser::Status;
using Args = std::vector<std::string>;

// Feeds the bytes in pieces of the given size, as a connection would.
std::vector<Args> ParseInPieces(const std::string& bytes, size_t piece, std::string* error) {
  RequestParser parser;
  std::vector<Args> requests;
  std::string input;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    input += bytes.substr(at, piece);
    while (true) {
      std::vector<std::string_view> args;
      size_t consumed = 0;
      const Status status = parser.Parse(input, {}, &args, &consumed);
      if (status == Status::kIncomplete) break;
      if (status == Status::kError) {
        *error = parser.error();
        return requests;
      }
      requests.emplace_back(args.begin(), args.end());
      input.erase(0, consumed);
    }
  }
  return requests;
}

TEST(RequestParser, FindsTheSameRequestsHoweverTheBytesAreSplit) {
  const std::string bytes =
      "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\nb\n\r\nPING\r\n\r\n"
      "*0\r\n*-1\r\nset \"a b\\x41\\n\" 'it\\'s'\r\n*1\r\n$4\r\nQUIT\r\n";
  const std::vector<Args> expected = {{"GET", "k"}, {"SET", "", "a\r\nb\n"},   {"PING"}, {}, {},
                                      {},           {"set", "a bA\n", "it's"}, {"QUIT"}};
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    std::string error;
    EXPECT_EQ(ParseInPieces(bytes, piece, &error), expected) << piece;
    EXPECT_EQ(error, "");
  }
}

TEST(RequestParser, RejectsWhatRedisRejectsInTheSameWords) {
  const std::pair<std::string, std::string> cases[] = {
      {"*x\r\n", "Protocol error: invalid multibulk length"},
      {"*2147483648\r\n", "Protocol error: invalid multibulk length"},
      {"*1\r\n:3\r\n", "Protocol error: expected '$', got ':'"},
      {"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
      {"*1\r\n$536870913\r\n", "Protocol error: invalid bulk length"},
      {"*1\r\n$blabla\r\n", "Protocol error: invalid bulk length"},
      {"set \"open\r\n", "Protocol error: unbalanced quotes in request"},
      {"set \"a\"b\r\n", "Protocol error: unbalanced quotes in request"},
      {std::string(70000, 'x'), "Protocol error: too big inline request"},
      {"*" + std::string(70000, '1'), "Protocol error: too big mbulk count string"},
      {"*1\r\n$" + std::string(70000, '1'), "Protocol error: too big bulk count string"},
  };
  for (const auto& [bytes, text] : cases) {
    std::string error;
    ParseInPieces(bytes, bytes.size(), &error);
    EXPECT_EQ(error, text);
  }
}

TEST(RequestParser, KnowsHowManyBytesALargeArgumentStillNeeds) {
  RequestParser parser;
  std::vector<std::string_view> args;
  size_t consumed = 0;
  const std::string start = "*2\r\n$3\r\nGET\r\n$1000000\r\nabc";
  EXPECT_EQ(parser.Parse(start, {}, &args, &consumed), Status::kIncomplete);
  EXPECT_EQ(parser.bytes_wanted(), start.size() - 3 + 1000000 + 2);
}

}  // namespace
}  // namespace terrace::resp
