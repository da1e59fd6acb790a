#include "keyspace/types/stream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "keyspace/types/stream_reader.h"
#include "unit/support/redis_server.h"

namespace terrace::keyspace {
namespace {

using test::RedisServer;

StreamNewId Given(uint64_t ms, uint64_t seq) {
  return {.kind = StreamNewId::Kind::kGiven, .id = {ms, seq}};
}

StreamAddStatus Add(Stream* stream, const StreamNewId& id, StreamId* added) {
  const std::string_view entry[] = {"f", "v"};
  return stream->Add(id, entry, EncodingLimits{}, added);
}

// As XRANGE and XREVRANGE print.
std::string Print(const Stream& stream, StreamId from, StreamId to,
                  StreamReader::Direction direction) {
  std::string text = "[";
  StreamReader reader(stream, from, to, direction);
  while (reader.Next()) {
    if (text.size() > 1) text += ' ';
    text += "[\"" + reader.id().Text() + "\" [";
    for (size_t i = 0; i < reader.field_count(); ++i) {
      std::string_view field;
      std::string_view value;
      reader.NextField(&field, &value);
      if (i > 0) text += ' ';
      text.append("\"").append(field).append("\" \"").append(value).append("\"");
    }
    text += "]]";
  }
  return text + "]";
}

std::string PrintAll(const Stream& stream) {
  return Print(stream, {}, StreamId::Max(), StreamReader::Direction::kForward);
}

TEST(StreamAdd, TakesTheTimeOrTheNextSequenceWhenTheClockStandsStill) {
  Stream stream;
  StreamId id;
  ASSERT_EQ(Add(&stream, {.now_ms = 5}, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{5, 0}));
  ASSERT_EQ(Add(&stream, {.now_ms = 5}, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{5, 1}));
  ASSERT_EQ(Add(&stream, {.now_ms = 4}, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{5, 2}));
  ASSERT_EQ(Add(&stream, {.now_ms = 6}, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{6, 0}));
}

TEST(StreamAdd, GivesSequencesWithinAGivenMillisecond) {
  Stream stream;
  StreamId id;
  const StreamNewId seven = {.kind = StreamNewId::Kind::kAutoSequence, .id = {7, 0}};
  ASSERT_EQ(Add(&stream, seven, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{7, 0}));
  ASSERT_EQ(Add(&stream, seven, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{7, 1}));
  ASSERT_EQ(Add(&stream, Given(7, UINT64_MAX), &id), StreamAddStatus::kAdded);
  EXPECT_EQ(Add(&stream, seven, &id), StreamAddStatus::kIdTooSmall);
  ASSERT_EQ(Add(&stream, {.now_ms = 7}, &id), StreamAddStatus::kAdded);
  EXPECT_EQ(id, (StreamId{8, 0}));
}

TEST(StreamAdd, RefusesIdsThatAreNotGreaterThanTheLast) {
  Stream stream;
  StreamId id;
  EXPECT_EQ(Add(&stream, Given(0, 0), &id), StreamAddStatus::kIdTooSmall);
  ASSERT_EQ(Add(&stream, Given(9, 9), &id), StreamAddStatus::kAdded);
  EXPECT_EQ(Add(&stream, Given(9, 9), &id), StreamAddStatus::kIdTooSmall);
  EXPECT_EQ(Add(&stream, Given(9, 8), &id), StreamAddStatus::kIdTooSmall);
  ASSERT_EQ(Add(&stream, Given(UINT64_MAX, UINT64_MAX), &id), StreamAddStatus::kAdded);
  EXPECT_EQ(Add(&stream, {.now_ms = 10}, &id), StreamAddStatus::kIdTooSmall);
  EXPECT_EQ(stream.size(), 2u);
}

TEST(StreamGroups, FollowsAnEntryFromOwnerToOwner) {
  Stream stream;
  StreamGroup* group = stream.CreateGroup("g", {}, 0);
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(stream.CreateGroup("g", {}, 0), nullptr);
  StreamConsumer* alice = group->CreateConsumer("alice", 100);
  StreamConsumer* bob = group->CreateConsumer("bob, whose name is longer", 100);
  group->Assign({1, 1}, alice, 100, 1);
  group->Assign({1, 2}, alice, 100, 1);
  group->Assign({1, 1}, bob, 200, 2);
  EXPECT_EQ(alice->pending.size(), 1u);
  EXPECT_EQ(bob->pending.count({1, 1}), 1u);
  EXPECT_EQ(group->FindPending({1, 1})->delivery_count, 2u);

  const auto clone = stream.Clone();
  EXPECT_EQ(group->RemoveConsumer("bob, whose name is longer"), 1u);
  EXPECT_TRUE(group->Forget({1, 2}));
  EXPECT_FALSE(group->Forget({1, 2}));
  EXPECT_TRUE(group->pending().empty());
  StreamGroup* cloned = static_cast<Stream&>(*clone).FindGroup("g");
  EXPECT_EQ(cloned->pending().size(), 2u);
  EXPECT_EQ(cloned->FindPending({1, 1})->owner->name, "bob, whose name is longer");
}

TEST(StreamBytes, ReturnToThoseOfAnEmptyStream) {
  Stream stream;
  const size_t empty = stream.bytes();
  StreamId id;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(Add(&stream, {.now_ms = i + 1}, &id), StreamAddStatus::kAdded);
    StreamGroup* group = stream.CreateGroup("a group with a long name " + std::to_string(i), {}, 0);
    group->Assign(id, group->CreateConsumer("a consumer with a long name", 1), 1, 1);
  }
  EXPECT_GT(stream.bytes(), empty + 1000 * sizeof(StreamGroup));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(stream.RemoveGroup("a group with a long name " + std::to_string(i)));
  }
  EXPECT_EQ(stream.Trim({.length_max = 0}), 1000u);
  EXPECT_EQ(stream.bytes(), empty);
}

