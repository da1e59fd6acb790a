"""pools: where the arguments of generated commands come from.

Pools are small, so that commands meet the same keys, and full of edges. Two limits keep a run
comparable and cheap. Lifetimes are either over at once or far longer than a run: nothing may expire
between the two servers' replies. Offsets of writing commands are either small or beyond the limit:
a pool with 2^32-1 would make SETBIT allocate 512 MiB.
"""

KEYS = [b'a', b'b', b'c', b'k:1', b'k:2', b'k:3', b'{t}1', b'{t}2', b'Key With Space',
        b'\x00\r\n\xff',
        b'', b'k' * 70]
KEY_WEIGHTS = [8, 8, 8, 6, 6, 4, 2, 2, 1, 2, 1, 1]

INT64_MAX = b'9223372036854775807'
INT64_MIN = b'-9223372036854775808'

INTEGERS = [b'0', b'1', b'-1', b'2', b'7', b'10', b'255', b'-128', b'9999', b'10000', b'65536',
            b'2147483647', b'-2147483649', INT64_MAX, INT64_MIN, b'9223372036854775806']
BAD_INTEGERS = [b'', b' 1', b'1 ', b'+1', b'01', b'-0', b'1.0', b'1e3', b'abc', b'0x10',
                b'9223372036854775808', b'-9223372036854775809', b'1\x00', b'--1']
FLOATS = [b'0', b'1.5', b'-1.5', b'3.0e3', b'0.1', b'0.2', b'1e-5', b'200', b'-0.0', b'1e17',
          b'5e-1',
          b'3.14159265358979323846', b'1e300', b'-1e-320', b'+2', b'.5', b'5.', b'0x1p3',
          b'123456789.123456789', b'99999999999999999999']
BAD_FLOATS = [b'', b' 1', b'1 ', b'nan', b'inf', b'-inf', b'infinity', b'abc', b'1e5000',
              b'1.0\x00',
              b'1,5', b'1e', b'--1.0']
TEXTS = [b'', b'x', b'hello', b'Hello World', b'foobar', b'a\x00b', b'\xff\xfe\x80',
         b'line\r\nbreak',
         b'e' * 43, b'e' * 44, b'e' * 45, b'ohmytext', b'mynewtext', b'abcbdab', b'bdcaba',
         b'\x00' * 9, b'\xff' * 17, b'long ' * 60, b'12345678901234567890', b' 7', b'7 ', b'1' * 21]
LARGE_TEXTS = [b'L' * 1500, b'0123456789abcdef' * 1100]

OFFSETS = [b'0', b'1', b'2', b'3', b'5', b'7', b'8', b'15', b'44', b'63', b'100', b'-1', b'-2',
           b'-3', b'-100']
HUGE_OFFSETS = [b'536870912', b'536870911999', b'4294967296', INT64_MAX, INT64_MIN, b'-2147483648']
READ_OFFSETS = [b'536870911', b'4294967295', b'4294967294', b'1000000']

TTL_SECONDS = [b'100', b'200', b'1000', b'100000', b'2147483647']
TTL_MS = [b'100000', b'200000', b'1000000', b'100000000']
FUTURE_SECONDS = [b'4102444800', b'4102444801', b'5102444800']
FUTURE_MS = [b'4102444800000', b'4102444800001', b'5102444800123']
BAD_TTLS = [b'', b'abc', b'1.5', INT64_MAX, INT64_MIN, b'9223372036854775', b'-9223372036854775',
            b'9223372036854775808', b'99999999999999999']
PAST = [b'0', b'-1', b'-1000']

DATABASES = [b'0', b'0', b'0', b'0', b'1', b'2']
BAD_DATABASES = [b'16', b'-1', b'x', b'', b'99999999999', b'1.0', b'9223372036854775808']
PATTERNS = [b'*', b'k:*', b'?', b'[ab]', b'[^a]', b'k:[1-2]', b'\\*', b'', b'*\xff', b'k*',
            b'[a-', b'a*b*c',
            b'{t}*', b'[z-a]', b'**', b'K:*', b'k:?']

