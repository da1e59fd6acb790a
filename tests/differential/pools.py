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

TTL_SECONDS = (100, 2147483647)
TTL_MS = (100000, 100000000)
FUTURE_SECONDS = [b'4102444800', b'4102444801', b'5102444800', b'99999999999999']
FUTURE_MS = [b'4102444800000', b'4102444800001', b'5102444800123', b'281474976710656',
             b'1796014930176001']
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


def one(*pools_and_weights):
    """Returns a generator of one argument from weighted pools: one((8, GOOD), (1, BAD))."""
    pools = [pool for _, pool in pools_and_weights]
    cumulative = []
    for weight, _ in pools_and_weights:
        cumulative.append(weight + (cumulative[-1] if cumulative else 0))
    return lambda rng: [rng.choice(rng.choices(pools, cum_weights=cumulative)[0])]


def between(bounds):
    """Returns a generator of an integer between two bounds."""
    return lambda rng: [b'%d' % rng.randint(*bounds)]


def mixed(*weighted):
    """Returns a generator that is one of several: mixed((8, generator), (1, other))."""
    weights = [weight for weight, _ in weighted]
    generators = [generator for _, generator in weighted]
    return lambda rng: rng.choices(generators, weights)[0](rng)


def many(generator, least, most):
    """Returns a generator of `least` to `most` repetitions of another one."""
    def draw(rng):
        args = []
        for _ in range(rng.randint(least, most)):
            args += generator(rng)
        return args
    return draw


def options(*choices, most=3):
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


def both(first, second):
    return lambda rng: first(rng) + second(rng)


def any_key(rng):
    return rng.choices(KEYS, KEY_WEIGHTS)


any_value = one((6, INTEGERS), (3, FLOATS), (8, TEXTS), (1, BAD_INTEGERS), (1, LARGE_TEXTS))
any_integer = one((10, INTEGERS), (2, BAD_INTEGERS))
any_float = one((10, FLOATS), (4, INTEGERS), (2, BAD_FLOATS))
any_offset = one((12, OFFSETS), (1, HUGE_OFFSETS), (1, BAD_INTEGERS))
_read_offset = one((12, OFFSETS), (1, HUGE_OFFSETS), (1, READ_OFFSETS), (1, BAD_INTEGERS))
# Hardly ever the same twice: whether a lifetime equal to the old one ends later (EXPIRE ... GT)
# depends on the time between two commands, which is not the same on both servers.
_ttl_s = mixed((8, between(TTL_SECONDS)), (1, one((1, PAST))), (1, one((1, BAD_TTLS))))
any_ttl_ms = mixed((8, between(TTL_MS)), (1, one((1, PAST))), (1, one((1, BAD_TTLS))))
_at_s = one((8, FUTURE_SECONDS), (1, [b'1', b'0', b'-1']), (1, BAD_TTLS))
_at_ms = one((8, FUTURE_MS), (1, [b'1', b'0', b'-1']), (1, BAD_TTLS))
_database = one((12, DATABASES), (1, BAD_DATABASES))
any_pattern = one((1, PATTERNS))
any_count = one((6, [b'1', b'2', b'10', b'100', b'1000']), (1, [b'0', b'-1', b'abc', b'',
                                                                INT64_MAX]))
_type_name = one((8, [b'string', b'list', b'hash', b'set', b'zset', b'STRING', b'stream']),
                  (1, [b'foo', b'']))
_lifetime_options = ((b'EX', _ttl_s), (b'PX', any_ttl_ms), (b'EXAT', _at_s), (b'PXAT', _at_ms))
_bit_unit = lambda rng: rng.choice(([], [b'BYTE'], [b'BIT'], [b'byte'], [b'bits']))
_bit_range = lambda rng: rng.choice((
    [], _read_offset(rng), _read_offset(rng) + _read_offset(rng),
    _read_offset(rng) + _read_offset(rng) + _bit_unit(rng)))
