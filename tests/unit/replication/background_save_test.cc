#include "replication/background_save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "replication/snapshot_file.h"
#include "support/snapshot_bytes.h"
#include "support/temp_dir.h"
#include "support/test_loop.h"

namespace terrace::replication {
namespace {

using testing::HasSubstr;

class BackgroundSaveTest : public testing::Test {
 protected:
  BackgroundSaveTest() { Set("k", "v"); }

  void Set(std::string_view key, std::string_view value) {
    keyspace::Database database(&keyspace_, 0, kNowMs);
    database.SetString(keyspace_.MakeKey(key), value, keyspace::kNoDeadline,
                       keyspace::events::kNone);
  }
  std::string Start(const std::string& path, SnapshotContent content = {}) {
    content.now_ms = content.wall_ms = kNowMs;
    return save_.Start(path, content, [this](const BackgroundSave::Outcome& outcome) {
      outcomes_.push_back(outcome);
    });
  }
  bool WaitForOutcome() {
    return loop_.RunUntil([this] { return !outcomes_.empty(); });
  }
  std::string Path(const char* name) const { return (directory_.path() / name).string(); }
  size_t FileCount() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(directory_.path()))
      ++count;
    return count;
  }
  uint64_t KeysIn(const std::string& path) {
    keyspace::Keyspace other({.shard_count = 1, .concurrent = false});
    FileInput input;
    EXPECT_EQ(input.Open(path), FileInput::Opened::kYes);
    KeyspaceSink sink(&other, kNowMs);
    const SnapshotRead read = ReadSnapshot(&input, {.wall_ms = kNowMs}, &sink);
    EXPECT_EQ(read.error, "");
    return read.keys;
  }

  static constexpr int64_t kNowMs = 1700000000000;
  static constexpr int64_t kLongUs = 60'000'000;

  test::TempDir directory_;
  test::TestLoop loop_;
  keyspace::Keyspace keyspace_{{.shard_count = 2}};
  BackgroundSave save_{&keyspace_, loop_.get()};
  std::vector<BackgroundSave::Outcome> outcomes_;
};

TEST_F(BackgroundSaveTest, WritesTheMomentOfTheStartIntoTheFileThatWasAskedFor) {
  Set("copy", "v");
  SnapshotContent content;
  content.keeps = [](int, std::string_view key, const keyspace::Entry&) { return key != "copy"; };
  ASSERT_EQ(Start(Path("for a replica"), content), "");
  EXPECT_TRUE(save_.in_progress());
  Set("later", "v");
  ASSERT_TRUE(WaitForOutcome());
  EXPECT_EQ(outcomes_[0].error, "");
  EXPECT_EQ(outcomes_[0].keys, 1u);
  EXPECT_EQ(outcomes_[0].bytes, std::filesystem::file_size(Path("for a replica")));
  EXPECT_EQ(KeysIn(Path("for a replica")), 1u);
  EXPECT_FALSE(save_.in_progress());
  EXPECT_EQ(save_.running_ms(), -1);
  EXPECT_EQ(FileCount(), 1u);
  // Once only, and then the next may begin.
  EXPECT_EQ(Start(Path("next")), "");
  ASSERT_TRUE(loop_.RunUntil([this] { return outcomes_.size() > 1; }));
  loop_.RunFor(20);
  EXPECT_EQ(outcomes_.size(), 2u);
}

TEST_F(BackgroundSaveTest, OneAtATime) {
  SnapshotContent content;
  content.key_delay_us = kLongUs;
  ASSERT_EQ(Start(Path("file"), content), "");
  EXPECT_EQ(Start(Path("other")), BackgroundSave::kInProgress);
  EXPECT_GE(save_.running_ms(), 0);
  save_.Kill();
  ASSERT_TRUE(WaitForOutcome());
  EXPECT_THAT(outcomes_[0].error, HasSubstr("ended by signal 9"));
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(BackgroundSaveTest, AFileThatCannotBeWrittenIsAFailureWithItsReason) {
  ASSERT_EQ(Start(Path("missing/file")), "");
  ASSERT_TRUE(WaitForOutcome());
  EXPECT_THAT(outcomes_[0].error, HasSubstr("No such file or directory"));
}

TEST_F(BackgroundSaveTest, TheChildEndsWithItsOwner) {
  std::vector<std::string> ends;
  {
    BackgroundSave shorter(&keyspace_, loop_.get());
    SnapshotContent content;
    content.now_ms = content.wall_ms = kNowMs;
    content.key_delay_us = kLongUs;
    ASSERT_EQ(shorter.Start(Path("file"), content,
                            [&](const auto& outcome) { ends.push_back(outcome.error); }),
              "");
    loop_.RunFor(50);
  }
  EXPECT_EQ(FileCount(), 0u);
  EXPECT_TRUE(ends.empty());
}

}  // namespace
}  // namespace terrace::replication