# Replacements in damaged commands. Nothing here may be a short lifetime or a large legal offset.
JUNK = [b'', b'abc', b'-1', b'0', b'nx', b'XX', b'GET', b'EX', b'KEEPTTL', b'MATCH', b'COUNT', b'*',
        INT64_MAX, INT64_MIN, b'9223372036854775808', b'1.5', b'\r\n', b'\xff', b'(', b'[',
        b'inf', b'nan',
        b'a', b'LIMIT', b'WITHSCORES', b'REPLACE', b'STORE', b'-', b'+', b'$', b'>']


def _one(*pools_and_weights):
    """Returns a generator of one argument from weighted pools: _one((8, GOOD), (1, BAD))."""
    pools = [pool for _, pool in pools_and_weights]
    cumulative = []
    for weight, _ in pools_and_weights:
        cumulative.append(weight + (cumulative[-1] if cumulative else 0))
    return lambda rng: [rng.choice(rng.choices(pools, cum_weights=cumulative)[0])]


def _many(generator, least, most):
    """Returns a generator of `least` to `most` repetitions of another one."""
    def draw(rng):
        args = []
        for _ in range(rng.randint(least, most)):
            args += generator(rng)
        return args
    return draw


def _options(*choices, most=3):
    """Returns a generator of 0 to `most` options; a choice is bytes or (bytes, generators...)."""
    def draw(rng):
        args = []
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2, most))):
            choice = rng.choice(choices)
            if isinstance(choice, bytes):
                args.append(choice)
            else:
                args.append(choice[0])
                for generator in choice[1:]:
                    args += generator(rng)
        return args
    return draw


def _pair(first, second):
    return lambda rng: first(rng) + second(rng)


def _key(rng):
    return rng.choices(KEYS, KEY_WEIGHTS)


_value = _one((6, INTEGERS), (3, FLOATS), (8, TEXTS), (1, BAD_INTEGERS), (1, LARGE_TEXTS))
_integer = _one((10, INTEGERS), (2, BAD_INTEGERS))
_float = _one((10, FLOATS), (4, INTEGERS), (2, BAD_FLOATS))
_offset = _one((12, OFFSETS), (1, HUGE_OFFSETS), (1, BAD_INTEGERS))
_read_offset = _one((12, OFFSETS), (1, HUGE_OFFSETS), (1, READ_OFFSETS), (1, BAD_INTEGERS))
_ttl_s = _one((8, TTL_SECONDS), (1, PAST), (1, BAD_TTLS))
_ttl_ms = _one((8, TTL_MS), (1, PAST), (1, BAD_TTLS))
_at_s = _one((8, FUTURE_SECONDS), (1, [b'1', b'0', b'-1']), (1, BAD_TTLS))
_at_ms = _one((8, FUTURE_MS), (1, [b'1', b'0', b'-1']), (1, BAD_TTLS))
_database = _one((12, DATABASES), (1, BAD_DATABASES))
_pattern = _one((1, PATTERNS))
_count = _one((6, [b'1', b'2', b'10', b'100', b'1000']), (1, [b'0', b'-1', b'abc', b'', INT64_MAX]))
_type_name = _one((8, [b'string', b'list', b'hash', b'set', b'zset', b'STRING', b'stream']),
                  (1, [b'foo', b'']))
_lifetime_options = ((b'EX', _ttl_s), (b'PX', _ttl_ms), (b'EXAT', _at_s), (b'PXAT', _at_ms))
_bit_unit = lambda rng: rng.choice(([], [b'BYTE'], [b'BIT'], [b'byte'], [b'bits']))
_bit_range = lambda rng: rng.choice((
    [], _read_offset(rng), _read_offset(rng) + _read_offset(rng),
    _read_offset(rng) + _read_offset(rng) + _bit_unit(rng)))
_field_type = _one(
    (10, [b'u1', b'u2', b'u8', b'u16', b'u32', b'u63', b'i1', b'i5', b'i8', b'i16', b'i32',
          b'i64']),
    (1, [b'u64', b'i65', b'u0', b'i0', b'x8', b'8', b'u', b'', b'U8', b'u8x', b'u-1']))
_field_offset = _one((10, [b'0', b'1', b'3', b'8', b'100', b'#0', b'#1', b'#2', b'#10']),
                     (1, [b'-1', b'#-1', b'#', b'abc', b'', b'4294967296', b'#4294967296',
                          INT64_MAX]))
_field_value = _one((8, INTEGERS), (1, BAD_INTEGERS))
_field_read = lambda rng: [b'GET'] + _field_type(rng) + _field_offset(rng)


