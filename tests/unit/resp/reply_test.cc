#include "resp/reply.h"

#include <gtest/gtest.h>

#include <string>

namespace terrace::resp {
namespace {

template <typename Write>
std::string Written(int protocol, Write write) {
  base::Buffer buffer;
  Reply reply(&buffer, protocol);
  write(reply);
  return std::string(buffer.view());
}

TEST(Reply, SpeaksBothProtocols) {
  const auto both = [](auto write, const std::string& resp2, const std::string& resp3) {
    EXPECT_EQ(Written(2, write), resp2);
    EXPECT_EQ(Written(3, write), resp3);
  };
  both([](Reply& r) { r.Null(); }, "$-1\r\n", "_\r\n");
  both([](Reply& r) { r.NullArray(); }, "*-1\r\n", "_\r\n");
  both([](Reply& r) { r.Map(2); }, "*4\r\n", "%2\r\n");
  both([](Reply& r) { r.Set(3); }, "*3\r\n", "~3\r\n");
  both([](Reply& r) { r.Double(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n");
  both([](Reply& r) { r.Boolean(true); }, ":1\r\n", "#t\r\n");
  both([](Reply& r) { r.Verbatim("txt", "hi"); }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
  both([](Reply& r) { r.BigNumber("123"); }, "$3\r\n123\r\n", "(123\r\n");
  both([](Reply& r) { r.Integer(INT64_MIN); }, ":-9223372036854775808\r\n",
       ":-9223372036854775808\r\n");
  both([](Reply& r) { r.Error("ERR a\r\nb"); }, "-ERR a  b\r\n", "-ERR a  b\r\n");
  both([](Reply& r) { r.Error("ERR a\nb\r\n"); }, "-ERR a b\r\n", "-ERR a b\r\n");
}

TEST(Reply, PutsTheLengthOfAContainerInFrontOnceItIsKnown) {
  EXPECT_EQ(Written(3,
                    [](Reply& r) {
                      r.Ok();
                      const auto outer = r.Begin();
                      r.Bulk("a");
                      const auto inner = r.Begin();
                      for (int i = 0; i < 100; ++i) r.Integer(1);
                      r.EndArray(inner, 100);
                      r.EndMap(outer, 1);
                    })
                .substr(0, 26),
            "+OK\r\n%1\r\n$1\r\na\r\n*100\r\n:1\r\n");
}

}  // namespace
}  // namespace terrace::resp
