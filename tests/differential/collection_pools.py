"""collection_pools: arguments of commands on lists, hashes, sets, sorted sets, sketches and places.

Most commands get keys of their own type, a few any key. Members come from one small pool shared by
all types, so that sets meet; a few rows draw hundreds of values, which changes encodings.
"""

import pools
import scripts
from pools import any_count, any_integer, any_key, any_pattern, any_value
from pools import both, many, one, options

MEMBERS = [b'a', b'b', b'c', b'd', b'e', b'1', b'2', b'3', b'-5', b'1.5', b'foo', b'bar', b'',
           b'A', b'\xff',
           b'a\x00', b'9223372036854775807', b'm' * 64, b'm' * 65]
SCORES = [b'0', b'1', b'1', b'2', b'2', b'3', b'-1', b'1.5', b'-0', b'1e10', b'0.1', b'inf',
          b'-inf', b'+inf',
          b'1.7976931348623157e308', b'3.0000000000000004', b'100000000000000000000', b'2e-300',
          b'9007199254740993', b'0x10', b'1234567.891']
# Nothing out of a double's range: Redis's SORT takes the errno it leaves for one of its own.
BAD_SCORES = [b'nan', b'abc', b'', b'1a', b' 1', b'(1']
INDEXES = [b'0', b'1', b'2', b'3', b'5', b'-1', b'-2', b'-3', b'-6', b'100', b'-100', b'500']


def _typed(prefix):
    """Returns a generator of keys meant for one type; one in ten is any key."""
    keys = [f'{prefix}:{i}'.encode() for i in range(3)]
    return lambda rng: any_key(rng) if rng.random() < 0.1 else [rng.choice(keys)]


def _counted(generator):
    """Returns a generator of 'numkeys key [key ...]'; the number is wrong now and then."""
    def draw(rng):
        keys = many(generator, 1, 3)(rng)
        number = b'%d' % len(keys) if rng.random() < 0.93 else rng.choice((b'0', b'-1', b'9', b'x'))
        return [number] + keys
    return draw


def _maybe(generator, share=0.5):
    return lambda rng: generator(rng) if rng.random() < share else []


def _word(*words):
    return one((1, [word.encode() for word in words]))


_list, _hash, _set, _zset = (_typed(name) for name in ('list', 'hash', 'set', 'zset'))
_sketch, _geo = _typed('hll'), _typed('geo')
_member = one((12, MEMBERS), (1, pools.TEXTS))
_index = one((14, INDEXES), (1, pools.BAD_INTEGERS), (1, [pools.INT64_MAX, pools.INT64_MIN]))
_small = one((8, [b'0', b'1', b'2', b'3', b'10', b'1000']), (1, [b'-1', b'abc', b'',
                                                                 pools.INT64_MIN]))
_score = one((14, SCORES), (1, BAD_SCORES))
_number = lambda rng: [b'%d' % rng.randrange(1000)]
_score_bound = one((8, SCORES), (4, [b'(' + score for score in SCORES]), (4, [b'-inf', b'+inf']),
                   (1, BAD_SCORES + [b'(', b'((1', b'[1']))
_lex_bound = one((8, [b'-', b'+', b'[a', b'(a', b'[b', b'(c', b'[foo', b'[', b'(', b'[\xff',
                      b'(1']),
                 (1, [b'a', b'', b'+a', b'-1']))
_limit_range = _maybe(lambda rng: [b'LIMIT'] + _index(rng) + _index(rng), 0.3)
_with_scores = _maybe(_word('WITHSCORES', 'withscores'), 0.4)
_weight = one((8, [b'1', b'2', b'-1', b'0.5', b'0', b'inf']), (1, BAD_SCORES))
_unit = one((12, [b'm', b'km', b'ft', b'mi', b'KM']), (1, [b'x', b'']))
_longitude = one((14, [b'13.361389', b'15.087269', b'-0.1', b'179.99', b'-180', b'0', b'2.35']),
                 (1, [b'181', b'abc', b'', b'nan']))
_latitude = one((14, [b'38.115556', b'37.502669', b'51.5', b'-85', b'85.05', b'0', b'48.85']),
                (1, [b'86', b'abc', b'-90']))
