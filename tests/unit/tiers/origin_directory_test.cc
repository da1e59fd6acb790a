#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fake_loop.h"
#include "support/temp_dir.h"
#include "support/test_loop.h"
#include "tiers/confined_open.h"
#include "tiers/origin.h"

namespace terrace::tiers {
namespace {

using test::FakeLoop;
using test::TempDir;
using test::TestLoop;

class DirectoryOriginTest : public ::testing::Test {
 protected:
  DirectoryOriginTest() { root_.Write("tree/user/1", "Ada"); }
  ~DirectoryOriginTest() override {
    bool closed = false;
    origin_->Close([&] { closed = true; });
    EXPECT_TRUE(loop_.RunUntil([&] { return closed; }));
  }

  GetResult Get(std::string key, size_t value_bytes_max = 0) {
    std::optional<GetResult> result;
    origin_->Get({0, std::move(key), loop_.InMs(5000), value_bytes_max}, [&](GetResult got) {
      EXPECT_FALSE(result.has_value()) << "answered twice";
      result = std::move(got);
    });
    EXPECT_FALSE(result.has_value()) << "answered inside the call";
    EXPECT_TRUE(loop_.RunUntil([&] { return result.has_value(); }));
    return result.value_or(GetResult{});
  }

  // The value, or what was said instead of one.
  std::string Read(std::string key) {
    const GetResult result = Get(std::move(key));
    if (result.outcome == Outcome::kAbsent) return "(absent)";
    if (result.outcome == Outcome::kFailed) return "(failed) " + result.detail;
    EXPECT_EQ(result.value.form, Value::Form::kString);
    EXPECT_EQ(result.value.deadline_ms, keyspace::kNoDeadline);
    EXPECT_TRUE(result.value.storable);
    return result.value.bytes;
  }

  std::string Tree() const { return (root_.path() / "tree").string(); }

