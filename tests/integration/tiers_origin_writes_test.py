"""Writes to keys that an origin has: they build on its value, and what they make of it is kept."""

import os
import signal
import time
import unittest

import black_box  # for the path to the helpers
import patience
import resp_wire
import tiers_world
from tiers_world import Answer, explain, info, origin, regional, route

assert black_box

TTL_S = 0.5
# Command, its reply, and how to see what it has made; K is the key.
STRINGS = [
    (('APPEND', 'K', 'X'), 4, ('GET', 'K'), b'abcX'),
    (('SETRANGE', 'K', 1, 'X'), 3, ('GET', 'K'), b'aXc'),
    (('SETBIT', 'K', 7, 0), 1, ('GET', 'K'), b'`bc'),
    (('BITFIELD', 'K', 'SET', 'u8', 0, 65), [97], ('GET', 'K'), b'Abc'),
    (('EXPIRE', 'K', 100), 1, ('TTL', 'K'), 100),
    (('GETEX', 'K', 'EX', 100), b'abc', ('TTL', 'K'), 100),
    (('SET', 'K', 'new', 'XX'), b'OK', ('GET', 'K'), b'new'),
    (('GETSET', 'K', 'new'), b'abc', ('GET', 'K'), b'new'),
    (('RENAME', 'K', 'K+'), b'OK', ('GET', 'K+'), b'abc'),
    (('COPY', 'K', 'K+', 'REPLACE'), 1, ('GET', 'K+'), b'abc'),
]
# What the origin holds, as a command that makes it there.
OBJECTS = [
    (('RPUSH', 'a', 'b'), ('LPUSH', 'K', 'z'), 3, ('LRANGE', 'K', 0, -1), [b'z', b'a', b'b']),
    (('RPUSH', 'a', 'b'), ('LSET', 'K', 0, 'z'), b'OK', ('LRANGE', 'K', 0, -1), [b'z', b'b']),
    (('SADD', 'a'), ('SADD', 'K', 'b'), 1, ('SCARD', 'K'), 2),
    (('ZADD', 1, 'a'), ('ZADD', 'K', 2, 'b'), 1, ('ZCARD', 'K'), 2),
    (('HSET', 'f', 'a'), ('HSET', 'K', 'g', 'b'), 1, ('HLEN', 'K'), 2),
    (('HSET', 'f', 'a'), ('HEXPIREAT', 'K', 4102444800, 'FIELDS', 1, 'f'), [1],
     ('HEXPIRETIME', 'K', 'FIELDS', 1, 'f'), [4102444800]),
    (('XADD', '1-1', 'f', 'a'), ('XADD', 'K', '2-1', 'f', 'b'), b'2-1', ('XLEN', 'K'), 2),
]


def with_key(command, key):
    return [argument.replace('K', key) if isinstance(argument, str) and argument in ('K', 'K+')
            else argument for argument in command]


