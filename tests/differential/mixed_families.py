"""mixed_families: commands of all types side by side, on keys of their own type and of others.

Templates are as in families.py; {names} come from pools.py and, first, from collection_pools.py.
Rows without damage: SPOP without its count would remove members by chance, ranges by text may not
meet different scores, and ZRANK takes one argument more since Redis 7.2.
"""

LISTS = [
    (14, 'LPUSH|RPUSH {list} {values}'),
    (4, 'RPUSH {list} {many_values}'),
    (4, 'LPUSHX|RPUSHX {list} {values}'),
    (8, 'LPOP|RPOP {list}'),
    (4, 'LPOP|RPOP {list} {small}'),
    (5, 'LLEN {list}'),
    (8, 'LINDEX {list} {index}'),
    # Its own keys: where it finds no place, Redis makes the list ready for the element even so,
    # which only OBJECT ENCODING would show.
    (2, 'RPUSH {inserted} {values}', 0, 0.0),
    (6, 'LINSERT {inserted} BEFORE|AFTER|before|AROUND {value} {value}'),
    (2, 'LRANGE {inserted} 0 -1', 0, 0.0),
    (1, 'DEL {inserted}', 0, 0.0),
    (6, 'LSET {list} {near_index} {value}', 0, 0.0),  # Redis 7.2 takes the lowest 32 bits
    (6, 'LREM {list} {index} {value}'),
    (12, 'LRANGE {list} {index} {index}'),
    (4, 'LTRIM {list} {index} {index}'),
    (6, 'LPOS {list} {value} {lpos_options}'),
    (5, 'LMOVE {list} {list} LEFT|RIGHT LEFT|RIGHT|left|UP'),
    (4, 'RPOPLPUSH {list} {list}'),
    (4, 'LMPOP {counted_lists} LEFT|RIGHT {count_option}'),
    (3, 'ZADD {sorted_zset} {score_members}', 0, 0.0),
    (1, 'DEL {sorted_zset}', 0, 0.0),
    (6, 'SORT {sortable} {sort_options}'),
    (3, 'SORT|SORT_RO {sortable} ALPHA {sort_alpha_options}'),
    (2, 'SORT_RO {sortable} BY {sort_constant} {sort_alpha_options}'),
    (4, 'OBJECT ENCODING {list}'),
]

HASHES = [
    (16, 'HSET {hash} {field_values}'),
    (2, 'HSET {hash} {many_field_values}'),
    (4, 'HMSET {hash} {field_values}'),
    (5, 'HSETNX {hash} {field} {value}'),
    (8, 'HGET {hash} {field}'),
    (6, 'HMGET {hash} {fields}'),
    (5, 'HGETALL {hash}'),
    (4, 'HKEYS|HVALS {hash}'),
    (4, 'HLEN {hash}'),
    (4, 'HSTRLEN|HEXISTS {hash} {field}'),
    (6, 'HDEL {hash} {fields}'),
    (8, 'HINCRBY {hash} {field} {integer}'),
    (8, 'HINCRBYFLOAT {hash} {field} {float}'),
    (4, 'HRANDFIELD {hash} {random_options}'),
    (3, '@scan HSCAN {hash} {member_scan_options}'),
    (2, 'HSCAN {hash} {bad_cursor}'),
    (4, 'OBJECT ENCODING {hash}'),
]

SETS = [
    (14, 'SADD {set} {members}'),
    (4, 'SADD {set} {integers}'),
    (2, 'SADD {set} {many_integers}'),
    (8, 'SREM {set} {members}'),
    (5, 'SMEMBERS {set}'),
    (5, 'SISMEMBER {set} {member}'),
    (4, 'SMISMEMBER {set} {members}'),
    (4, 'SCARD {set}'),
    (5, 'SMOVE {set} {set} {member}'),
    (6, 'SINTER|SUNION|SDIFF {sets}'),
    (6, 'SINTERSTORE|SUNIONSTORE|SDIFFSTORE {set} {sets}'),
    (4, 'SINTERCARD {counted_sets} {limit_option}'),
    (3, 'SPOP {set} 10000', 0, 0.0),
    (2, 'SPOP {empty_key} {random_options}', 0, 0.0),
    (4, 'SRANDMEMBER {set} {random_options}'),
    (3, '@scan SSCAN {set} {member_scan_options}'),
    (4, 'OBJECT ENCODING {set}'),
]