_field_type = one(
    (10, [b'u1', b'u2', b'u8', b'u16', b'u32', b'u63', b'i1', b'i5', b'i8', b'i16', b'i32',
          b'i64']),
    (1, [b'u64', b'i65', b'u0', b'i0', b'x8', b'8', b'u', b'', b'U8', b'u8x', b'u-1']))
_field_offset = one((10, [b'0', b'1', b'3', b'8', b'100', b'#0', b'#1', b'#2', b'#10']),
                     (1, [b'-1', b'#-1', b'#', b'abc', b'', b'4294967296', b'#4294967296',
                          INT64_MAX]))
_field_value = one((8, INTEGERS), (1, BAD_INTEGERS))
_field_read = lambda rng: [b'GET'] + _field_type(rng) + _field_offset(rng)


def _field_operation(rng):
    kind = rng.randrange(5)
    if kind == 0:
        return [b'OVERFLOW', rng.choice((b'WRAP', b'SAT', b'FAIL', b'fail', b'NONE'))]
    if kind == 1:
        return _field_read(rng)
    return ([rng.choice((b'SET', b'INCRBY', b'incrby'))] + _field_type(rng) + _field_offset(rng)
            + _field_value(rng))


def _field_operations(rng):
    operations = many(_field_operation, 0, 4)(rng)
    # A key that appears though OVERFLOW FAIL kept everything from being written is news here to who
    # watches it, and not in Redis.
    if b'FAIL' in operations or b'fail' in operations:
        return [b'INCRBY', b'u1', b'0', b'0'] + operations
    return operations


# Collections: few fields and members, so that commands meet them again; long ones leave the compact
# encodings.
FIELDS = [b'f1', b'f2', b'f3', b'1', b'2', b'-7', b'field', b'', b'a\x00b', b'\xff', b'12345678901']
LONG_FIELDS = [b'F' * 64, b'F' * 65, b'F' * 300]
MEMBERS = [b'a', b'b', b'c', b'd', b'e', b'1', b'2', b'3', b'-1', b'70000', b'5000000000', b'',
           b'aa', b'ab', b'\x00', b'\xff']
LONG_MEMBERS = [b'm' * 64, b'm' * 65, b'm' * 200]
SCORES = [b'0', b'1', b'2', b'3', b'-1', b'1.5', b'2.5', b'0.1', b'0.2', b'0.3', b'1e10', b'1e17',
          b'1e20', b'3.14159265358979', b'-0', b'inf', b'-inf', b'+inf', b'1e-10', b'12345.678901',
          b'4503599627370497']
BAD_SCORES = [b'nan', b'abc', b'', b' 1', b'1 ', b'(1', b'1e400']
SCORE_BOUNDS = [b'-inf', b'+inf', b'inf', b'0', b'1', b'(1', b'(0', b'2', b'2.5', b'(2.5', b'-1',
                b'(-1', b'1e10', b'(inf', b'(-inf', b'0.1']
BAD_SCORE_BOUNDS = [b'(', b'nan', b'((1', b'x', b'[1', b'1x', b'(nan']
LEX_BOUNDS = [b'-', b'+', b'[a', b'(a', b'[b', b'(c', b'[aa', b'(ab', b'[', b'(', b'[\xff', b'[1',
              b'[z', b'(5']
BAD_LEX_BOUNDS = [b'a', b'', b'-a', b'++', b'{a']
INDEXES = [b'0', b'1', b'2', b'3', b'5', b'-1', b'-2', b'-3', b'-100', b'100', INT64_MAX, INT64_MIN]
PICKS = [b'0', b'1', b'2', b'5', b'100', b'-1', b'-3', b'-20']
LONGITUDES = [b'0', b'13.361389', b'15.087269', b'2.349014', b'-73.9857', b'-180', b'180', b'179.9',
              b'-179.9', b'100', b'12.758489', b'13.583333']
LATITUDES = [b'0', b'38.115556', b'37.502669', b'48.864716', b'40.7484', b'85.05112878',
             b'-85.05112878', b'-33.85', b'38.788135', b'37.316667', b'70', b'-70']