class LocalTest(tiers_world.World):
    """On `local` routes what was changed here is ours; on `spill` routes too."""

    def start(self, *more, **settings):
        web = self.start_origin(lambda path: Answer('abc'))
        self.start_terrace([origin(web), *more, route('c:', origin='api', **settings,
                                                      ttl=f'{int(TTL_S * 1000)}ms')],
                           '--threads', '2')
        return self.client()

    def wait_for_ttl(self):
        time.sleep(TTL_S * 1.5)

    def check_strings(self, client):
        for i, (command, reply, look, seen) in enumerate(STRINGS):
            for is_known in (False, True):
                key = f'c:{i}{is_known}'
                if is_known:
                    self.assertEqual(client.call('GET', key), b'abc')
                self.assertEqual(client.call(*with_key(command, key)), reply, command)
        self.wait_for_ttl()
        for i, (command, reply, look, seen) in enumerate(STRINGS):
            for is_known in (False, True):
                with self.subTest(command=command, is_known=is_known):
                    result = client.call(*with_key(look, f'c:{i}{is_known}'))
                    if look[0] == 'TTL':
                        self.assertAlmostEqual(result, seen, delta=5)
                    else:
                        self.assertEqual(result, seen)

    def test_a_change_in_place_outlives_the_ttl_of_copies(self):
        client = self.start()
        self.check_strings(client)
        self.assertEqual(client.call('MGET', 'c:0False', 'c:0True'), [b'abcX', b'abcX'])
        self.assertEqual(client.call('APPEND', 'c:0True', 'Y'), 5)
        self.assertNotIn('fresh_ms', explain(client, 'c:0True'))

    def test_so_does_one_on_a_spill_route(self):
        client = self.start(regional(self.start_redis()), regional='near', write='spill')
        self.check_strings(client)
        self.assertEqual(client.call('PTTL', 'c:0True'), -1)

    def test_so_does_one_in_a_transaction_or_a_script(self):
        client = self.start()
        for key in ('c:tx', 'c:script'):
            self.assertEqual(client.call('GET', key), b'abc')
        self.assertEqual(client.pipeline([('MULTI',), ('APPEND', 'c:tx', 'X'), ('EXEC',)])[2],
                         ('*', ((':', 4),)))
        self.assertEqual(client.call('EVAL', "return redis.call('append', KEYS[1], 'X')", 1,
                                     'c:script'), 4)
        self.wait_for_ttl()
        self.assertEqual(client.call('MGET', 'c:tx', 'c:script'), [b'abcX', b'abcX'])

    def test_what_changes_nothing_leaves_a_copy(self):
        value = [b'abc']
        web = self.start_origin(lambda path: Answer(value[0]))
        client = self.client(self.start_terrace(
            [origin(web), route('c:', origin='api', ttl=f'{int(TTL_S * 1000)}ms'),
             route('n:', origin='api', ttl=0)]))
        commands = [('GETEX', 'K'), ('PERSIST', 'K'), ('EXPIRE', 'K', 10, 'XX'),
                    ('SETNX', 'K', 'v'), ('SETRANGE', 'K', 0, '')]
        for prefix in ('c:', 'n:'):
            for i, command in enumerate(commands):
                client.call(*with_key(command, f'{prefix}{i}'))
        value[0] = b'new'
        self.wait_for_ttl()
        for prefix in ('c:', 'n:'):
            for i, command in enumerate(commands):
                with self.subTest(prefix=prefix, command=command):
                    self.assertEqual(client.call('GET', f'{prefix}{i}'), b'new')

    def test_what_may_not_be_kept_is_kept_once_it_was_changed(self):
        answers = {'/short': Answer('abc', Cache_Control='max-age=1'),
                   '/ended': Answer('abc', Cache_Control='max-age=0'),
                   '/private': Answer('abc', Cache_Control='no-store')}
        web = self.start_origin(lambda path: answers['/' + path.rsplit('3A', 1)[1]])
        client = self.client(self.start_terrace(
            [regional(self.start_redis()), origin(web), route('c:', origin='api'),
             route('s:', origin='api', regional='near', write='spill')]))
        keys = [prefix + path[1:] for prefix in ('c:', 's:') for path in answers]
        for key in keys:
            self.assertEqual(client.call('APPEND', key, 'X'), 4)
        time.sleep(1.5)
        self.assertEqual(client.call('MGET', *keys[:3]), [b'abcX'] * 3)
        self.assertEqual(client.call('MGET', *keys[3:]), [b'abcX'] * 3)

    def test_values_of_every_type(self):
        old = self.start_redis()
        at_origin = self.client(old)
        client = self.client(self.start_terrace(
            [('origin', {'name': 'old', 'kind': 'redis', 'port': old.port}),
             route('c:', origin='old', ttl=f'{int(TTL_S * 1000)}ms')]))
        for i, (make, command, reply, _, _) in enumerate(OBJECTS):
            at_origin.call(make[0], f'c:{i}', *make[1:])
            client.call('TYPE', f'c:{i}')
            self.assertEqual(client.call(*with_key(command, f'c:{i}')), reply, command)
        self.wait_for_ttl()
        for i, (_, command, _, look, seen) in enumerate(OBJECTS):
            with self.subTest(command=command):
                self.assertEqual(client.call(*with_key(look, f'c:{i}')), seen)

    def test_a_changed_copy_of_a_spill_route_is_spilled(self):
        redis = self.start_durable_redis()
        web = self.start_origin(lambda path: Answer('abc'))
        server = self.start_terrace(
            [regional(redis), origin(web),
             route('s:', regional='near', origin='api', write='spill', ttl='1s')])
        client = self.client(server)
        self.assertEqual(client.call('GET', 's:1'), b'abc')
        self.eventually(lambda: self.client(redis).call('EXISTS', 's:1') == 1)
        self.assertEqual(client.call('APPEND', 's:1', 'X'), 4)
        os.kill(server.pid, signal.SIGTERM)
        self.eventually(lambda: self.client(redis).call('GET', 's:1') == b'abcX')
        self.assertEqual(self.client(redis).call('PTTL', 's:1'), -1)


