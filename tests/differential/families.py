"""families: the one place that says which commands the differential tests play, and how often.

To cover another family, add a list of (weight, template[, pause_ms[, damage_share]]) here and name
it in the `tables` of a test. Templates are explained in generator.py, {names} in pools.py.
"""

STRINGS = [
    (30, 'GET {key}'),
    (25, 'SET {key} {value}'),
    (25, 'SET {key} {value} {set_options}'),
    (8, 'SETNX {key} {value}'),
    (6, 'SETEX {key} {ttl_s} {value}'),
    (6, 'PSETEX {key} {ttl_ms} {value}'),
    (8, 'GETSET {key} {value}'),
    (6, 'GETDEL {key}'),
    (10, 'GETEX {key} {getex_options}'),
    (14, 'APPEND {key} {value}'),
    (10, 'STRLEN {key}'),
    (12, 'SETRANGE {key} {offset} {value}'),
    (12, 'GETRANGE|SUBSTR {key} {read_offset} {read_offset}'),
    (12, 'INCR|DECR {key}'),
    (16, 'INCRBY|DECRBY {key} {integer}'),
    (16, 'INCRBYFLOAT {key} {float}'),
    (12, 'MGET {keys}'),
    (10, 'MSET {pairs}'),
    (5, 'MSETNX {pairs}'),
    (8, 'LCS {key} {key} {lcs_options}'),
    (1, 'SET {key} {value} PX {short_ms}', 6),
    (1, 'PSETEX {key} {short_ms} {value}', 6),
    (1, 'GETEX {key} PX {short_ms}', 6),
]

BITS = [
    (10, 'SETBIT {key} {write_bit} {bit}'),
    (8, 'GETBIT {key} {read_offset}'),
    (10, 'BITCOUNT {key} {bit_range}'),
    (10, 'BITPOS {key} {bit} {bit_range}'),
    (6, 'BITOP {bit_operation} {key} {keys}'),
    (10, 'BITFIELD {key} {field_operations}'),
    (5, 'BITFIELD_RO {key} {field_reads}'),
    (1, 'BITFIELD_RO {key} {field_operations}'),
]

KEYS = [
    (14, 'DEL|UNLINK {keys}'),
    (10, 'EXISTS|TOUCH {keys}'),
    (8, 'TYPE {key}'),
    (8, 'EXPIRE {key} {ttl_s} {expire_condition}'),
    (8, 'PEXPIRE {key} {ttl_ms} {expire_condition}'),
    (8, 'EXPIREAT {key} {at_s} {expire_condition}'),
    (8, 'PEXPIREAT {key} {at_ms} {expire_condition}'),
    (1, 'PEXPIRE {key} {short_ms}', 6),
    (16, 'TTL|PTTL|EXPIRETIME|PEXPIRETIME {key}'),
    (6, 'PERSIST {key}'),
    (6, 'RENAME|RENAMENX {key} {key}'),
    (6, 'COPY {key} {key} {copy_options}'),
    (4, 'MOVE {key} {database}'),
    (2, 'RANDOMKEY'),
    (5, 'KEYS {pattern}'),
    (2, 'SCAN {bad_cursor} {scan_options}'),
    (4, '@scan SCAN {whole_scan_options}'),
    (14, 'OBJECT ENCODING {key}'),
    (2, 'OBJECT REFCOUNT|IDLETIME|FREQ {key}'),
    (1, 'OBJECT HELP'),
    (1, 'OBJECT {object_junk} {key}'),
    (6, '@transplant {key} {key} {transplant_options}'),
    (2, 'RESTORE {key} 0 {bad_payload} {restore_options}'),
    (2, 'SORT {key}'),
]

SERVER = [
    (6, 'SELECT {database}'),
    (4, 'DBSIZE'),
    (1, 'FLUSHDB {flush_option}'),
    (1, 'FLUSHALL {flush_option}'),
    (2, 'SWAPDB {database} {database}'),
    (2, 'PING'),
    (2, 'PING {value}'),
    (2, 'ECHO {value}'),
    (1, 'TIME'),
    (1, 'COMMAND COUNT'),
    (3, '{unknown} {junks}'),
]