ZSETS = [
    (16, 'ZADD {zset} {zadd_options} {score_members}'),
    (2, 'ZADD {zset} {many_score_members}'),
    (6, 'ZINCRBY {zset} {score} {member}'),
    (6, 'ZREM {zset} {members}'),
    (5, 'ZSCORE {zset} {member}'),
    (4, 'ZMSCORE {zset} {members}'),
    (4, 'ZCARD {zset}'),
    (5, 'ZCOUNT {zset} {score_bound} {score_bound}'),
    (6, 'ZADD {lex_zset} {lex_members}', 0, 0.0),
    (2, 'ZREM {lex_zset} {members}', 0, 0.0),
    (4, 'ZLEXCOUNT {lex_zset} {lex_bound} {lex_bound}', 0, 0.0),
    (6, 'ZRANK|ZREVRANK {zset} {member}', 0, 0.0),
    (6, 'ZRANGE|ZREVRANGE {zset} {index} {index} {with_scores}'),
    (8, 'ZRANGE {zset} {score_bound} {score_bound} BYSCORE {zrange_options}'),
    (6, 'ZRANGE {lex_zset} {lex_bound} {lex_bound} BYLEX {zrange_options}', 0, 0.0),
    (6, 'ZRANGEBYSCORE|ZREVRANGEBYSCORE {zset} {score_bound} {score_bound} {zrange_options}'),
    (5, 'ZRANGEBYLEX|ZREVRANGEBYLEX {lex_zset} {lex_bound} {lex_bound} {limit_range}', 0, 0.0),
    (4, 'ZRANGESTORE {zset} {zset} {index} {index} {zrangestore_options}'),
    (3, 'ZREMRANGEBYRANK {zset} {index} {index}'),
    (3, 'ZREMRANGEBYSCORE {zset} {score_bound} {score_bound}'),
    (3, 'ZREMRANGEBYLEX {lex_zset} {lex_bound} {lex_bound}', 0, 0.0),
    (4, 'ZPOPMIN|ZPOPMAX {zset}'),
    (3, 'ZPOPMIN|ZPOPMAX {zset} {small}'),
    (3, 'ZMPOP {counted_zsets} MIN|MAX {count_option}'),
    (5, 'ZUNION|ZINTER {counted_zsets} {aggregate_options} {with_scores}'),
    (5, 'ZUNIONSTORE|ZINTERSTORE {zset} {counted_zsets} {aggregate_options}'),
    (4, 'ZDIFF {counted_zsets} {with_scores}'),
    (3, 'ZDIFFSTORE {zset} {counted_zsets}'),
    (3, 'ZINTERCARD {counted_zsets} {limit_option}'),
    (3, 'ZRANDMEMBER {zset} {random_options}'),
    (3, '@scan ZSCAN {zset} {member_scan_options}'),
    (4, 'OBJECT ENCODING {zset}'),
]

HYPERLOGLOGS = [
    (8, 'PFADD {hyperloglog} {members}'),
    (2, 'PFADD {hyperloglog} {many_values}'),
    (4, 'PFCOUNT {hyperloglogs}'),
    (3, 'PFMERGE {hyperloglogs}'),
    (1, 'GET {hyperloglog}'),
    (2, 'OBJECT ENCODING {hyperloglog}'),
]

GEO = [
    (8, 'GEOADD {geo} {geoadd_options} {places}'),
    (4, 'GEOPOS|GEOHASH {geo} {members}'),
    (4, 'GEODIST {geo} {member} {member} {unit_option}'),
    (6, 'GEOSEARCH {geo} {geo_center} {geo_shape} {geo_options}'),
    (3, 'GEOSEARCHSTORE {geo} {geo} {geo_center} {geo_shape} {geo_store_options}'),
    (2, 'GEORADIUS {geo} {longitude} {latitude} {distance} {unit} {geo_radius_options}'),
    (1, 'GEORADIUS_RO {geo} {longitude} {latitude} {distance} {unit} {geo_options}'),
    (2, 'GEORADIUSBYMEMBER {geo} {member} {distance} {unit} {geo_radius_options}'),
    (1, 'GEORADIUSBYMEMBER_RO {geo} {member} {distance} {unit} {geo_options}'),
]

TRANSACTIONS = [
    (5, 'MULTI'),
    (6, 'EXEC'),
    (1, 'DISCARD'),
    (2, 'WATCH {keys}'),
    (1, 'UNWATCH'),
]

# Ids are always given: those a server makes differ. Trimming is exact for the same reason.
STREAMS = [
    (16, 'XADD {stream} {stream_id} {field_values}', 0, 0.0),
    (6, 'XADD {stream} {xadd_options} {stream_id} {field_values}', 0, 0.0),
    (1, 'XADD {stream} {stream_id} {many_field_values}', 0, 0.0),
    (5, 'XLEN {stream}'),
    (8, 'XRANGE|XREVRANGE {stream} {range_id} {range_id} {count_option}'),
    (6, 'XREAD {count_option} STREAMS {stream} {read_id}'),
    (3, 'XREAD {count_option} STREAMS {stream} {stream} {read_id} {read_id}'),
    (5, 'XDEL {stream} {stream_ids}'),
    (4, 'XTRIM {stream} {trim}'),
    (6, 'XGROUP CREATE {stream} {group} {group_id} {mkstream}'),
    (2, 'XGROUP SETID {stream} {group} {group_id}'),
    (1, 'XGROUP DESTROY {stream} {group}'),
    (3, 'XGROUP CREATECONSUMER|DELCONSUMER {stream} {group} {consumer}'),
    (10, 'XREADGROUP GROUP {group} {consumer} {readgroup_options} STREAMS {stream} {new_id}'),
    (6, 'XACK {stream} {group} {stream_ids}'),
    (5, 'XPENDING {stream} {group}'),
    (4, 'XPENDING {stream} {group} {range_id} {range_id} {small}'),
    (4, 'XCLAIM {stream} {group} {consumer} 0 {stream_ids} {claim_options}'),
    (4, 'XAUTOCLAIM {stream} {group} {consumer} 0 {range_id} {count_option} {justid}'),
    (3, 'XINFO STREAM|GROUPS|CONSUMERS|FOO {stream}'),
    (2, 'XINFO CONSUMERS {stream} {group}'),
    (2, 'OBJECT ENCODING {stream}'),
    (1, 'XGROUP|XINFO HELP'),
]