def _field_operation(rng):
    kind = rng.randrange(5)
    if kind == 0:
        return [b'OVERFLOW', rng.choice((b'WRAP', b'SAT', b'FAIL', b'fail', b'NONE'))]
    if kind == 1:
        return _field_read(rng)
    return ([rng.choice((b'SET', b'INCRBY', b'incrby'))] + _field_type(rng) + _field_offset(rng)
            + _field_value(rng))


# What a template's {name} draws. Every function takes the random generator and returns arguments.
GENERATORS = {
    'key': _key,
    'keys': _many(_key, 1, 4),
    'value': _value,
    'values': _many(_value, 1, 4),
    'pairs': _many(_pair(_key, _value), 1, 4),
    'integer': _integer,
    'float': _float,
    'offset': _offset,
    'read_offset': _read_offset,
    'write_bit': _one((10, [b'0', b'1', b'2', b'7', b'8', b'9', b'31', b'100', b'1000']),
                      (1, [b'-1', b'4294967296', b'abc', b'', INT64_MAX, b'1.0'])),
    'bit': _one((12, [b'0', b'1']), (1, [b'2', b'-1', b'', b'x'])),
    'bit_range': _bit_range,
    'bit_operation': _one((12, [b'AND', b'OR', b'XOR', b'NOT', b'and']), (1, [b'NAND', b''])),
    'field_operations': _many(_field_operation, 0, 4),
    'field_reads': _many(_field_read, 0, 3),
    'ttl_s': _ttl_s,
    'ttl_ms': _ttl_ms,
    'at_s': _at_s,
    'at_ms': _at_ms,
    'short_ms': _one((1, [b'1', b'2', b'3'])),
    'past': _one((1, PAST)),
    'expire_condition': lambda rng: rng.choice(
        ([], [], [], [b'NX'], [b'XX'], [b'GT'], [b'LT'], [b'gt'], [b'XX', b'GT'], [b'NX', b'XX'],
         [b'GT', b'LT'], [b'NX', b'LT'], [b'AB'])),
    'set_options': _options(b'NX', b'XX', b'GET', b'KEEPTTL', b'nx', b'get', *_lifetime_options,
                            most=4),
    'getex_options': _options(b'PERSIST', *_lifetime_options, most=2),
    'lcs_options': _options(b'LEN', b'IDX', b'WITHMATCHLEN', (b'MINMATCHLEN', _count), b'idx',
                            most=4),
    'copy_options': _options((b'DB', _database), b'REPLACE', b'replace', most=2),
    'database': _database,
    'pattern': _pattern,
    'count': _count,
    'scan_options': _options((b'MATCH', _pattern), (b'COUNT', _count), (b'TYPE', _type_name),
                             most=3),
    'whole_scan_options': lambda rng: rng.choice((
        [], [b'COUNT', b'1'], [b'COUNT', b'1000'], [b'MATCH'] + _pattern(rng),
        [b'TYPE', rng.choice((b'string', b'list', b'hash', b'set', b'zset', b'foo'))],
        [b'MATCH', b'k:*', b'COUNT', b'2', b'TYPE', b'string'])),
    'bad_cursor': _one((1, [b'abc', b'', b'-1', b'1.5', b'99999999999999999999999', b' 1',
                            b'0x0'])),
    'junk': _one((1, JUNK)),
    'junks': _many(_one((1, JUNK), (1, TEXTS)), 0, 4),
    'unknown': _one((1, [b'FOO', b'GETT', b'get ', b'', b'\r\n', b'x' * 200, b'SET\x00', b'*',
                         b'OBJEKT'])),
    'bad_payload': _one((1, [b'', b'x', b'\x00\x01a\x0b\x00' + b'\x00' * 8, b'\xff' * 20])),
    'restore_options': _options(b'REPLACE', b'ABSTTL',
                                (b'IDLETIME', _one((1, [b'100', b'-1', b'x']))),
                                (b'FREQ', _one((1, [b'5', b'256', b'-1', b'x']))), most=3),
    'flush_option': lambda rng: rng.choice(([], [], [b'SYNC'], [b'ASYNC'], [b'async'], [b'NOW'])),
    'object_junk': _one((1, [b'FOO', b'', b'encodings', b'help'])),
}