  TempDir root_;
  TestLoop loop_;
  std::unique_ptr<Upstream> origin_ = NewDirectoryOrigin({"files", Tree(), 16, 10000}, loop_.get());
};

TEST_F(DirectoryOriginTest, ReadsFilesNamedByKeys) {
  root_.Write("tree/empty", "");
  root_.Write("tree/a%3Ab%20%7E", "colon");
  root_.Write("tree/-._", "marks");
  const std::string big(300000, 'x');
  root_.Write("tree/big", big);
  EXPECT_EQ(Read("user/1"), "Ada");
  EXPECT_EQ(Read("empty"), "");
  EXPECT_EQ(Read("a:b ~"), "colon");
  EXPECT_EQ(Read("-._"), "marks");
  EXPECT_EQ(Read("big"), big);
}

TEST_F(DirectoryOriginTest, WhatIsNotARegularFileIsAbsent) {
  ASSERT_EQ(mkfifo((Tree() + "/fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("/dev/zero", (Tree() + "/zero").c_str()), 0);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = Tree() + "/socket";
  socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  for (const char* key : {"nothing", "user", "fifo", "zero", "socket", "user/1/x"}) {
    EXPECT_EQ(Read(key), "(absent)") << key;
  }
  close(listener);
}

TEST_F(DirectoryOriginTest, HostileKeysNeverLeaveTheDirectory) {
  root_.Write("secret", "leaked");
  root_.Write("tree/%2E%2E/secret", "an odd name");
  const std::string absolute = (root_.path() / "secret").string();
  for (const std::string& key : {std::string("../secret"),
                                 std::string("user/../../secret"),
                                 std::string(".."),
                                 std::string("."),
                                 std::string("./user/1"),
                                 std::string("user/./1"),
                                 absolute,
                                 "/" + absolute,
                                 std::string(""),
                                 std::string("/"),
                                 std::string("user//1"),
                                 std::string("user/1/"),
                                 std::string("user/1\0", 7),
                                 std::string("..\0/secret", 10),
                                 std::string("..\\secret"),
                                 std::string("%2e%2e/secret"),
                                 std::string("..%2fsecret"),
                                 std::string(256, 'n'),
                                 std::string(300, '/'),
                                 std::string(5000, 'n'),
                                 std::string(200000, 'n')}) {
    EXPECT_EQ(Read(key), "(absent)") << key.substr(0, 80);
  }
}

TEST_F(DirectoryOriginTest, SymbolicLinksAreFollowedInsideAndAbsentOutOfTheDirectory) {
  root_.Write("secret", "leaked");
  root_.Write("outside/1", "leaked");
  const std::string tree = Tree();
  ASSERT_EQ(symlink("../secret", (tree + "/up").c_str()), 0);
  ASSERT_EQ(symlink((root_.path() / "secret").c_str(), (tree + "/absolute").c_str()), 0);
  ASSERT_EQ(symlink("../outside", (tree + "/folder").c_str()), 0);
  ASSERT_EQ(symlink("loop", (tree + "/loop").c_str()), 0);
  ASSERT_EQ(symlink("user/1", (tree + "/inside").c_str()), 0);
  for (const char* key : {"up", "absolute", "folder/1", "loop"}) {
    EXPECT_EQ(Read(key), "(absent)") << key;
  }
  EXPECT_EQ(Read("inside"), "Ada");
}

TEST_F(DirectoryOriginTest, SwappingALinkUnderReadsNeverLeaks) {
  root_.Write("secret", "leaked");
  root_.Write("tree/plain", "fine");
  const std::string tree = Tree();
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    while (!stop) {
      unlink((tree + "/swap").c_str());
      symlink("../secret", (tree + "/swap").c_str());
      unlink((tree + "/swap").c_str());
      link((tree + "/plain").c_str(), (tree + "/swap").c_str());
    }
  });
  for (int i = 0; i < 300; ++i) {
    const std::string read = Read("swap");
    EXPECT_TRUE(read == "fine" || read == "(absent)") << read;
  }
  stop = true;
  swapper.join();
}

TEST_F(DirectoryOriginTest, WithoutOpenat2NoLinkIsFollowed) {
  root_.Write("secret", "leaked");
  const std::string tree = Tree();
  ASSERT_EQ(symlink("user/1", (tree + "/inside").c_str()), 0);
  ASSERT_EQ(symlink("user", (tree + "/folder").c_str()), 0);
  ASSERT_EQ(symlink("../secret", (tree + "/up").c_str()), 0);
  const int directory = open(tree.c_str(), O_PATH | O_DIRECTORY);
  for (const char* path : {"inside", "folder/1", "up", "../secret", "user/../../secret", "", "/",
                           "user//1", "./user/1", "nothing/1", "user/1/x"}) {
    EXPECT_LT(OpenWithoutLinks(directory, path), 0) << path;
  }
  for (const char* path : {"up", "../secret", "user/../../secret", "/etc/passwd"}) {
    EXPECT_LT(OpenConfined(directory, path), 0) << path;
  }
  const int file = OpenWithoutLinks(directory, "user/1");
  EXPECT_GE(file, 0);
  char bytes[8];
  EXPECT_EQ(read(file, bytes, sizeof(bytes)), 3);
  close(file);
  close(directory);
}

TEST_F(DirectoryOriginTest, RefusesValuesLargerThanTheLimitOnly) {
  EXPECT_EQ(Get("user/1", 3).value.bytes, "Ada");
  const GetResult result = Get("user/1", 2);
  EXPECT_EQ(result.outcome, Outcome::kFailed);
  EXPECT_EQ(result.failure, Failure::kTooLarge);
  EXPECT_NE(result.detail.find("2 bytes"), std::string::npos) << result.detail;
}

TEST_F(DirectoryOriginTest, MissingDirectoryIsAFailureNotAnAbsence) {
  std::filesystem::rename(Tree(), root_.path() / "away");
  const GetResult result = Get("user/1");
  EXPECT_EQ(result.outcome, Outcome::kFailed);
  EXPECT_EQ(result.failure, Failure::kUnreachable);
  EXPECT_EQ(origin_->health().state, "down");
  std::filesystem::rename(root_.path() / "away", Tree());
  EXPECT_EQ(Read("user/1"), "Ada");
  EXPECT_EQ(origin_->health().state, "up");
}

TEST_F(DirectoryOriginTest, UnreadableFilesAreRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  ASSERT_EQ(chmod((Tree() + "/user/1").c_str(), 0), 0);
  EXPECT_EQ(Get("user/1").failure, Failure::kRefused);
}

TEST_F(DirectoryOriginTest, IsReadOnly) {
  std::vector<Failure> ends;
  origin_->Put({}, [&](PutResult result) { ends.push_back(result.failure); });
  origin_->Invalidate(0, "user/1", 0, [&](PutResult result) { ends.push_back(result.failure); });
  EXPECT_TRUE(ends.empty());
  EXPECT_TRUE(loop_.RunUntil([&] { return ends.size() == 2; }));
  EXPECT_EQ(ends, std::vector<Failure>(2, Failure::kRefused));
}

// Reads that hang until the test lets them happen.
class HangingDirectoryTest : public ::testing::Test {
 protected:
  HangingDirectoryTest() {
    root_.Write("k", "v");
    origin_ = NewDirectoryOrigin({"files", root_.path().string(), 1, 2}, &loop_);
  }

  void Get(int64_t timeout_ms) {
    origin_->Get({0, "k", loop_.InMs(timeout_ms), 0}, [this](GetResult result) {
      ends_.push_back(result.outcome == Outcome::kValue ? result.value.bytes
                                                        : std::string(FailureName(result.failure)));
    });
  }

  TempDir root_;
  FakeLoop loop_;
  std::unique_ptr<Upstream> origin_;
  std::vector<std::string> ends_;
};

using Ends = std::vector<std::string>;

TEST_F(HangingDirectoryTest, DeadlineAnswersWhileTheReadHangsAndKeepsItsPlaceTaken) {
  Get(100);
  Get(1000);
  loop_.Advance(99);
  EXPECT_EQ(ends_, Ends{});
  loop_.Advance(1);
  EXPECT_EQ(ends_, Ends{"timeout"});
  EXPECT_EQ(origin_->health().in_flight, 1u);
  EXPECT_EQ(origin_->health().queued, 1u);
  EXPECT_EQ(loop_.offloaded_count(), 1u);
  loop_.RunOffloaded();  // it comes back at last: the place goes to the one waiting
  EXPECT_EQ(ends_, Ends{"timeout"});
  loop_.RunOffloaded();
  EXPECT_EQ(ends_, (Ends{"timeout", "v"}));
  EXPECT_EQ(origin_->health().in_flight, 0u);
  EXPECT_EQ(loop_.timer_count(), 0u);
}

TEST_F(HangingDirectoryTest, QueueIsBoundedAndItsDeadlinesAreKept) {
  Get(500);
  Get(100);
  Get(200);
  Get(300);  // no room
  loop_.RunPosted();
  EXPECT_EQ(ends_, Ends{"overloaded"});
  loop_.Advance(200);
  EXPECT_EQ(ends_, Ends(3, "overloaded"));
  Get(400);
  loop_.RunOffloaded();
  loop_.RunOffloaded();
  EXPECT_EQ(ends_, (Ends{"overloaded", "overloaded", "overloaded", "v", "v"}));
}

TEST_F(HangingDirectoryTest, PassedDeadlineIsATimeout) {
  Get(0);
  loop_.RunPosted();
  EXPECT_EQ(ends_, Ends{"timeout"});
  EXPECT_EQ(loop_.offloaded_count(), 0u);
}

TEST_F(HangingDirectoryTest, CloseAnswersEverythingOnceAndDoesNotWaitForReads) {
  Get(100);
  loop_.Advance(100);  // answered, its read still hanging
  Get(1000);
  bool closed = false;
  origin_->Close([&] {
    EXPECT_EQ(ends_, (Ends{"timeout", "closing"}));
    closed = true;
    origin_.reset();
  });
  EXPECT_EQ(ends_, Ends{"timeout"});
  loop_.RunPosted();
  EXPECT_TRUE(closed);
  EXPECT_EQ(loop_.timer_count(), 0u);
  loop_.RunOffloaded();
  EXPECT_EQ(ends_, (Ends{"timeout", "closing"}));
}

TEST_F(HangingDirectoryTest, CallbackMayAskAgainOrClose) {
  bool closed = false;
  origin_->Get({0, "k", loop_.InMs(100), 0}, [&](GetResult) {
    Get(100);
    origin_->Close([&] { closed = true; });
  });
  loop_.RunOffloaded();
  EXPECT_TRUE(closed);
  EXPECT_EQ(ends_, Ends{"closing"});
}

}  // namespace
}  // namespace terrace::tiers