# Redis 7.2 knows which entries were deleted.
STREAMS_72 = [
    (2, 'XSETID {stream} {stream_id}'),
]

# {script}, {script_by_sha}, {function} and {command} are drawn from the episode's own tables: see
# scripts.py.
SCRIPTS = [
    (8, 'EVAL {script}', 0, 0.0),
    (2, 'EVAL_RO {script}', 0, 0.0),
    (3, 'EVALSHA {script_by_sha}', 0, 0.0),
    (1, 'EVALSHA_RO {script_by_sha}', 0, 0.0),
    (1, 'EVAL {small_script} 1 {key} {value}'),
    (1, 'SCRIPT LOAD {script_text}'),
    (1, 'SCRIPT EXISTS {shas}'),
    (4, 'FCALL {function}', 0, 0.0),
    (2, 'FCALL_RO {function}', 0, 0.0),
    (1, 'FCALL|FCALL_RO {function_name} 1 {key} {value}'),
    (2, 'FUNCTION LOAD {player}', 0, 0.0),
    (1, 'COMMAND GETKEYS {command}', 0, 0.0),
]

# Kept apart, as they are many and a library that comes and goes is needed for few of them.
FUNCTIONS = [
    (8, 'FUNCTION LOAD {library}'),
    (2, 'FUNCTION LOAD REPLACE {library}'),
    # Redis repeats what it does not know there in its error as it is, line breaks too.
    (3, 'FUNCTION LIST {function_list_options}', 0, 0),
    (2, 'FUNCTION DELETE {library_name}'),
    (1, 'FUNCTION FLUSH {flush_option}'),
    (2, 'FUNCTION STATS'),
    (1, 'FUNCTION|SCRIPT KILL'),
    (1, 'FUNCTION|SCRIPT HELP'),
    (2, '@transplant_functions {restore_policy}'),
    (1, 'FUNCTION RESTORE {bad_payload} {restore_policy}'),
    (6, 'FCALL|FCALL_RO {function_name} 1 {key} {value}'),
    (1, 'SCRIPT FLUSH {flush_option}'),
    (2, 'SET {key} {value}'),
]

# They wait for nothing, or not for long: a batch may hold only a few.
WAITING = [
    (2, 'BLPOP|BRPOP {list} {list} {short_wait}', 0, 0.0),
    (2, 'BLMOVE {list} {list} LEFT|RIGHT LEFT|RIGHT {short_wait}', 0, 0.0),
    (1, 'BRPOPLPUSH {list} {list} {short_wait}', 0, 0.0),
    (2, 'BLMPOP {short_wait} {counted_lists} LEFT|RIGHT {count_option}', 0, 0.0),
    (2, 'BZPOPMIN|BZPOPMAX {zset} {zset} {short_wait}', 0, 0.0),
    (2, 'BZMPOP {short_wait} {counted_zsets} MIN|MAX {count_option}', 0, 0.0),
    (2, 'XREAD BLOCK 1 STREAMS {stream} {read_id}', 0, 0.0),
    (10, 'RPUSH {list} {values}'),
    (10, 'ZADD {zset} {score_members}'),
]

# What another client does meanwhile, which touches watched keys.
OTHERS = [
    (6, '@other SET|APPEND {key} {value}'),
    (3, '@other DEL {keys}'),
    (3, '@other RPUSH {list} {values}'),
    (3, '@other SADD {set} {members}'),
    (1, '@other FLUSHDB|RANDOMKEY'),
]

THRESHOLDS = [
    (2, 'CONFIG SET {threshold} {threshold_value}', 0, 0.0),
    (1, 'CONFIG SET {value_threshold} {threshold_bytes}', 0, 0.0),
    (1, 'CONFIG SET list-max-listpack-size|list-max-ziplist-size {list_threshold}', 0, 0.0),
]
THRESHOLDS_72 = [
    (1, 'CONFIG SET set-max-listpack-entries {threshold_value}', 0, 0.0),
    (1, 'CONFIG SET set-max-listpack-value {threshold_bytes}', 0, 0.0),
]
