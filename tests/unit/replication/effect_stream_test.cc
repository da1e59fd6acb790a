#include "replication/effect_stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace terrace::replication {
namespace {

class Listener : public Follower {
 public:
  void OnEffects(const Told& told) override {
    heard += told.all;
    lasting += told.lasting;
    offset = told.offset;
  }
  std::string heard, lasting;
  int64_t offset = 0;
};

std::string Words(std::string text) {
  // "SET a 1" as RESP, line by line.
  std::string bulks;
  size_t count = 0;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    bulks += "$" + std::to_string(end - at) + "\r\n" + text.substr(at, end - at) + "\r\n";
    ++count;
    at = end + 1;
  }
  return "*" + std::to_string(count) + "\r\n" + bulks;
}

TEST(EffectStream, SelectsWhereTheDatabaseChangesAndForWhoIsNew) {
  EffectStream stream("id");
  const auto first = std::make_shared<Listener>();
  stream.Append({0, {"SET", "unheard", "1"}});
  EXPECT_EQ(stream.offset(), 0);
  stream.Follow(first);
  stream.Append({0, {"SET", "a", "1"}});
  stream.Append({0, {"SET", "a", "2"}});
  stream.Append({3, {"DEL", "b"}});
  stream.Append({-1, {"PING"}});
  const std::string heard = Words("SELECT 0") + Words("SET a 1") + Words("SET a 2") +
                            Words("SELECT 3") + Words("DEL b") + Words("PING");
  EXPECT_EQ(first->heard, heard);
  EXPECT_EQ(stream.offset(), static_cast<int64_t>(heard.size()));
  const auto second = std::make_shared<Listener>();
  stream.Follow(second);
  stream.Append({3, {"DEL", "c"}});
  EXPECT_EQ(second->heard, Words("SELECT 3") + Words("DEL c"));
}

TEST(EffectStream, WhatHappenedAsOneIsATransaction) {
  EffectStream stream("id");
  const auto listener = std::make_shared<Listener>();
  stream.Follow(listener);
  const Effect unit[] = {{1, {"INCR", "a"}}, {2, {"INCR", "b"}}};
  stream.Append(unit);
  EXPECT_EQ(listener->heard, Words("MULTI") + Words("SELECT 1") + Words("INCR a") +
                                 Words("SELECT 2") + Words("INCR b") + Words("EXEC"));
}

TEST(EffectStream, MessagesAreNotPartOfWhatLasts) {
  EffectStream stream("id");
  const auto listener = std::make_shared<Listener>();
  stream.Follow(listener);
  stream.Append({2, {"PUBLISH", "news", "x"}, false});
  const Effect unit[] = {{2, {"INCR", "a"}}, {2, {"PUBLISH", "news", "y"}, false}};
  stream.Append(unit);
  stream.Append({-1, {"PING"}, false});
  stream.Append({2, {"INCR", "b"}});
  EXPECT_EQ(listener->heard, Words("SELECT 2") + Words("PUBLISH news x") + Words("MULTI") +
                                 Words("INCR a") + Words("PUBLISH news y") + Words("EXEC") +
                                 Words("PING") + Words("INCR b"));
  // In the same database, though only a message made it known.
  EXPECT_EQ(listener->lasting, Words("SELECT 2") + Words("INCR a") + Words("INCR b"));
  EXPECT_EQ(listener->offset, static_cast<int64_t>(listener->heard.size()));
}

TEST(EffectStream, SaysItsDatabaseAgainWhenAsked) {
  EffectStream stream("id");
  const auto listener = std::make_shared<Listener>();
  stream.Follow(listener);
  stream.Append({0, {"INCR", "a"}});
  stream.SelectAgain();
  stream.Append({0, {"INCR", "a"}});
  EXPECT_EQ(listener->heard,
            Words("SELECT 0") + Words("INCR a") + Words("SELECT 0") + Words("INCR a"));
}

TEST(EffectStream, IsFollowedWhileSomebodyFollows) {
  EffectStream stream("id");
  const auto listener = std::make_shared<Listener>();
  EXPECT_FALSE(stream.is_followed());
  stream.Follow(listener);
  EXPECT_TRUE(stream.is_followed());
  stream.Unfollow(listener.get());
  EXPECT_FALSE(stream.is_followed());
  stream.Append({0, {"SET", "a", "1"}});
  EXPECT_EQ(listener->heard, "");
}

}  // namespace
}  // namespace terrace::replication