HASHES = [
    (20, 'HSET {key} {field_values}'),
    (6, 'HMSET {key} {field_values}'),
    (6, 'HSETNX {key} {field} {small_value}'),
    (16, 'HGET {key} {field}'),
    (10, 'HMGET {key} {fields}'),
    (10, 'HGETALL|HKEYS|HVALS {key}'),
    (10, 'HLEN {key}'),
    (8, 'HEXISTS|HSTRLEN {key} {field}'),
    (10, 'HDEL {key} {fields}'),
    (12, 'HINCRBY {key} {field} {integer}'),
    (12, 'HINCRBYFLOAT {key} {field} {float}'),
    (2, 'HSET {key} {many_field_values}'),
    (4, 'HRANDFIELD {key} {picks}'),
    (2, 'HRANDFIELD {key}'),
    (4, 'HRANDFIELD {key} {picks} WITHVALUES'),
    (3, 'HSCAN {key} {bad_cursor} {scan_options}'),
    (6, 'OBJECT ENCODING {key}'),
    (6, 'DEL {key}'),
]

# Deadlines of fields, which Redis has since 7.4. None passes during a run: Redis still counts
# expired fields for a while, Terrace never does.
HASH_DEADLINES = [
    (8, 'HEXPIRE {key} {ttl_s} {expire_condition} {counted_fields}'),
    (8, 'HPEXPIRE {key} {ttl_ms} {expire_condition} {counted_fields}'),
    (8, 'HEXPIREAT {key} {at_s} {expire_condition} {counted_fields}'),
    (8, 'HPEXPIREAT {key} {at_ms} {expire_condition} {counted_fields}'),
    (10, 'HTTL|HPTTL|HEXPIRETIME|HPEXPIRETIME {key} {counted_fields}'),
    (6, 'HPERSIST {key} {counted_fields}'),
]

SETS = [
    (20, 'SADD {key} {members}'),
    (10, 'SREM {key} {members}'),
    (8, 'SISMEMBER {key} {member}'),
    (6, 'SMISMEMBER {key} {members}'),
    (10, 'SCARD|SMEMBERS {key}'),
    (8, 'SMOVE {key} {key} {member}'),
    (8, 'SUNION|SINTER|SDIFF {keys}'),
    (8, 'SUNIONSTORE|SINTERSTORE|SDIFFSTORE {key} {keys}'),
    (5, 'SINTERCARD {counted_keys} {card_limit}'),
    (2, 'SADD {key} {many_numbers}'),
    (2, 'SADD {key} {many_members}'),
    (2, 'SPOP {key} {pop_all}'),
    (5, 'SRANDMEMBER {key} {picks}'),
    (3, 'SRANDMEMBER {key}'),
    (3, 'SSCAN {key} {bad_cursor} {scan_options}'),
    (6, 'OBJECT ENCODING {key}'),
    (6, 'DEL {key}'),
]

