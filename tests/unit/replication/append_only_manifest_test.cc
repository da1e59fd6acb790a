#include "replication/append_only_manifest.h"

#include <gtest/gtest.h>

namespace terrace::replication {
namespace {

TEST(AppendOnlyManifest, IsWrittenAsRedisReadsIt) {
  AppendOnlyManifest manifest;
  manifest.base = {"a.aof.2.base.rdb", 2};
  manifest.history = {{"a.aof.1.incr.aof", 1}};
  manifest.increments = {{"a.aof.2.incr.aof", 2}, {"a.aof.3.incr.aof", 3}};
  EXPECT_EQ(manifest.Format(),
            "file a.aof.2.base.rdb seq 2 type b\n"
            "file a.aof.1.incr.aof seq 1 type h\n"
            "file a.aof.2.incr.aof seq 2 type i\n"
            "file a.aof.3.incr.aof seq 3 type i\n");
  EXPECT_EQ(manifest.NextBase(), 3);
  EXPECT_EQ(manifest.NextIncrement(), 4);
}

TEST(AppendOnlyManifest, GivesBackWhatWasWritten) {
  AppendOnlyManifest written;
  written.base = {"with blanks \"and\" 'quotes' \\", 7};
  written.increments = {{"b", 9}};
  AppendOnlyManifest read;
  ASSERT_EQ(read.Parse(written.Format()), "");
  EXPECT_EQ(read.Format(), written.Format());
  EXPECT_EQ(read.base->name, written.base->name);
}

TEST(AppendOnlyManifest, CommentsAndLaterFieldsAreLeftOut) {
  AppendOnlyManifest manifest;
  EXPECT_EQ(manifest.Parse("# made by hand\n\nfile x seq 1 type i startoffset 100\n"), "");
  ASSERT_EQ(manifest.increments.size(), 1u);
  EXPECT_EQ(manifest.increments[0].name, "x");
  EXPECT_TRUE(AppendOnlyManifest().empty());
}

TEST(AppendOnlyManifest, WhatIsWrongIsSaidAndChangesNothing) {
  AppendOnlyManifest manifest;
  ASSERT_EQ(manifest.Parse("file x seq 1 type b\n"), "");
  for (const char* bad : {"file y seq 1", "file seq 1 type", "file ../y seq 1 type i",
                          "file .. seq 1 type i", "file y seq 0 type i", "file y seq x type i",
                          "file y seq 1 type z", "file y seq 2 type i\nfile z seq 1 type i",
                          "file y seq 1 type b\nfile z seq 2 type b", "file \"y seq 1 type i"}) {
    EXPECT_NE(manifest.Parse(bad), "") << bad;
    EXPECT_EQ(manifest.base->name, "x");
  }
}

}  // namespace
}  // namespace terrace::replication
