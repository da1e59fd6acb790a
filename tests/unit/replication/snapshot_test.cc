// Snapshots written and read in memory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc64.h"
#include "keyspace/digest.h"
#include "support/command_runner.h"
#include "support/snapshot_bytes.h"

namespace terrace::replication {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class SnapshotTest : public testing::Test, protected commands::CommandRunner {
 protected:
  using CommandRunner::Run;

  SnapshotContent Content() {
    SnapshotContent content;
    content.now_ms = clock_.NowMs();
    content.wall_ms = clock_.NowMs();
    content.aux = {{"redis-ver", "7.2.6"}};
    return content;
  }
  std::string Written() { return Written(Content()); }
  std::string Written(const SnapshotContent& content) {
    MemoryOutput output;
    const SnapshotWritten written = WriteSnapshot(keyspace_, content, &output);
    EXPECT_EQ(written.error, 0);
    EXPECT_EQ(written.bytes, output.bytes_.size());
    return output.bytes_;
  }

  struct Loaded {
    keyspace::Keyspace keyspace{{.shard_count = 2, .concurrent = false, .seed = 7}};
    SnapshotRead read;
    std::vector<std::string> libraries;
  };
  std::unique_ptr<Loaded> Load(std::string_view bytes, size_t step = SIZE_MAX) {
    auto loaded = std::make_unique<Loaded>();
    MemoryInput input(bytes, step);
    KeyspaceSink sink(&loaded->keyspace, clock_.NowMs());
    SnapshotRules rules;
    rules.wall_ms = clock_.NowMs();
    loaded->read = ReadSnapshot(&input, rules, &sink);
    loaded->libraries = sink.libraries_;
    return loaded;
  }
  std::string ErrorOf(std::string_view bytes) { return Load(bytes)->read.error; }
  std::string DigestOf(keyspace::Keyspace& keyspace) {
    return keyspace::ToHex(keyspace::DigestOfKeyspace(keyspace, clock_.NowMs()));
  }

