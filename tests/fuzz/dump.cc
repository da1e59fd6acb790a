// The payload of RESTORE comes from clients and from upstream servers. What is accepted is walked,
// changed and dumped again by the commands of its type. The footer is not part of the input, so
// that the fuzzer works on the decoder and not on the checksum.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "restored_value.h"

namespace {

using Lines = std::vector<std::string_view>;

struct Commands {
  std::string_view type;
  Lines reads;
  Lines changes;
};

const Commands kCommands[] = {
    {"string",
     {"GET k", "STRLEN k", "GETRANGE k 1 -2", "BITCOUNT k", "BITPOS k 1", "GETBIT k 7", "LCS k k",
      "BITFIELD_RO k GET u8 0", "PFCOUNT k", "OBJECT ENCODING k", "GETEX k"},
     {"PFADD k a b", "PFMERGE k k", "INCR k", "INCRBYFLOAT k 1.5", "SETBIT k 77 1", "APPEND k tail",
      "SETRANGE k 3 middle", "BITFIELD k INCRBY u8 #2 200", "BITOP NOT other k", "SETBIT k 5 0"}},
    {"list",
     {"LRANGE k 0 -1", "LLEN k", "LINDEX k 1", "LINDEX k -2", "LPOS k a COUNT 0",
      "LPOS k a RANK -1", "SORT k ALPHA", "SORT k LIMIT 0 3", "OBJECT ENCODING k"},
     {"LPUSH k head", "RPUSH k tail 12345", "LINSERT k BEFORE tail middle", "LSET k 0 other",
      "LSET k -1 -70000", "LREM k 1 a", "LREM k -1 tail", "LMOVE k k LEFT RIGHT",
      "RPOPLPUSH k other", "LTRIM k 1 -2", "LPOP k 2", "RPOP k"}},
    {"set",
     {"SMEMBERS k", "SCARD k", "SISMEMBER k 1", "SMISMEMBER k a 77", "SRANDMEMBER k 3",
      "SRANDMEMBER k -3", "SSCAN k 0", "SUNION k k", "SINTER k k", "SDIFF k other", "SORT k ALPHA",
      "SINTERCARD 2 k k", "OBJECT ENCODING k"},
     {"SADD k 7", "SADD k 70000", "SADD k 5000000000", "SADD k text", "SREM k 1", "SREM k a",
      "SMOVE k other 7", "SUNIONSTORE k k other", "SDIFFSTORE other k k", "SPOP k 2", "SPOP k"}},
    {"zset",
     {"ZRANGE k 0 -1 WITHSCORES",
      "ZREVRANGE k 0 -1",
      "ZRANGE k -inf +inf BYSCORE",
      "ZCARD k",
      "ZRANGE k - + BYLEX",
      "ZSCORE k a",
      "ZRANK k a",
      "ZREVRANK k b",
      "ZCOUNT k -1 1.5",
      "ZLEXCOUNT k - +",
      "ZMSCORE k a b",
      "ZRANDMEMBER k 3 WITHSCORES",
      "ZSCAN k 0",
      "ZUNION 2 k k WITHSCORES",
      "ZINTER 2 k k",
      "ZDIFF 2 k other",
      "SORT k ALPHA",
      "GEOPOS k a b",
      "GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 20000 km ASC",
      "GEOHASH k a",
      "OBJECT ENCODING k"},
     {"ZADD k 1.5 a", "ZADD k XX GT 3 b", "ZINCRBY k -7 a", "ZADD k inf new", "ZREM k b",
      "ZRANGESTORE other k 0 2", "ZUNIONSTORE k 2 k other WEIGHTS 2 -1", "ZREMRANGEBYRANK k 0 0",
      "ZREMRANGEBYSCORE k 0 1", "ZREMRANGEBYLEX k [x +", "ZPOPMIN k", "ZPOPMAX k 2"}},
    {"hash",
     {"HGETALL k", "HKEYS k", "HVALS k", "HLEN k", "HGET k a", "HMGET k a f1", "HEXISTS k f1",
      "HSTRLEN k f1", "HRANDFIELD k 3 WITHVALUES", "HSCAN k 0", "HPTTL k FIELDS 2 a f1",
      "HEXPIRETIME k FIELDS 2 a f1", "OBJECT ENCODING k"},
     {"HSET k a 1", "HSET k f1 longer-than-it-was", "HSETNX k new 7", "HINCRBY k a 5",
      "HINCRBYFLOAT k a 0.5", "HEXPIRE k 100 FIELDS 1 a", "HPEXPIRE k 1 GT FIELDS 1 f1",
      "HPERSIST k FIELDS 1 a", "HPEXPIREAT k 1 FIELDS 1 new", "HDEL k f1"}},
    {"stream",
     {"XRANGE k - +", "XREVRANGE k + - COUNT 3", "XLEN k", "XREAD STREAMS k 0", "XINFO STREAM k",
      "XINFO STREAM k FULL COUNT 0", "XINFO GROUPS k", "XPENDING k GROUP-NAME"},
     {"XADD k * f v", "XDEL k ID", "XACK k GROUP-NAME ID", "XTRIM k MAXLEN ~ 3",
      "XREADGROUP GROUP GROUP-NAME me COUNT 2 STREAMS k >", "XTRIM k MAXLEN 2"}},
};

// The limits decide whether a value keeps the encoding it came in.
terrace::keyspace::EncodingLimits LimitsFor(size_t choice) {
  terrace::keyspace::EncodingLimits limits;
  if (choice % 2 == 0) return limits;
  limits.hash_max_listpack_entries = 2;
  limits.set_max_intset_entries = 2;
  limits.set_max_listpack_entries = 2;
  limits.zset_max_listpack_entries = 2;
  limits.list_max_listpack_size = 2;
  limits.stream_node_max_entries = 2;
  limits.hll_sparse_max_bytes = 100;
  return limits;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const size_t choice = size == 0 ? 0 : size + data[size - 1];
  terrace::commands::RestoredValue value(body, LimitsFor(choice));
  if (!value.is_accepted()) return 0;
  for (const Commands& commands : kCommands) {
    if (commands.type != value.type()) continue;
    value.CheckCopies();
    value.Play(commands.reads);
    value.Play(commands.changes, choice);
    value.Play(commands.reads);
    value.CheckCopies();
    break;
  }
  value.CheckAccount();
  return 0;
}
