#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc64.h"
#include "base/rng.h"
#include "keyspace/dump.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/writer.h"
#include "keyspace/types/hash.h"
#include "keyspace/types/list.h"
#include "keyspace/types/set.h"
#include "keyspace/types/stream.h"
#include "keyspace/types/zset.h"
#include "unit/support/redis_server.h"

namespace terrace::keyspace {
namespace {

using test::RedisServer;

std::string WithOurFooter(std::string body) {
  body.append("\x0b\x00", 2);
  const uint64_t checksum = base::Crc64(body);
  for (int shift = 0; shift < 64; shift += 8) body.push_back(static_cast<char>(checksum >> shift));
  return body;
}

DumpValue DecodeValue(const std::string& payload) {
  DumpValue value;
  EXPECT_EQ(DecodeDump(payload, EncodingLimits{}, &value), DumpStatus::kOk);
  return value;
}

DumpStatus StatusOf(const std::string& body) {
  DumpValue value;
  return DecodeDump(WithOurFooter(body), EncodingLimits{}, &value);
}

std::string RandomText(base::Rng* rng) {
  switch (rng->Below(6)) {
    case 0:
      return std::to_string(static_cast<int64_t>(rng->Next() >> rng->Below(64)));
    case 1:
      return "-" + std::to_string(rng->Below(70000));
    case 2:
      return std::string(rng->Below(200), 'z') + std::to_string(rng->Below(1000));
    default: {
      std::string text(rng->Below(20), '\0');
      for (char& byte : text) byte = static_cast<char>(rng->Next());
      return text + std::to_string(rng->Next());
    }
  }
}

// A key of a random type, size and shape in a real Redis.
void Populate(base::Rng* rng, RedisServer* redis) {
  static constexpr const char* kCommands[] = {"RPUSH", "SADD", "SADD", "HSET", "ZADD"};
  const size_t kind = rng->Below(5);
  const bool only_numbers = kind == 2;
  const size_t count = rng->Below(2) == 0 ? rng->Below(20) + 1 : rng->Below(700) + 1;
  redis->Call({"DEL", "k"});
  for (size_t i = 0; i < count; ++i) {
    std::vector<std::string> command = {kCommands[kind], "k"};
    if (kind == 4) {
      command.push_back(rng->Below(9) == 0 ? "-inf" : std::to_string(rng->Unit() * 1e6 - 5e5));
    }
    command.push_back(only_numbers ? std::to_string(rng->Below(100000)) : RandomText(rng));
    if (kind == 3) command.push_back(RandomText(rng));
    redis->Call(command);
  }
  if (rng->Below(10) == 0 && kind == 0) redis->Call({"LPUSH", "k", std::string(30000, 'L')});
}

TEST(DumpObjects, ComeBackFromRedisAsTheyLeftIt) {
  const auto redis = RedisServer::Start({"--enable-debug-command", "yes"});
  if (redis == nullptr) GTEST_SKIP() << "no redis-server";
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Rng rng(seed);
    Populate(&rng, redis.get());
    const std::string type = redis->Call({"TYPE", "k"}).text;
    const DumpValue value = DecodeValue(redis->Call({"DUMP", "k"}).text);
    ASSERT_NE(value.object, nullptr);
    EXPECT_EQ(TypeName(value.type()), type);
    // Redis 7.0 has no listpacks for lists and sets yet.
    if (type == "hash" || type == "zset") {
      EXPECT_EQ(redis->Call({"OBJECT", "ENCODING", "k"}).text, value.object->encoding());
    }
    const std::string encoded = EncodeDump(*value.object, DumpReader::kRedis5);
    ASSERT_EQ(redis->Call({"RESTORE", "copy", "0", encoded, "REPLACE"}).text, "OK");
    const test::RedisReply digests = redis->Call({"DEBUG", "DIGEST-VALUE", "k", "copy"});
    EXPECT_EQ(digests.elements.at(0).text, digests.elements.at(1).text) << type;
    const DumpValue again = DecodeValue(encoded);
    EXPECT_EQ(again.object->size(), value.object->size());
    EXPECT_EQ(again.object->encoding(), value.object->encoding());
  }
}

void PopulateStream(base::Rng* rng, RedisServer* redis) {
  redis->Call({"DEL", "k"});
  redis->Call({"XGROUP", "CREATE", "k", "first group", "0", "MKSTREAM"});
  redis->Call({"XGROUP", "CREATE", "k", "second group", "$"});
  const size_t count = rng->Below(400);
  for (size_t i = 1; i <= count; ++i) {
    redis->Call({"XADD", "k", std::to_string(i * 3) + "-" + std::to_string(rng->Below(9)),
                 rng->Below(3) == 0 ? RandomText(rng) : "field", RandomText(rng)});
    if (rng->Below(6) == 0) {
      redis->Call({"XREADGROUP", "GROUP", "first group",
                   "consumer " + std::to_string(rng->Below(4)), "COUNT",
                   std::to_string(rng->Below(8) + 1), "STREAMS", "k", ">"});
    }
    if (rng->Below(8) == 0) {
      const std::string id = std::to_string(rng->Below(i * 3)) + "-1";
      redis->Call({rng->Below(2) == 0 ? "XDEL" : "DEL nothing", "k", id});
      redis->Call({"XACK", "k", "first group", id});
    }
    if (rng->Below(60) == 0) redis->Call({"XTRIM", "k", "MAXLEN", "~", "120"});
  }
}

TEST(DumpObjects, KeepsAllThatRedisKnowsOfAStream) {
  const auto redis = RedisServer::Start({"--enable-debug-command", "yes"});
  if (redis == nullptr) GTEST_SKIP() << "no redis-server";
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Rng rng(seed);
    PopulateStream(&rng, redis.get());
    const DumpValue value = DecodeValue(redis->Call({"DUMP", "k"}).text);
    ASSERT_EQ(value.type(), Type::kStream);
    const std::string encoded = EncodeDump(*value.object, DumpReader::kRedis70);
    ASSERT_EQ(redis->Call({"RESTORE", "copy", "0", encoded, "REPLACE"}).Print(), "+OK");
    EXPECT_EQ(redis->Call({"XINFO", "STREAM", "k", "FULL", "COUNT", "0"}).Print(),
              redis->Call({"XINFO", "STREAM", "copy", "FULL", "COUNT", "0"}).Print());
    // For an older reader the counters are left out, the entries and groups are not.
    const std::string plain = EncodeDump(*value.object, DumpReader::kRedis5);
    ASSERT_EQ(redis->Call({"RESTORE", "copy", "0", plain, "REPLACE"}).Print(), "+OK");
    EXPECT_EQ(redis->Call({"XRANGE", "k", "-", "+"}).Print(),
              redis->Call({"XRANGE", "copy", "-", "+"}).Print());
    EXPECT_EQ(redis->Call({"XPENDING", "k", "first group"}).Print(),
              redis->Call({"XPENDING", "copy", "first group"}).Print());
    EXPECT_EQ(EncodeDump(*DecodeValue(encoded).object, DumpReader::kRedis72),
              EncodeDump(*value.object, DumpReader::kRedis72));
  }
}