  // One of every type in every encoding.
  void FillWithEverything() {
    Run({"SET", "empty", ""});
    for (const std::string_view line :
         {"SET integer 12345", "SET negative -70000", "SET text hello", "SETBIT bits 100000 1",
          "RPUSH list a b 77", "SADD integers 1 2 3000000000", "SADD words a b 7",
          "ZADD scores 1.5 a -inf b 3e100 c", "HSET fields a 1 b two", "XADD stream 1-1 f v",
          "XADD stream 2-1 f v g w", "XGROUP CREATE stream group 0",
          "XREADGROUP GROUP group me COUNT 1 STREAMS stream >", "XDEL stream 2-1",
          "PFADD counter a b c", "SET fleeting x PX 100000", "HSET deadlines a 1 b 2",
          "HPEXPIRE deadlines 5000 FIELDS 1 a"}) {
      ASSERT_THAT(Run(line), testing::Not(StartsWith("-"))) << line;
    }
    const std::string large(300'000, 'x');
    Run({"SET", "large", large});
    Run({"RPUSH", "large list", large, "small"});
    for (int i = 0; i < 1000; ++i) {
      const std::string n = std::to_string(i);
      Run({"RPUSH", "long list", "element " + n});
      Run({"SADD", "table", "member " + n});
      Run({"SADD", "many integers", n});
      Run({"ZADD", "tree", n, "member " + n});
      Run({"HSET", "map", "field " + n, n});
      Run({"XADD", "long stream", n + "-1", "n", n});
      Run({"SET", "key " + n, n});
    }
  }
};

TEST_F(SnapshotTest, EverythingComesBackAsItWas) {
  FillWithEverything();
  const std::string bytes = Written();
  EXPECT_THAT(bytes, StartsWith("REDIS0012"));
  for (const size_t step : {SIZE_MAX, size_t{1000}, size_t{1}}) {
    const auto loaded = Load(bytes, step);
    ASSERT_EQ(loaded->read.error, "");
    EXPECT_EQ(loaded->read.keys, Data().size());
    EXPECT_EQ(loaded->read.bytes, bytes.size());
    EXPECT_EQ(DigestOf(loaded->keyspace), DigestOf(keyspace_));
  }
}

TEST_F(SnapshotTest, DatabasesKeepApart) {
  keyspace::Database third(&keyspace_, 3, clock_.NowMs());
  third.SetString(keyspace_.MakeKey("k"), "there", keyspace::kNoDeadline, keyspace::events::kNone);
  Run("SET k here");
  const auto loaded = Load(Written());
  EXPECT_EQ(loaded->keyspace.CountOf(0).keys, 1u);
  EXPECT_EQ(loaded->keyspace.CountOf(3).keys, 1u);
  EXPECT_EQ(DigestOf(loaded->keyspace), DigestOf(keyspace_));
}

TEST_F(SnapshotTest, TheVersionIsTheOldestThatCanCarryTheContent) {
  Run("RPUSH list a");
  EXPECT_THAT(Written(), StartsWith("REDIS0009"));
  SnapshotContent content = Content();
  content.libraries = {"#!lua name=a\n..."};
  EXPECT_THAT(Written(content), StartsWith("REDIS0010"));
  Run("XADD stream * f v");
  EXPECT_THAT(Written(), StartsWith("REDIS0011"));
  Run("HSET hash f v");
  Run("HEXPIRE hash 100 FIELDS 1 f");
  EXPECT_THAT(Written(), StartsWith("REDIS0012"));
}

TEST_F(SnapshotTest, WhatHasExpiredIsNotWritten) {
  Run("SET k x PX 10");
  clock_.now_ms += 10;
  EXPECT_EQ(Load(Written())->read.keys, 0u);
}

TEST_F(SnapshotTest, WhatHasExpiredMeanwhileIsNotLoaded) {
  Run("SET k x PX 10");
  Run("SET stays x PX 11");
  const std::string bytes = Written();
  clock_.now_ms += 10;
  const auto loaded = Load(bytes);
  EXPECT_EQ(loaded->read.error, "");
  EXPECT_EQ(loaded->read.keys, 1u);
  EXPECT_EQ(loaded->read.expired, 1u);
}

TEST_F(SnapshotTest, DeadlinesAreUnixTime) {
  Run("SET k x PX 1000");
  SnapshotContent content = Content();
  content.wall_ms += 5000;  // the wall clock was set
  const std::string bytes = Written(content);
  clock_.now_ms += 5999;
  EXPECT_EQ(Load(bytes)->read.keys, 1u);
  clock_.now_ms += 1;
  EXPECT_EQ(Load(bytes)->read.expired, 1u);
}

TEST_F(SnapshotTest, OnlyKeysThatTheFilterKeepsAreWritten) {
  Run("SET copy:1 x");
  Run("XADD copy:2 * f v");
  Run("SET mine x");
  SnapshotContent content = Content();
  content.keeps = [](int, std::string_view key, const keyspace::Entry&) {
    return !key.starts_with("copy:");
  };
  const std::string bytes = Written(content);
  EXPECT_THAT(bytes, StartsWith("REDIS0009"));  // the stream is not in it
  EXPECT_EQ(bytes.find("copy:"), std::string::npos);
  EXPECT_EQ(Load(bytes)->read.keys, 1u);
}

TEST_F(SnapshotTest, KeysThatTheSinkDoesNotWantAreCounted) {
  Run("SET unwanted:1 x");
  Run("RPUSH unwanted:2 x");
  Run("SET k x");
  const auto loaded = Load(Written());
  EXPECT_EQ(loaded->read.unwanted, 2u);
  EXPECT_EQ(loaded->read.keys, 1u);
}

TEST_F(SnapshotTest, FunctionsComeFirst) {
  SnapshotContent content = Content();
  content.libraries = {"one", "two"};
  EXPECT_THAT(Load(Written(content))->libraries, ElementsAre("one", "two"));
}

TEST_F(SnapshotTest, AFullDiskIsAnError) {
  FillWithEverything();
  MemoryOutput output(300'000);
  EXPECT_EQ(WriteSnapshot(keyspace_, Content(), &output).error, ENOSPC);
}

TEST_F(SnapshotTest, ARefusalOfTheSinkEndsTheReading) {
  Run("SET k x");
  const std::string bytes = Written();
  MemoryInput input(bytes);
  Loaded loaded;
  KeyspaceSink sink(&loaded.keyspace, clock_.NowMs());
  sink.refusal_ = "no room";
  EXPECT_THAT(ReadSnapshot(&input, {}, &sink).error, HasSubstr("no room at byte"));
}

TEST_F(SnapshotTest, EveryCutIsFound) {
  Run("SET k x PX 1000");
  Run("HSET hash a 1 b 2");
  Run("XADD stream 1-1 f v");
  Run("XGROUP CREATE stream group 0");
  const std::string bytes = Written();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string error = ErrorOf(std::string_view(bytes).substr(0, size));
    EXPECT_EQ(error, "ends too early at byte " + std::to_string(size));
  }
  EXPECT_EQ(ErrorOf(bytes), "");
}

TEST_F(SnapshotTest, EveryFlippedBitIsFound) {
  Run("SET k x PX 100000");
  Run("RPUSH list a b");
  Run("SADD integers 1 2");
  Run("ZADD scores 1 a");
  Run("XADD stream 1-1 f v");
  std::string bytes = Written();
  // This one makes version 11 version 1, which had no checksum.
  constexpr size_t kBitOfVersion = 8 * 7;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    char& byte = bytes[bit / 8];
    const char mask = static_cast<char>(1 << bit % 8);
    byte = static_cast<char>(byte ^ mask);
    EXPECT_EQ(ErrorOf(bytes).empty(), bit == kBitOfVersion) << "bit " << bit;
    byte = static_cast<char>(byte ^ mask);
  }
}

TEST_F(SnapshotTest, AWrongChecksumCanBeIgnored) {
  Run("SET k x");
  std::string bytes = Written();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  EXPECT_THAT(ErrorOf(bytes), StartsWith("has a wrong checksum at byte "));
  SnapshotContent content = Content();
  content.has_checksum = false;
  EXPECT_EQ(ErrorOf(Written(content)), "");
  MemoryInput input(bytes);
  Loaded loaded;
  KeyspaceSink sink(&loaded.keyspace, clock_.NowMs());
  SnapshotRules rules;
  rules.checks_checksum = false;
  EXPECT_EQ(ReadSnapshot(&input, rules, &sink).error, "");
}

// ---- Files of others ---------------------------------------------------------------------------

std::string File(std::string_view version, std::string_view items) {
  return "REDIS" + std::string(version) + std::string(items) + "\xff" + std::string(8, '\0');
}
template <size_t size>
std::string File(std::string_view version, const char (&items)[size]) {
  return File(version, std::string_view(items, size - 1));
}

TEST_F(SnapshotTest, TheHeadSaysWhatTheFileIs) {
  EXPECT_EQ(ErrorOf(File("0009", "")), "");
  EXPECT_EQ(ErrorOf(File("0012", "")), "");
  EXPECT_EQ(ErrorOf("REDIS0001\xff"), "");  // before there were checksums
  EXPECT_THAT(ErrorOf("hello, world"), StartsWith("is no RDB file: wrong signature at byte 0"));
  for (const std::string_view version : {"0000", "0013", "1000", "abcd", "-001", "9999"}) {
    EXPECT_THAT(ErrorOf(File(version, "")),
                StartsWith("has the RDB version " + std::string(version)));
  }
}

TEST_F(SnapshotTest, WhatOthersSayOfKeysAndFilesIsSkipped) {
  const auto loaded = Load(File("0011",
                                "\xfa\x03"
                                "abc\x01x"              // AUX
                                "\xf4\x01\x02\x03"      // slot information
                                "\xfe\x00\xfb\x02\x01"  // database 0, its size
                                "\xf8\x05\xf9\x07"      // idle, frequency
                                "\x00\x01k\x01v"));
  EXPECT_EQ(loaded->read.error, "");
  EXPECT_EQ(loaded->read.keys, 1u);
}

TEST_F(SnapshotTest, DeadlinesInSecondsAreOfTheNextKeyOnly) {
  const auto loaded = Load(File("0003",
                                "\xfd\x01\x00\x00\x00\x00\x01"
                                "a\x01v\x00\x01"
                                "b\x01v"));
  EXPECT_EQ(loaded->read.expired, 1u);
  EXPECT_EQ(loaded->read.keys, 1u);
}

TEST_F(SnapshotTest, WhatModulesKeepBesideTheirKeysIsSkipped) {
  const auto loaded = Load(File("0011",
                                "\xf7\x81\x01\x02\x03\x04\x05\x06\x07\x08"  // module id
                                "\x02\x02\x01\x07\x03"
                                "1234"
                                "\x04"
                                "12345678\x05\x02hi\x00"
                                "\x00\x01k\x01v"));
  EXPECT_EQ(loaded->read.error, "");
  EXPECT_EQ(loaded->read.keys, 1u);
  EXPECT_THAT(ErrorOf(File("0011", "\xf7\x01\x09")), HasSubstr("malformed data of a module"));
}

TEST_F(SnapshotTest, WhatCannotBeLoadedIsSaidWithItsPlace) {
  EXPECT_THAT(ErrorOf(File("0009", "\x07\x01k\x01")), HasSubstr("value of a module"));
  EXPECT_THAT(ErrorOf(File("0010", "\xf6\x01x")), HasSubstr("release candidate"));
  EXPECT_EQ(ErrorOf(File("0009", "\xfe\x20")),
            "has keys of database 32, and there are only 16 at byte 9");
  EXPECT_EQ(ErrorOf(File("0009", "\x1f\x01k")), "has a malformed item at byte 9");
  EXPECT_EQ(ErrorOf(File("0009", "\x00\x01k\xc9")), "has a malformed item at byte 9");
  EXPECT_EQ(ErrorOf(File("0011", "\x0b\x01k\x04oops")),
            "has a malformed value of key 'k' at byte 9");
  // A length of 2^63 bytes takes no memory.
  EXPECT_THAT(ErrorOf(File("0009", "\x00\x01k\x81\x80\x00\x00\x00\x00\x00\x00\x00")),
              StartsWith("ends too early"));
}

}  // namespace
}  // namespace terrace::replication