_distance = one((14, [b'0', b'1', b'100', b'200.5', b'5000', b'20000']), (1, [b'-1', b'abc', b'']))


# Ties are only ordered in numeric sorts, so ALPHA never meets BY or STORE here.
_sort_limits = ((b'LIMIT', _index, _index), b'ASC', b'DESC')
_sort_get = (b'GET', _word('#', 'k:*', 'hash:*->a', 'nothing_*'))
# SORT makes Redis unpack a sorted set, which writes -0 otherwise than a packed one.
_sorted_zset = one((1, [b'sorted:0', b'sorted:1']))
_sort_by = (b'BY', _word('weight_*', 'hash:*->a', '*', 'k:*'))


def _aggregate_options(rng):
    args = []
    if rng.random() < 0.3:
        args += [b'WEIGHTS'] + many(_weight, 1, 3)(rng)
    if rng.random() < 0.4:
        args += [b'AGGREGATE', rng.choice((b'SUM', b'MIN', b'MAX', b'max', b'AVG'))]
    return args


def _geo_center(rng):
    if rng.random() < 0.5:
        return [b'FROMMEMBER'] + _member(rng)
    return [b'FROMLONLAT'] + _longitude(rng) + _latitude(rng)


def _geo_shape(rng):
    if rng.random() < 0.6:
        return [b'BYRADIUS'] + _distance(rng) + _unit(rng)
    return [b'BYBOX'] + _distance(rng) + _distance(rng) + _unit(rng)


_geo_limits = (b'ASC', b'DESC', (b'COUNT', _small))
_geo_with = (b'WITHCOORD', b'WITHDIST', b'WITHHASH')

_stream = _typed('stream')
_good_ids = [b'%d-%d' % (ms, seq) for ms in (1, 2, 3, 5, 8) for seq in (0, 1, 2)]
_odd_ids = [b'4', b'0-1', b'0-0', b'0', b'9-*', b'1-*', b'18446744073709551615-0',
            b'18446744073709551615-18446744073709551615', b'100-1']
_bad_ids = [b'', b'abc', b'1-', b'-1', b'1-1-1', b'1.5', b'18446744073709551616', b'1-x', b'-']
_stream_id = one((12, _good_ids), (3, _odd_ids), (1, _bad_ids))
_range_id = one((6, [b'-', b'+']), (6, _good_ids), (3, [b'(' + i for i in _good_ids]),
                (2, _odd_ids), (1, _bad_ids + [b'(-', b'(+']))
_trim = lambda rng: rng.choice((
    [b'MAXLEN'] + _small(rng), [b'MAXLEN', b'='] + _small(rng), [b'MINID'] + _stream_id(rng),
    [b'MINID', b'='] + _stream_id(rng), [b'FOO'] + _small(rng),
    [b'MAXLEN', b'=', b'5', b'LIMIT', b'10']))

LIBRARIES = [
    b"#!lua name=mixed\nredis.register_function('constant', function() return {1, 2.9, 'x'} end)\n"
    b"redis.register_function('store', function(k, a) return redis.call('SET', k[1], a[1]) end)",
    b"#!lua name=counter\nlocal n = 0\nredis.register_function{function_name='count', "
    b"callback=function() n = n + 1 return n end, flags={'no-writes'}}",
    b"#!lua name=counter\nredis.register_function{function_name='fail', description='fails', "
    b"callback=function() error({err='BAD luck'}) end}",
    # What does not load, each for a reason of its own.
    b"#!lua name=mixed\nredis.register_function('two words', print)",
    b"#!lua name=bad-name\nreturn 1", b'#!lua name=empty\nreturn 1', b'#!python name=mixed\n1',
    b'return 1', b'#!lua\nreturn 1', b'#!lua name=mixed\nnonsense', b'#!lua name=mixed\nerror("x")',
    b'#!lua name=mixed x=y\nreturn 1', b"#!lua name=mixed\nredis.call('PING')",
    b"#!lua name=mixed\nredis.register_function('store', function() end)\n"
    b"redis.register_function('store', function() end)",
    b"#!lua name=mixed\nredis.register_function{function_name='x'}",
    b"#!lua name=mixed\nredis.register_function{function_name='x', callback=print, flags={'fly'}}",
]

