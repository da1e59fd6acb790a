#include "tiers/regional_handshake.h"

#include <gtest/gtest.h>

namespace terrace::tiers {
namespace {

using Step = RegionalHandshake::Step;

RegionalReply Status(std::string text) {
  return {RegionalReply::Type::kStatus, 0, std::move(text)};
}
RegionalReply Error(std::string text) { return {RegionalReply::Type::kError, 0, std::move(text)}; }
RegionalReply Integer(int64_t number) { return {RegionalReply::Type::kInteger, number, {}}; }
RegionalReply Info(const std::string& run_id) {
  return {RegionalReply::Type::kBulk, 0,
          "# Server\r\nredis_version:7.0.15\r\nrun_id:" + run_id + "\r\ntcp_port:6379\r\n"};
}

RegionalReply Time(const std::string& seconds, const std::string& us) {
  return {RegionalReply::Type::kArray, 0,
          "*2\r\n$" + std::to_string(seconds.size()) + "\r\n" + seconds + "\r\n$" +
              std::to_string(us.size()) + "\r\n" + us + "\r\n"};
}

// Plays the server's side up to and including PING.
Step Greet(RegionalHandshake* handshake, int64_t client_id, const std::string& run_id) {
  EXPECT_EQ(handshake->OnReply(Status("OK")), Step::kMore);
  EXPECT_EQ(handshake->OnReply(Integer(client_id)), Step::kMore);
  EXPECT_EQ(handshake->OnReply(Info(run_id)), Step::kMore);
  EXPECT_EQ(handshake->OnReply(Time("1700000000", "123456")), Step::kMore);
  return handshake->OnReply(Status("PONG"));
}

TEST(RegionalHandshake, AsksEverythingInOneWrite) {
  std::string sent;
  RegionalOptions options;
  options.username = "cache";
  options.password = "secret";
  RegionalHandshake handshake(options, {}, &sent);
  EXPECT_EQ(sent,
            "*3\r\n$4\r\nAUTH\r\n$5\r\ncache\r\n$6\r\nsecret\r\n"
            "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$7\r\nterrace\r\n"
            "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n"
            "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"
            "*1\r\n$4\r\nTIME\r\n"
            "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(handshake.OnReply(Status("OK")), Step::kMore);
  EXPECT_EQ(Greet(&handshake, 7, "abc"), Step::kDone);
  EXPECT_EQ(handshake.identity().run_id, "abc");
  EXPECT_EQ(handshake.identity().client_id, "7");
  EXPECT_EQ(handshake.server_ms(), 1700000000123);
}

TEST(RegionalHandshake, KillsTheEarlierConnectionToTheSameRunOfTheServer) {
  std::string sent;
  RegionalHandshake handshake({}, {"abc", "7"}, &sent);
  sent.clear();
  EXPECT_EQ(Greet(&handshake, 9, "abc"), Step::kMore);
  EXPECT_EQ(sent, "*4\r\n$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\nID\r\n$1\r\n7\r\n");
  EXPECT_EQ(handshake.OnReply(Integer(0)), Step::kDone);
  EXPECT_EQ(handshake.note(), "");
}

TEST(RegionalHandshake, LeavesStrangersOfAnotherRunAlone) {
  std::string sent;
  RegionalHandshake handshake({}, {"abc", "7"}, &sent);
  sent.clear();
  EXPECT_EQ(Greet(&handshake, 9, "def"), Step::kDone);
  EXPECT_EQ(sent, "");
}

TEST(RegionalHandshake, SaysSoWhenItMayNotFence) {
  std::string sent;
  RegionalHandshake handshake({}, {"abc", "7"}, &sent);
  EXPECT_EQ(Greet(&handshake, 9, "abc"), Step::kMore);
  EXPECT_EQ(handshake.OnReply(Error("NOPERM no permissions to run 'client|kill'")), Step::kDone);
  EXPECT_NE(handshake.note().find("CLIENT KILL"), std::string::npos);

  RegionalHandshake blind({}, {}, &sent);
  EXPECT_EQ(blind.OnReply(Error("NOPERM no permissions to run 'client|setname'")), Step::kMore);
  EXPECT_EQ(blind.OnReply(Error("NOPERM no permissions to run 'client|id'")), Step::kMore);
  EXPECT_EQ(blind.OnReply(Info("abc")), Step::kMore);
  EXPECT_EQ(blind.OnReply(Error("NOPERM no permissions to run 'time'")), Step::kMore);
  EXPECT_EQ(blind.OnReply(Status("PONG")), Step::kDone);
  EXPECT_NE(blind.note().find("client id"), std::string::npos);
  EXPECT_NE(blind.note().find("TIME"), std::string::npos);
  EXPECT_EQ(blind.server_ms(), std::nullopt);
}

TEST(RegionalHandshake, FailsWhileTheServerCannotServe) {
  for (const std::string text : {"LOADING Redis is loading the dataset in memory",
                                 "MASTERDOWN Link with MASTER is down", "BUSY Redis is busy"}) {
    std::string sent;
    RegionalHandshake handshake({}, {}, &sent);
    EXPECT_EQ(handshake.OnReply(Status("OK")), Step::kMore);
    EXPECT_EQ(handshake.OnReply(Integer(1)), Step::kMore);
    EXPECT_EQ(handshake.OnReply(Info("abc")), Step::kMore);
    EXPECT_EQ(handshake.OnReply(Error(text)), Step::kFailed);
    EXPECT_EQ(handshake.error(), text);
  }
}

TEST(RegionalHandshake, NeverRepeatsThePassword) {
  std::string sent;
  RegionalOptions options;
  options.password = "hunter2";
  RegionalHandshake handshake(options, {}, &sent);
  EXPECT_EQ(handshake.OnReply(Error("ERR unknown command 'AUTH', with args beginning with: "
                                    "'hunter2' ")),
            Step::kFailed);
  EXPECT_EQ(handshake.error(), "AUTH is refused (ERR)");
}

TEST(RegionalHandshake, FailsOnAnswersThatMakeNoSense) {
  std::string sent;
  RegionalHandshake handshake({}, {}, &sent);
  EXPECT_EQ(handshake.OnReply(Integer(1)), Step::kFailed);
}

}  // namespace
}  // namespace terrace::tiers