class ForwardTest(tiers_world.World):
    """On `forward` routes the regional tier has what a write builds on before it runs there."""

    WRITES = STRINGS + [
        (('GETDEL', 'K'), b'abc', ('TTL', 'nothing'), -2),
        (('SET', 'K', 'new', 'NX'), None, ('GET', 'K'), b'abc'),
        (('SET', 'K', 'new', 'GET'), b'abc', ('GET', 'K'), b'new'),
        (('SETNX', 'K', 'new'), 0, ('GET', 'K'), b'abc'),
        (('MSETNX', 'K', 'new', 'K+', 'new'), 0, ('GET', 'K'), b'abc'),
    ]

    def start(self, value='abc', **settings):
        self.redis = self.start_redis()
        self.web = self.start_origin(lambda path: Answer(value))
        self.start_terrace([regional(self.redis), origin(self.web),
                            route('f:', regional='near', origin='api', **settings),
                            route('g:', regional='near')], '--threads', '2')
        client = self.client()
        self.eventually(lambda: client.command('SET', 'g:ready', 'v') == resp_wire.OK)
        return client

    def test_a_write_says_the_same_whether_or_not_somebody_has_read_before(self):
        client = self.start()
        for i, (command, reply, look, seen) in enumerate(self.WRITES):
            for is_known in (False, True):
                with self.subTest(command=command, is_known=is_known):
                    key = f'f:{i}{is_known}'
                    if is_known:
                        self.assertEqual(client.call('GET', key), b'abc')
                    self.assertEqual(client.call(*with_key(command, key)), reply)
                    result = client.call(*with_key(look, key))
                    if look[0] == 'TTL' and seen > 0:
                        self.assertAlmostEqual(result, seen, delta=5)
                    else:
                        self.assertEqual(result, seen)

    def test_so_does_a_transaction_and_one_that_watches(self):
        client = self.start(value='12')
        self.assertEqual(client.pipeline([('MULTI',), ('INCR', 'f:1'), ('INCR', 'f:1'),
                                          ('EXEC',)])[3], ('*', ((':', 13), (':', 14))))
        for i in range(20):
            replies = client.pipeline([('WATCH', f'f:w{i}'), ('MULTI',), ('INCR', f'f:w{i}'),
                                       ('INCR', f'f:x{i}'), ('EXEC',)])
            self.assertEqual(replies[4], ('*', ((':', 13), (':', 13))))
        self.assertEqual(client.call('EVAL', "return redis.call('incr', KEYS[1])", 1, 'f:2'), 13)
        self.assertEqual(client.call('INCR', 'f:3'), 13)

    def test_many_who_count_up_a_key_that_is_not_there_yet_count_from_the_origins_value(self):
        self.start(value='12')
        clients = [self.client() for _ in range(20)]
        for i in range(20):
            for client in clients:
                client.send('INCR', f'f:{i}')
            self.assertEqual(sorted(client.read() for client in clients),
                             [(':', 13 + n) for n in range(len(clients))])

    def test_what_needs_no_value_asks_nobody_for_it(self):
        client, below = self.start(), self.client(self.redis)
        before = below.call('INFO', 'commandstats').decode()
        self.assertEqual(client.command('SET', 'f:1', 'v'), resp_wire.OK)
        self.assertEqual(client.call('DEL', 'f:1', 'f:2'), 1)
        self.assertEqual(client.call('INCR', 'g:1'), 1)
        self.assertEqual(self.web.total, 0)
        self.assertNotIn('cmdstat_dump', before + below.call('INFO', 'commandstats').decode())
        self.assertEqual(info(client)['route1_regional']['hits'], 0)

    def test_where_the_origin_cannot_be_asked_nothing_is_written(self):
        client = self.start()
        self.web.close()
        self.assert_tier_error(client.command('INCR', 'f:1'), b'api', b'f:')
        self.assertEqual(self.client(self.redis).call('EXISTS', 'f:1'), 0)
        self.assertEqual(client.command('SET', 'f:1', '1'), resp_wire.OK)
        self.assertEqual(client.call('INCR', 'f:1'), 2)


class JitterTest(tiers_world.World):

    def test_it_is_taken_off_in_every_tier(self):
        redis = self.start_redis()
        client = self.client(self.start_terrace(
            [regional(redis), origin(self.start_origin(lambda path: Answer('v'))),
             route('f:', regional='near', origin='api', ttl='100s', jitter=0.5),
             route('s:', regional='near', origin='api', ttl='100s', jitter=0.5, write='spill')]))
        below = self.client(redis)
        for prefix in ('f:', 's:'):
            keys = [f'{prefix}{i}' for i in range(100)]
            self.assertEqual(client.call('MGET', *keys), [b'v'] * len(keys))
            self.eventually(lambda: below.call('EXISTS', *keys) == len(keys))
            lives_ms = [below.call('PTTL', key) for key in keys]
            slack_ms = 5000 * patience.FACTOR
            self.assertGreater(min(lives_ms), 50000 - slack_ms)
            self.assertLess(min(lives_ms), 65000)
            self.assertGreater(max(lives_ms), 85000 - slack_ms)
            for key, life_ms in zip(keys, lives_ms):
                self.assertAlmostEqual(int(explain(client, key)['fresh_ms']), life_ms,
                                       delta=slack_ms)


if __name__ == '__main__':
    unittest.main()
