"""families: the one place that says which commands the differential tests play, and how often.

To cover another family, add a list of (weight, template[, pause_ms]) here and name it in the
`tables` of a test. Templates are explained in generator.py, {names} in pools.py.
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
    (4, '@scan {whole_scan_options}'),
    (14, 'OBJECT ENCODING {key}'),
    (2, 'OBJECT REFCOUNT|IDLETIME|FREQ {key}'),
    (1, 'OBJECT HELP'),
    (1, 'OBJECT {object_junk} {key}'),
    (6, '@transplant {key} {key}'),
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

# A few members of the other types, so that commands meet keys of the wrong type.
OTHER_TYPES = [
    (3, 'RPUSH {key} {values}'),
    (3, 'SADD {key} {values}'),
    (3, 'HSET {key} {value} {value}'),
    (3, 'ZADD {key} 1 {value}'),
]