std::vector<std::string> RandomEntry(base::Rng* rng) {
  std::vector<std::string> entry;
  if (rng->Below(4) > 0) {
    entry = {"temperature", std::to_string(rng->Below(50)), "place", "p"};
    entry[3] += std::to_string(rng->Below(5));
  } else {
    for (size_t i = rng->Below(3) + 1; i > 0; --i) {
      entry.push_back(std::to_string(rng->Below(3)));
      entry.push_back(std::string(rng->Below(100), 'x'));
    }
  }
  return entry;
}

// The same random life in a real Redis and here.
class Twins {
 public:
  Twins(uint64_t seed, RedisServer* redis, const EncodingLimits& limits)
      : rng_(seed), redis_(redis), limits_(limits) {
    Call({"DEL", "s"});
    Call({"CONFIG", "SET", "stream-node-max-entries",
          std::to_string(limits.stream_node_max_entries)});
    Call({"CONFIG", "SET", "stream-node-max-bytes", std::to_string(limits.stream_node_max_bytes)});
    Call({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"});
    stream_.CreateGroup("g", {}, kEntriesReadUnknown);
  }

  void Step() {
    switch (rng_.Below(12)) {
      case 0:
        return Delete();
      case 1:
        return rng_.Below(3) == 0 ? TrimLength() : TrimMinId();
      case 2:
        return Read();
      default:
        return AddEntry();
    }
  }

  void Compare() {
    ASSERT_EQ(Call({"XRANGE", "s", "-", "+"}).Print(), PrintAll(stream_));
    const StreamId from = RandomId();
    const StreamId to = RandomId();
    ASSERT_EQ(Call({"XRANGE", "s", from.Text(), to.Text()}).Print(),
              Print(stream_, from, to, StreamReader::Direction::kForward));
    ASSERT_EQ(Call({"XREVRANGE", "s", to.Text(), from.Text()}).Print(),
              Print(stream_, from, to, StreamReader::Direction::kBackward));
    const test::RedisReply info = Call({"XINFO", "STREAM", "s"});
    const auto text = [&](size_t index) { return info.elements.at(index).text; };
    ASSERT_EQ(text(1), std::to_string(stream_.size()));
    ASSERT_EQ(text(3), std::to_string(stream_.node_count()));
    ASSERT_EQ(text(5), std::to_string(stream_.CountRadixNodes()));
    ASSERT_EQ(text(7), stream_.counters().last_id.Text());
    ASSERT_EQ(text(9), stream_.counters().max_deleted_id.Text());
    ASSERT_EQ(text(11), std::to_string(stream_.counters().entries_added));
    ASSERT_EQ(text(13), stream_.first_id().Text());
    const test::RedisReply group = Call({"XINFO", "GROUPS", "s"}).elements.at(0);
    const auto number = [](std::optional<int64_t> value) {
      return value.has_value() ? ":" + std::to_string(*value) : "(nil)";
    };
    const StreamGroup& mine = *stream_.FindGroup("g");
    ASSERT_EQ(group.elements.at(9).Print(),
              number(mine.entries_read == kEntriesReadUnknown ? std::nullopt
                                                              : std::optional(mine.entries_read)));
    ASSERT_EQ(group.elements.at(11).Print(), number(stream_.Lag(mine)));
  }

 private:
  test::RedisReply Call(const std::vector<std::string>& args) { return redis_->Call(args); }

  StreamId RandomId() {
    const uint64_t ms = stream_.counters().last_id.ms;
    return {rng_.Below(ms + 2), rng_.Below(4)};
  }

  void AddEntry() {
    last_ms_ += rng_.Below(rng_.Below(30) == 0 ? 100000 : 3);
    const uint64_t seq =
        last_ms_ == stream_.counters().last_id.ms ? stream_.counters().last_id.seq + 1 : 0;
    if (last_ms_ == 0 && seq == 0) return;
    const std::vector<std::string> entry = RandomEntry(&rng_);
    std::vector<std::string> command = {"XADD", "s", StreamId{last_ms_, seq}.Text()};
    command.insert(command.end(), entry.begin(), entry.end());
    const std::vector<std::string_view> views(entry.begin(), entry.end());
    StreamId id;
    ASSERT_EQ(stream_.Add(Given(last_ms_, seq), views, limits_, &id), StreamAddStatus::kAdded);
    ASSERT_EQ(Call(command).text, id.Text());
  }

  void Delete() {
    const StreamId id = rng_.Below(5) == 0 ? stream_.first_id() : RandomId();
    const bool deleted = stream_.Delete(id);
    ASSERT_EQ(Call({"XDEL", "s", id.Text()}).text, deleted ? "1" : "0");
  }

  void TrimLength() {
    const uint64_t length = stream_.size() - rng_.Below(stream_.size() + 1) / 4;
    const bool exact = rng_.Below(2) == 0;
    const uint64_t removed = stream_.Trim(
        {.precision = exact ? StreamTrim::Precision::kExact : StreamTrim::Precision::kWholeNodes,
         .length_max = length,
         .removed_max = exact ? 0u : 20u});
    std::vector<std::string> command = {"XTRIM", "s", "MAXLEN", exact ? "=" : "~",
                                        std::to_string(length)};
    if (!exact) command.insert(command.end(), {"LIMIT", "20"});
    ASSERT_EQ(Call(command).text, std::to_string(removed));
  }

  void TrimMinId() {
    const StreamId first = stream_.first_id();
    const StreamId id = {first.ms + rng_.Below(10), 0};
    const bool exact = rng_.Below(2) == 0;
    const uint64_t removed = stream_.Trim(
        {.by = StreamTrim::By::kMinId,
         .precision = exact ? StreamTrim::Precision::kExact : StreamTrim::Precision::kWholeNodes,
         .min_id = id});
    std::vector<std::string> command = {"XTRIM", "s", "MINID", exact ? "=" : "~", id.Text()};
    if (!exact) command.insert(command.end(), {"LIMIT", "0"});
    ASSERT_EQ(Call(command).text, std::to_string(removed));
  }

  void Read() {
    StreamGroup* group = stream_.FindGroup("g");
    const size_t count = rng_.Below(20) + 1;
    Call({"XREADGROUP", "GROUP", "g", "c", "COUNT", std::to_string(count), "NOACK", "STREAMS", "s",
          ">"});
    const std::optional<StreamId> from = group->last_id.Next();
    StreamReader reader(stream_, *from, StreamId::Max());
    for (size_t i = 0; i < count && reader.Next(); ++i) stream_.Advance(group, reader.id());
  }

  base::Rng rng_;
  RedisServer* redis_;
  EncodingLimits limits_;
  Stream stream_;
  uint64_t last_ms_ = 0;
};

TEST(StreamTwins, LiveTheSameLifeAsInRedis) {
  const auto redis = RedisServer::Start();
  if (redis == nullptr) GTEST_SKIP() << "no redis-server";
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EncodingLimits limits;
    limits.stream_node_max_entries = seed % 4 == 0 ? 0 : seed % 3 == 0 ? 100 : 4;
    limits.stream_node_max_bytes = seed % 4 == 0 ? 300 : 4096;
    Twins twins(seed, redis.get(), limits);
    for (int i = 0; i < 600 && !::testing::Test::HasFatalFailure(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      twins.Step();
      if (i % 5 == 0) twins.Compare();
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace terrace::keyspace