BAD_POSITIONS = [b'181', b'-190.5', b'90', b'abc', b'', b'nan']
LENGTHS = [b'0', b'1', b'100', b'200', b'1000', b'5000', b'20000', b'100000', b'0.5']
BAD_LENGTHS = [b'-1', b'abc', b'']
UNITS = [b'm', b'km', b'ft', b'mi', b'KM']

_field = one((14, FIELDS), (1, LONG_FIELDS))
_member = one((14, MEMBERS), (1, LONG_MEMBERS))
_small_value = one((6, INTEGERS), (3, FLOATS), (8, TEXTS))
_score = one((14, SCORES), (1, BAD_SCORES))
_score_bound = one((14, SCORE_BOUNDS), (1, BAD_SCORE_BOUNDS))
_lex_bound = one((14, LEX_BOUNDS), (1, BAD_LEX_BOUNDS))
_index = one((12, INDEXES), (1, BAD_INTEGERS))
_longitude = one((30, LONGITUDES), (1, BAD_POSITIONS))
_latitude = one((30, LATITUDES), (1, BAD_POSITIONS))
_length = one((20, LENGTHS), (1, BAD_LENGTHS))
_unit = one((20, UNITS), (1, [b'cm', b'']))


def _numbered(prefix, generator, least, most):
    """Returns a generator of `least` to `most` numbered names, each followed by what another one
    draws: enough of them to leave the compact encodings."""
    def draw(rng):
        args = []
        for number in range(rng.randint(least, most)):
            args += [b'%s%d' % (prefix, number)] + generator(rng)
        return args
    return draw


def _scored_numbers(rng):
    return [arg for number in range(rng.randint(100, 300))
            for arg in (b'%d' % rng.choice((number, number % 7)), b'n%d' % number)]


def _counted_keys(rng):
    keys = [any_key(rng)[0] for _ in range(rng.randint(1, 4))]
    wrong = rng.random()
    count = rng.choice((b'0', b'-1', b'5', b'x', INT64_MAX)) if wrong < 0.06 else b'%d' % len(keys)
    return [count] + keys


def _weights(rng):
    return [b'WEIGHTS'] + [rng.choice((b'1', b'2', b'-1', b'0', b'0.5', b'inf', b'x'))
                           for _ in range(rng.randint(1, 4))]


_combine_options = lambda rng: rng.choice(([], [], _weights(rng), [b'AGGREGATE', rng.choice(
    (b'SUM', b'MIN', b'max', b'AVG'))], _weights(rng) + [b'AGGREGATE', b'MIN']))
_limit = lambda rng: [b'LIMIT'] + _index(rng) + _index(rng)
_range_and_options = lambda rng: rng.choice((
    lambda: _index(rng) + _index(rng) + rng.choice(([], [b'WITHSCORES'], [b'REV'],
                                                   [b'REV', b'WITHSCORES'], _limit(rng))),
    lambda: _score_bound(rng) + _score_bound(rng) + [b'BYSCORE'] + rng.choice((
        [], [b'WITHSCORES'], [b'REV'], _limit(rng), [b'REV'] + _limit(rng),
        [b'WITHSCORES'] + _limit(rng)))))()
_text_range_and_options = lambda rng: _lex_bound(rng) + _lex_bound(rng) + [b'BYLEX'] + rng.choice((
    [], [b'REV'], _limit(rng), [b'WITHSCORES'], [b'REV'] + _limit(rng)))
_field_count_of = lambda fields: [b'FIELDS', b'%d' % len(fields)] + fields


def _counted_fields(rng):
    fields = [_field(rng)[0] for _ in range(rng.randint(1, 3))]
    wrong = rng.random()
    if wrong < 0.04:
        return [b'FIELDS', rng.choice((b'0', b'-1', b'9', b'x'))] + fields
    return _field_count_of(fields)


def _position(rng):
    """A position with the member that is always there: no two are equally far from anything, as
    Redis's order of these is accidental."""
    if rng.random() < 0.05:
        return _longitude(rng) + _latitude(rng) + _member(rng)
    number = rng.randrange(len(LONGITUDES))
    return [LONGITUDES[number], LATITUDES[number], MEMBERS[number]]