// Blocks that Redis no longer writes, built by hand.
std::string LittleEndian(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

std::string Ziplist(const std::vector<std::string>& encoded_entries) {
  std::string body;
  size_t previous = 0;
  size_t last_at = 10;
  for (const std::string& entry : encoded_entries) {
    last_at = 10 + body.size();
    const std::string prefix =
        previous < 254 ? LittleEndian(previous, 1) : "\xfe" + LittleEndian(previous, 4);
    body += prefix + entry;
    previous = prefix.size() + entry.size();
  }
  return LittleEndian(body.size() + 11, 4) + LittleEndian(last_at, 4) +
         LittleEndian(encoded_entries.size(), 2) + body + "\xff";
}

std::string ZiplistText(std::string_view text) {
  if (text.size() < 64) return LittleEndian(text.size(), 1) + std::string(text);
  return std::string{static_cast<char>(0x40 | text.size() >> 8), static_cast<char>(text.size())} +
         std::string(text);
}

const std::vector<std::string>& ZiplistSamples() {
  static const std::vector<std::string> samples = {
      ZiplistText("f1"),
      "\xf1",  // 0
      ZiplistText("f2"),
      "\xfd",  // 12
      ZiplistText("f3"),
      "\xfe" + LittleEndian(static_cast<uint64_t>(-100), 1),
      ZiplistText("f4"),
      "\xc0" + LittleEndian(static_cast<uint64_t>(-30000), 2),
      ZiplistText("f5"),
      "\xf0" + LittleEndian(static_cast<uint64_t>(-8000000), 3),
      ZiplistText("f6"),
      "\xd0" + LittleEndian(static_cast<uint64_t>(-2000000000), 4),
      ZiplistText(std::string(300, 'f')),
      "\xe0" + LittleEndian(static_cast<uint64_t>(-9000000000000), 8),
      ZiplistText("f8"),
      ZiplistText("77.5"),
  };
  return samples;
}

std::string Tagged(uint8_t tag, std::string_view block) {
  std::string body;
  rdb::Writer writer(&body);
  writer.Byte(tag);
  writer.String(block);
  return body;
}

TEST(DumpObjects, ReadsWhatOlderServersWrote) {
  const auto redis = RedisServer::Start({"--enable-debug-command", "yes"});
  if (redis == nullptr) GTEST_SKIP() << "no redis-server";
  // The members of a sorted set stand in the order of their scores.
  const std::string ordered =
      Ziplist({ZiplistText("a"), "\xfe" + LittleEndian(0x9c, 1), ZiplistText("b"), "\xf1",
               ZiplistText("c"), ZiplistText("1.5"), ZiplistText("d"), "\xfd"});
  const std::string zipmap = std::string("\x02\x01") + "a\x02\x01" + "xy_\x03" + "abc" +
                             std::string("\x00\x00", 2) + "\xff";
  std::string quicklist = Tagged(rdb::kListQuicklistTag, "");
  quicklist.back() = 2;  // two nodes
  rdb::Writer writer(&quicklist);
  writer.String(Ziplist(ZiplistSamples()));
  writer.String(Ziplist({ZiplistText("last")}));
  std::string text_scores = {rdb::kZsetTextTag, 3};
  text_scores += std::string("\x01") + "a\xff" + "\x01" + "b\xfe" + "\x01" + "c\x04" + "1e-3";
  const std::pair<const char*, std::string> cases[] = {
      {"list", Tagged(rdb::kListZiplistTag, Ziplist(ZiplistSamples()))},
      {"list", quicklist},
      {"hash", Tagged(rdb::kHashZiplistTag, Ziplist(ZiplistSamples()))},
      {"hash", Tagged(rdb::kHashZipmapTag, zipmap)},
      {"zset", Tagged(rdb::kZsetZiplistTag, ordered)},
      {"zset", text_scores},
  };
  for (const auto& [type, body] : cases) {
    SCOPED_TRACE(std::string(type) + " " + std::to_string(body[0]));
    const std::string versioned = body + std::string("\x09\x00", 2);
    const std::string old = versioned + LittleEndian(base::Crc64(versioned), 8);
    ASSERT_EQ(redis->Call({"RESTORE", "k", "0", old, "REPLACE"}).Print(), "+OK");
    EXPECT_EQ(redis->Call({"TYPE", "k"}).text, type);
    const DumpValue value = DecodeValue(old);
    ASSERT_NE(value.object, nullptr);
    EXPECT_EQ(TypeName(value.type()), type);
    const std::string encoded = EncodeDump(*value.object, DumpReader::kRedis5);
    ASSERT_EQ(redis->Call({"RESTORE", "copy", "0", encoded, "REPLACE"}).Print(), "+OK");
    const test::RedisReply digests = redis->Call({"DEBUG", "DIGEST-VALUE", "k", "copy"});
    EXPECT_EQ(digests.elements.at(0).text, digests.elements.at(1).text);
  }
}

TEST(DumpObjects, CarriesTheDeadlinesOfHashFields) {
  const EncodingLimits limits;
  Hash hash;
  hash.Set("forever", "1", limits);
  hash.Set("soon", "2", limits);
  hash.Set("later", "3", limits);
  hash.SetDeadline("soon", 1'700'000'000'000);
  hash.SetDeadline("later", 1'700'000'100'000);
  const std::string payload = EncodeDump(hash, DumpReader::kRedis5);
  EXPECT_EQ(payload[payload.size() - 10], rdb::kVersionOfFieldTtl);
  const DumpValue value = DecodeValue(payload);
  const auto& copy = static_cast<const Hash&>(*value.object);
  EXPECT_EQ(copy.size(), 3u);
  EXPECT_EQ(copy.Deadline("forever", 0), Hash::kNoDeadline);
  EXPECT_EQ(copy.Deadline("soon", 0), 1'700'000'000'000);
  EXPECT_EQ(copy.Deadline("later", 0), 1'700'000'100'000);
}

TEST(DumpObjects, ReadsTheListpacksOfFieldsWithDeadlines) {
  Listpack pack;
  for (const char* text : {"soon", "2", "1700000000000", "forever", "1", "0"}) pack.Append(text);
  std::string body(1, static_cast<char>(rdb::kHashListpackTtlTag));
  rdb::Writer writer(&body);
  writer.Milliseconds(1'700'000'000'000);
  writer.String(pack.bytes());
  const DumpValue value = DecodeValue(WithOurFooter(body));
  const auto& hash = static_cast<const Hash&>(*value.object);
  EXPECT_EQ(hash.Deadline("soon", 0), 1'700'000'000'000);
  EXPECT_EQ(hash.Deadline("forever", 0), Hash::kNoDeadline);
}

TEST(DumpObjects, RefusesValuesThatBreakTheirType) {
  const auto body = [](uint8_t tag, const std::vector<std::string>& strings, uint64_t count) {
    std::string bytes;
    rdb::Writer writer(&bytes);
    writer.Byte(tag);
    writer.Length(count);
    for (const std::string& text : strings) writer.String(text);
    return bytes;
  };
  EXPECT_EQ(StatusOf(body(rdb::kSetTag, {"a", "b"}, 2)), DumpStatus::kOk);
  EXPECT_EQ(StatusOf(body(rdb::kSetTag, {"a", "a"}, 2)), DumpStatus::kBadData);
  EXPECT_EQ(StatusOf(body(rdb::kSetTag, {"a"}, 2)), DumpStatus::kBadData);
  EXPECT_EQ(StatusOf(body(rdb::kHashTag, {"f", "1", "f", "2"}, 2)), DumpStatus::kBadData);
  for (const uint8_t tag : {rdb::kListTag, rdb::kSetTag, rdb::kHashTag, rdb::kZsetTag}) {
    EXPECT_EQ(StatusOf(body(tag, {}, 0)), DumpStatus::kBadData) << int{tag};
    EXPECT_EQ(StatusOf(body(tag, {}, uint64_t{1} << 60)), DumpStatus::kBadData) << int{tag};
  }
  std::string not_a_number = body(rdb::kZsetTag, {"a"}, 1);
  rdb::Writer(&not_a_number).Double(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(StatusOf(not_a_number), DumpStatus::kBadData);
  Listpack odd;
  odd.Append("lonely");
  EXPECT_EQ(StatusOf(Tagged(rdb::kHashListpackTag, odd.bytes())), DumpStatus::kBadData);
  EXPECT_EQ(StatusOf(Tagged(rdb::kZsetListpackTag, odd.bytes())), DumpStatus::kBadData);
}

// A stream of one node whose master id is 5-0, and a group.
struct StreamParts {
  std::vector<int64_t> flags = {0, 0};
  std::vector<int64_t> seqs = {0, 3};
  uint64_t last_seq = 3;
  uint64_t entries_added = 2;
  uint64_t entries_read = 1;
  int64_t time_ms = 1;
};

std::string StreamBody(const StreamParts& parts) {
  Listpack pack;
  for (const int64_t head :
       {static_cast<int64_t>(parts.seqs.size()), int64_t{0}, int64_t{0}, int64_t{0}}) {
    pack.Append(head);
  }
  for (size_t i = 0; i < parts.seqs.size(); ++i) {
    pack.Append(parts.flags[i]);
    for (const int64_t number : {int64_t{0}, parts.seqs[i], int64_t{1}}) pack.Append(number);
    pack.Append("field");
    pack.Append("value");
    pack.Append(int64_t{6});
  }
  std::string body;
  rdb::Writer writer(&body);
  writer.Byte(rdb::kStream3Tag);
  writer.Length(1);
  writer.String(EncodeStreamId({5, 0}));
  writer.String(pack.bytes());
  for (const uint64_t number : {uint64_t{2}, uint64_t{5}, parts.last_seq, uint64_t{5}, uint64_t{0},
                                uint64_t{0}, uint64_t{0}, parts.entries_added, uint64_t{1}}) {
    writer.Length(number);
  }
  writer.String("g");
  for (const uint64_t number : {uint64_t{5}, uint64_t{0}, parts.entries_read, uint64_t{1}}) {
    writer.Length(number);
  }
  writer.Raw(EncodeStreamId({5, 0}));
  writer.Milliseconds(parts.time_ms);
  writer.Length(1);
  writer.Length(1);
  writer.String("c");
  writer.Milliseconds(parts.time_ms);
  writer.Milliseconds(parts.time_ms);
  writer.Length(1);
  writer.Raw(EncodeStreamId({5, 0}));
  return body;
}

TEST(DumpObjects, RefusesStreamsWhoseIdsDoNotAscend) {
  EXPECT_EQ(StatusOf(StreamBody({})), DumpStatus::kOk);
  EXPECT_EQ(StatusOf(StreamBody({.seqs = {3, 3}})), DumpStatus::kBadData);
  EXPECT_EQ(StatusOf(StreamBody({.seqs = {3, 0}})), DumpStatus::kBadData);
  // Behind the last id that was ever given.
  EXPECT_EQ(StatusOf(StreamBody({.last_seq = 2})), DumpStatus::kBadData);
  EXPECT_EQ(StatusOf(StreamBody({.flags = {0, 1}, .last_seq = 2})), DumpStatus::kBadData);
}

TEST(DumpObjects, RefusesStreamFlagsThatCouldNotBeChangedInPlace) {
  EXPECT_EQ(StatusOf(StreamBody({.flags = {4, 8}})), DumpStatus::kOk);
  EXPECT_EQ(StatusOf(StreamBody({.flags = {128, 0}})), DumpStatus::kBadData);
}

TEST(DumpObjects, TakesCountersAndTimesOfStreamsToTheirEndsAndNoFurther) {
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  for (const int64_t time_ms :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    DumpValue value = DecodeValue(WithOurFooter(
        StreamBody({.entries_added = kMost, .entries_read = kMost, .time_ms = time_ms})));
    auto& stream = static_cast<Stream&>(*value.object);
    StreamGroup* group = stream.FindGroup("g");
    ASSERT_NE(group, nullptr);
    EXPECT_EQ(group->FindPending({5, 0})->delivered_at_ms < 0, false);
    EXPECT_LE(group->FindPending({5, 0})->delivered_at_ms, int64_t{1} << 48);
    EXPECT_LE(group->FindConsumer("c")->seen_at_ms, int64_t{1} << 48);
    EXPECT_GE(group->FindConsumer("c")->active_at_ms, kNeverActive);
    stream.Advance(group, {5, 3});
    EXPECT_EQ(group->entries_read, std::numeric_limits<int64_t>::max());
    StreamId id;
    ASSERT_EQ(
        stream.Add({.now_ms = 9}, std::vector<std::string_view>{"f", "v"}, EncodingLimits{}, &id),
        StreamAddStatus::kAdded);
    EXPECT_EQ(stream.counters().entries_added, kMost);
    DecodeValue(EncodeDump(stream, DumpReader::kRedis72));
  }
}

TEST(DumpObjects, SurvivesEveryDamageToAStream) {
  const uint64_t seed = 5;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  Stream stream;
  const EncodingLimits limits;
  StreamId id;
  for (int i = 1; i <= 20; ++i) {
    const std::string_view entry[] = {i % 3 == 0 ? "g" : "f", "value"};
    ASSERT_EQ(stream.Add({.now_ms = i}, entry, limits, &id), StreamAddStatus::kAdded);
  }
  StreamGroup* group = stream.CreateGroup("g", {3, 0}, 3);
  group->Assign({2, 0}, group->CreateConsumer("c", 1), 1, 1);
  const std::string payload = EncodeDump(stream, DumpReader::kRedis72);
  const std::string body = payload.substr(0, payload.size() - rdb::kFooterSize);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = body;
    for (size_t i = rng.Below(3) + 1; i > 0; --i) {
      damaged[rng.Below(damaged.size())] = static_cast<char>(rng.Next());
    }
    DumpValue value;
    if (DecodeDump(WithOurFooter(damaged), limits, &value) != DumpStatus::kOk) continue;
    if (value.type() != Type::kStream) continue;
    auto& decoded = static_cast<Stream&>(*value.object);
    (void)decoded.Add({.now_ms = 1000}, std::vector<std::string_view>{"f", "v"}, limits, &id);
    (void)decoded.Delete({5, 0});
    (void)decoded.Trim({.length_max = 3});
    (void)EncodeDump(decoded, DumpReader::kRedis72);
  }
}

}  // namespace
}  // namespace terrace::keyspace