ZSETS = [
    (20, 'ZADD {key} {scored_members}'),
    (14, 'ZADD {key} {zadd_options} {scored_members}'),
    (6, 'ZADD {key} {equal_scores}'),
    (10, 'ZINCRBY {key} {score} {member}'),
    (8, 'ZSCORE {key} {member}'),
    (6, 'ZMSCORE {key} {members}'),
    (8, 'ZRANK|ZREVRANK {key} {member}', 0, 0.0),  # takes one argument more since Redis 7.2
    (6, 'ZCARD {key}'),
    (8, 'ZREM {key} {members}'),
    (8, 'ZCOUNT {key} {score_bound} {score_bound}'),
    (20, 'ZRANGE {key} {range_and_options}'),
    (8, 'ZREVRANGE {key} {index} {index} {with_scores}'),
    (10, 'ZRANGEBYSCORE|ZREVRANGEBYSCORE {key} {score_bound} {score_bound} {score_range_options}'),
    (8, 'ZRANGESTORE {key} {key} {range_and_options}'),
    (4, 'ZREMRANGEBYRANK {key} {index} {index}'),
    (4, 'ZREMRANGEBYSCORE {key} {score_bound} {score_bound}'),
    (6, 'ZPOPMIN|ZPOPMAX {key} {pop_count}'),
    (6, 'ZMPOP {counted_keys} {min_or_max} {multi_pop_count}'),
    (8, 'ZUNION|ZINTER {counted_keys} {combine_options} {with_scores}'),
    (4, 'ZDIFF {counted_keys} {with_scores}'),
    (8, 'ZUNIONSTORE|ZINTERSTORE {key} {counted_keys} {combine_options}'),
    (4, 'ZDIFFSTORE {key} {counted_keys}'),
    (4, 'ZINTERCARD {counted_keys} {card_limit}'),
    (2, 'ZADD {key} {many_scored_members}'),
    (4, 'ZRANDMEMBER {key} {picks}'),
    (2, 'ZRANDMEMBER {key}'),
    (4, 'ZRANDMEMBER {key} {picks} WITHSCORES'),
    (3, 'ZSCAN {key} {bad_cursor} {scan_options}'),
    (6, 'OBJECT ENCODING {key}'),
    (6, 'DEL {key}'),
    (4, 'SADD {key} {members}'),
]

# Ranges by text only make sense where all scores are equal: no damaged ZADD here.
ZSETS_BY_TEXT = [
    (20, 'ZADD {key} {equal_scores}', 0, 0.0),
    (10, 'ZRANGEBYLEX|ZREVRANGEBYLEX {key} {lex_bound} {lex_bound} {lex_range_options}'),
    (8, 'ZRANGE {key} {text_range_and_options}'),
    (4, 'ZRANGESTORE {key} {key} {text_range_and_options}'),
    (6, 'ZLEXCOUNT {key} {lex_bound} {lex_bound}'),
    (3, 'ZREMRANGEBYLEX {key} {lex_bound} {lex_bound}'),
    (4, 'DEL {key}'),
    (2, 'SET {key} {value}'),
]

# Redis 7.2 has an option more.
ZSETS_72 = [
    (8, 'ZRANK|ZREVRANK {key} {member} WITHSCORE'),
    (8, 'ZADD {key} {scored_members}'),
]

GEO = [
    (20, 'GEOADD {key} {geoadd_options} {positions}'),
    (6, 'GEOPOS {key} {members}'),
    (6, 'GEOHASH {key} {members}'),
    (8, 'GEODIST {key} {member} {member} {any_unit}'),
    (20, 'GEOSEARCH {key} {geo_center} {geo_shape} {geo_options}'),
    (8, 'GEOSEARCHSTORE {key} {key} {geo_center} {geo_shape} {geo_store_options}'),
    (6, 'GEORADIUS|GEORADIUS_RO {key} {longitude} {latitude} {length} {unit} {geo_options}'),
    (6, 'GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO {key} {member} {length} {unit} {geo_options}'),
    (2, 'GEORADIUS {key} {longitude} {latitude} {length} {unit} {radius_store}'),
    (2, 'GEORADIUSBYMEMBER {key} {member} {length} {unit} {radius_store}'),
    (4, 'ZRANGE {key} 0 -1 WITHSCORES'),
    (2, 'ZREM {key} {member}'),
    (4, 'DEL {key}'),
    (1, 'SADD {key} {members}'),
]

# Strings, for the same purpose among the other types.
STRINGS_BETWEEN = [
    (4, 'SET {key} {value}'),
]

# A few members of the other types, so that commands meet keys of the wrong type.
OTHER_TYPES = [
    (3, 'RPUSH {key} {values}'),
    (3, 'SADD {key} {values}'),
    (3, 'HSET {key} {value} {value}'),
    (3, 'ZADD {key} 1 {value}'),
]