def _geo_shape(rng):
    return rng.choice((
        lambda: [b'BYRADIUS'] + _length(rng) + _unit(rng),
        lambda: [b'BYBOX'] + _length(rng) + _length(rng) + _unit(rng)))()


def _geo_center(rng):
    return rng.choice((
        lambda: [b'FROMMEMBER'] + _member(rng),
        lambda: [b'FROMLONLAT'] + _longitude(rng) + _latitude(rng)))()


_geo_count = one((10, [b'1', b'2', b'10']), (1, [b'0', b'-1', b'x']))

# What a template's {name} draws. Every function takes the random generator and returns arguments.
GENERATORS = {
    'key': any_key,
    'keys': many(any_key, 1, 4),
    'value': any_value,
    'values': many(any_value, 1, 4),
    'pairs': many(both(any_key, any_value), 1, 4),
    'integer': any_integer,
    'float': any_float,
    'offset': any_offset,
    'read_offset': _read_offset,
    'write_bit': one((10, [b'0', b'1', b'2', b'7', b'8', b'9', b'31', b'100', b'1000']),
                      (1, [b'-1', b'4294967296', b'abc', b'', INT64_MAX, b'1.0'])),
    'bit': one((12, [b'0', b'1']), (1, [b'2', b'-1', b'', b'x'])),
    'bit_range': _bit_range,
    'bit_operation': one((12, [b'AND', b'OR', b'XOR', b'NOT', b'and']), (1, [b'NAND', b''])),
    'field_operations': _field_operations,
    'field_reads': many(_field_read, 0, 3),
    'ttl_s': _ttl_s,
    'ttl_ms': any_ttl_ms,
    'at_s': _at_s,
    'at_ms': _at_ms,
    'short_ms': one((1, [b'1', b'2', b'3'])),
    'past': one((1, PAST)),
    'expire_condition': lambda rng: rng.choice(
        ([], [], [], [b'NX'], [b'XX'], [b'GT'], [b'LT'], [b'gt'], [b'XX', b'GT'], [b'NX', b'XX'],
         [b'GT', b'LT'], [b'NX', b'LT'], [b'AB'])),
    'set_options': options(b'NX', b'XX', b'GET', b'KEEPTTL', b'nx', b'get', *_lifetime_options,
                            most=4),
    'getex_options': options(b'PERSIST', *_lifetime_options, most=2),
    'lcs_options': options(b'LEN', b'IDX', b'WITHMATCHLEN', (b'MINMATCHLEN', any_count), b'idx',
                            most=4),
    'copy_options': options((b'DB', _database), b'REPLACE', b'replace', most=2),
    'database': _database,
    'pattern': any_pattern,
    'count': any_count,
    'scan_options': options((b'MATCH', any_pattern), (b'COUNT', any_count), (b'TYPE', _type_name),
                             most=3),
    'whole_scan_options': lambda rng: rng.choice((
        [], [b'COUNT', b'1'], [b'COUNT', b'1000'], [b'MATCH'] + any_pattern(rng),
        [b'TYPE', rng.choice((b'string', b'list', b'hash', b'set', b'zset', b'foo'))],
        [b'MATCH', b'k:*', b'COUNT', b'2', b'TYPE', b'string'])),
    # None that is out of range: Redis 7.2 remembers that, and its next SORT fails for it.
    'bad_cursor': one((1, [b'abc', b'', b'-1', b'1.5', b' 1', b'\x00', b'0\x00x',
                            b'0x0'])),
    'junk': one((1, JUNK)),
    'junks': many(one((1, JUNK), (1, TEXTS)), 0, 4),
    'unknown': one((1, [b'FOO', b'GETT', b'get ', b'', b'\r\n', b'x' * 200, b'SET\x00', b'*',
                         b'OBJEKT'])),
    'bad_payload': one((1, [b'', b'x', b'\x00\x01a\x0b\x00' + b'\x00' * 8, b'\xff' * 20])),
    'restore_options': options(b'REPLACE', b'ABSTTL',
                                (b'IDLETIME', one((1, [b'100', b'-1', b'x']))),
                                (b'FREQ', one((1, [b'5', b'256', b'-1', b'x']))), most=3),
    # The payload comes from the other server: see engine.py.
    'transplant_options': lambda rng: rng.choice((
        [b'0', b'REPLACE'], [b'0', b'replace'], [b'0'], between(TTL_MS)(rng) + [b'REPLACE'],
        # Nothing so late that Redis computes another time from it.
        [rng.choice((b'-1', b'', b'x')), b'REPLACE'],
        _at_ms(rng) + [b'ABSTTL', b'REPLACE'], [b'0', b'REPLACE', b'IDLETIME', b'1000'],
        [b'0', b'REPLACE', b'FREQ', b'7'], [b'0', b'REPLACE', b'ABSTTL'])),
    'flush_option': lambda rng: rng.choice(([], [], [b'SYNC'], [b'ASYNC'], [b'async'], [b'NOW'])),
    'field': _field,
    'fields': many(_field, 1, 4),
    'small_value': _small_value,
    'field_values': many(both(_field, _small_value), 1, 4),
    'many_field_values': _numbered(b'n', _small_value, 400, 600),
    'counted_fields': _counted_fields,
    'member': _member,
    'members': many(_member, 1, 5),
    'many_numbers': lambda rng: [b'%d' % rng.choice((n, n * 70000))
                                 for n in range(rng.randint(100, 600))],
    'many_members': lambda rng: [b'n%d' % n for n in range(rng.randint(100, 300))],
    'score': _score,
    'scored_members': many(both(_score, _member), 1, 4),
    'equal_scores': many(both(one((1, [b'0'])), _member), 1, 6),
    'many_scored_members': _scored_numbers,
    'zadd_options': options(b'NX', b'XX', b'GT', b'LT', b'CH', b'INCR', b'ch', most=3),
    'score_bound': _score_bound,
    'lex_bound': _lex_bound,
    'index': _index,
    'score_range_options': options(b'WITHSCORES', (b'LIMIT', _index, _index), most=2),
    'lex_range_options': options((b'LIMIT', _index, _index), most=1),
    'range_and_options': _range_and_options,
    'text_range_and_options': _text_range_and_options,
    'counted_keys': _counted_keys,
    'combine_options': _combine_options,
    'with_scores': options(b'WITHSCORES', most=1),
    'card_limit': options((b'LIMIT', one((8, [b'0', b'1', b'2', b'100']),
                                           (1, [b'-1', b'x']))), most=1),
    'picks': one((14, PICKS), (1, BAD_INTEGERS), (1, [INT64_MIN])),
    'pop_count': options(b'0', b'1', b'2', b'100', b'-1', b'x', most=1),
    'pop_all': one((1, [b'100000'])),
    'min_or_max': one((10, [b'MIN', b'MAX', b'min']), (1, [b'x'])),
    'multi_pop_count': options((b'COUNT', one((6, [b'1', b'2', b'100']), (1, [b'0', b'x']))),
                                most=1),
    'positions': many(_position, 1, 3),
    'geoadd_options': options(b'NX', b'XX', b'CH', most=2),
    'longitude': _longitude,
    'latitude': _latitude,
    'length': _length,
    'unit': _unit,
    'any_unit': lambda rng: rng.choice(([], _unit(rng))),
    'geo_center': _geo_center,
    'geo_shape': _geo_shape,
    'geo_options': options(b'WITHDIST', b'WITHCOORD', b'WITHHASH', b'ASC', b'DESC',
                            (b'COUNT', _geo_count), b'ANY', most=4),
    'geo_store_options': options(b'STOREDIST', b'ASC', (b'COUNT', _geo_count), most=2),
    'radius_store': lambda rng: [rng.choice((b'STORE', b'STOREDIST'))] + any_key(rng),
    'object_junk': one((1, [b'FOO', b'', b'encodings', b'help'])),
}