GENERATORS = {
    'list': _list, 'hash': _hash, 'set': _set, 'zset': _zset, 'geo': _geo,
    'hyperloglog': _sketch,
    'hyperloglogs': many(_sketch, 1, 3),
    'empty_key': lambda rng: [b'empty'],
    'index': _index,
    'inserted': one((1, [b'inserted:0', b'inserted:1'])),
    'near_index': one((14, INDEXES), (1, [b'', b'abc', b'1.5', b'9223372036854775808'])),
    'small': _small,
    'many_values': many(one((2, pools.TEXTS), (3, [b'%d' % i for i in range(300)])), 140, 200),
    'lpos_options': options((b'RANK', _index), (b'COUNT', _small), (b'MAXLEN', _small), most=3),
    'counted_lists': _counted(_list),
    'count_option': _maybe(lambda rng: [b'COUNT'] + _small(rng)),
    'sortable': lambda rng: rng.choice((_list, _set, _sorted_zset))(rng),
    'sorted_zset': _sorted_zset,
    'sort_options': options(*_sort_limits, _sort_get, _sort_by, (b'STORE', _list), most=4),
    'sort_alpha_options': options(*_sort_limits, _sort_get, b'ALPHA', most=3),
    'sort_constant': _word('nosort', 'list:0'),
    'field': _member,
    'fields': many(_member, 1, 3),
    'field_values': many(both(_member, any_value), 1, 3),
    'many_field_values': many(both(_number, any_integer), 100, 150),
    'member': _member,
    'members': many(_member, 1, 4),
    'sets': many(_set, 1, 3),
    'integers': many(any_integer, 1, 4),
    'many_integers': many(_number, 500, 560),
    'counted_sets': _counted(_set),
    'limit_option': _maybe(lambda rng: [b'LIMIT'] + _small(rng)),
    'random_options': lambda rng: rng.choice((
        [], [b'1'], [b'10000'], [b'-3'], [b'0'], _small(rng), [b'2', b'WITHVALUES'],
        [b'-2', b'WITHSCORES'], [b'2', b'FOO'], [pools.INT64_MIN])),
    'member_scan_options': lambda rng: rng.choice((
        [], [b'COUNT', b'1'], [b'COUNT', b'1000'], [b'MATCH'] + any_pattern(rng),
        [b'COUNT'] + any_count(rng), [b'MATCH', b'1*', b'COUNT', b'3'], [b'FOO'], [b'NOVALUES'])),
    'score': _score,
    'score_members': many(both(_score, _member), 1, 3),
    'many_score_members': many(both(_number, _number), 129, 160),
    'zadd_options': options(b'NX', b'XX', b'GT', b'LT', b'CH', b'INCR', b'ch', most=3),
    'score_bound': _score_bound,
    'lex_bound': _lex_bound,
    'limit_range': _limit_range,
    'with_scores': _with_scores,
    'lex_zset': one((1, [b'lex:0', b'lex:1'])),
    'lex_members': many(lambda rng: [b'0'] + _member(rng), 1, 4),
    'zrangestore_options': options(b'REV', (b'LIMIT', _index, _index), b'BYSCORE', most=3),
    'zrange_options': options(b'REV', b'WITHSCORES', (b'LIMIT', _index, _index), most=3),
    'counted_zsets': _counted(lambda rng: (_zset if rng.random() < 0.8 else _set)(rng)),
    'aggregate_options': _aggregate_options,
    'geoadd_options': options(b'NX', b'XX', b'CH', most=2),
    'places': many(lambda rng: _longitude(rng) + _latitude(rng) + _member(rng), 1, 3),
    'longitude': _longitude, 'latitude': _latitude, 'distance': _distance, 'unit': _unit,
    'unit_option': _maybe(_unit),
    'geo_center': _geo_center,
    'geo_shape': _geo_shape,
    'geo_options': options(*_geo_limits, *_geo_with, most=4),
    'geo_store_options': options(*_geo_limits, b'STOREDIST', most=3),
    'geo_radius_options': options(*_geo_limits, *_geo_with, (b'STORE', _geo), (b'STOREDIST', _geo),
                                  most=4),
    'stream': _stream,
    'stream_id': _stream_id,
    'stream_ids': many(_stream_id, 1, 3),
    'range_id': _range_id,
    'read_id': one((8, _good_ids), (4, [b'0', b'0-0']), (1, [b'$']), (1, _bad_ids)),
    'xadd_options': lambda rng: rng.choice((
        [b'NOMKSTREAM'], _trim(rng), [b'nomkstream'] + _trim(rng), [b'NOMKSTREAM', b'FOO'])),
    'trim': _trim,
    'group': one((8, [b'g1', b'g2']), (1, [b'nogroup', b''])),
    'group_id': one((6, [b'0', b'$']), (4, _good_ids), (1, _bad_ids)),
    'mkstream': lambda rng: rng.choice((
        [], [b'MKSTREAM'], [b'MKSTREAM'], [b'ENTRIESREAD', b'1'], [b'ENTRIESREAD', b'-2'],
        [b'FOO'])),
    'consumer': one((1, [b'alice', b'bob', b''])),
    'readgroup_options': lambda rng: rng.choice((
        [], [], [b'NOACK'], [b'COUNT', b'1'], [b'COUNT', b'2', b'NOACK'], [b'COUNT', b'x'])),
    'new_id': one((8, [b'>']), (3, [b'0', b'1-1']), (1, [b'$', b'abc'])),
    'claim_options': options((b'RETRYCOUNT', _small), b'FORCE', b'JUSTID',
                             (b'LASTID', _stream_id), most=3),
    'justid': _maybe(_word('JUSTID'), 0.3),
    'short_wait': one((1, [b'0.001', b'0.01'])),
    'threshold': _word('hash-max-listpack-entries', 'hash-max-ziplist-entries',
                       'set-max-intset-entries', 'zset-max-listpack-entries',
                       'zset-max-ziplist-entries', 'stream-node-max-entries'),
    'threshold_value': one((1, [b'0', b'1', b'2', b'3', b'8', b'100', b'512'])),
    'value_threshold': _word('hash-max-listpack-value', 'zset-max-listpack-value',
                             'hll-sparse-max-bytes'),
    'threshold_bytes': one((1, [b'0', b'1', b'2', b'8', b'64', b'65', b'300'])),
    'list_threshold': one((1, [b'-1', b'-2', b'-5', b'1', b'2', b'3', b'8', b'128'])),
    'player': lambda rng: [*rng.choice(([], [b'REPLACE'])), scripts.LIBRARY],
    'library': one((1, LIBRARIES)),
    'library_name': one((6, [b'player', b'mixed', b'counter']), (1, [b'', b'x', b'*'])),
    'function_name': one((8, [b'constant', b'store', b'fail', b'count']), (1, [b'', b'Constant'])),
    'function_list_options': options(
        b'WITHCODE', (b'LIBRARYNAME', one((1, [b'*', b'player', b'm*', b'x']))), most=2),
    'restore_policy': lambda rng: rng.choice(([], [b'APPEND'], [b'REPLACE'], [b'FLUSH'], [b'x'])),
    'script_text': one((4, [scripts.PACKED, *scripts.SINGLE]), (1, [b'return 1', b'nonsense'])),
    'shas': many(one((1, [*scripts.BY_SHA, b'', b'x' * 40])), 1, 3),
    'small_script': one((1, [
        b"return {1, 2.9, 'x', false, true, {ok='fine'}, {err='BAD news'}, nil, 4}",
        b"return redis.call('SET', KEYS[1], ARGV[1])", b'return {KEYS, ARGV, #ARGV}',
        b"return redis.call('TYPE', KEYS[1])", b"return redis.status_reply(ARGV[1])",
        b"return redis.sha1hex(ARGV[1])", b"return cjson.encode({KEYS[1] == ARGV[1], 1.5})",
        b"return tostring(tonumber(ARGV[1]))", b'return redis.error_reply(ARGV[1])',
        b"redis.setresp(3) return redis.call('GET', KEYS[1])", b'nonsense', b'error("x")',
        b"return {double=3.25}", b"return {map={a=1}}", b"return {set={a=true}}"])),
}
