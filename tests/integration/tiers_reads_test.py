"""Reads through the tiers: who is asked and how often, what is kept and for how long."""

import os
import pathlib
import random
import shutil
import tempfile
import threading
import time
import unittest

import black_box  # for the path to the helpers
import patience
import tiers_world
from tiers_world import Answer, explain, info, origin, regional, route

assert black_box


class ReadTest(tiers_world.World):

    def test_origin_then_regional_then_local_answer_and_each_is_asked_once(self):
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer('value of ' + path))
        tables = [regional(redis), origin(web), route('p:', regional='near', origin='api')]
        client = self.client(self.start_terrace(tables))
        for _ in range(5):
            self.assertEqual(client.command('GET', 'p:1'), ('$', b'value of /p%3A1'))
        lines = info(client)
        self.assertEqual((lines['route0']['local_hits'], lines['route0']['local_misses']), (4, 1))
        self.assertEqual((lines['route0_regional']['misses'], lines['route0_origin']['hits']),
                         (1, 1))
        self.assertEqual(web.total, 1)
        # A second Terrace finds it in the regional tier.
        self.assertEqual(self.client(redis).call('GET', 'p:1'), b'value of /p%3A1')
        other = self.client(self.start_terrace(tables))
        for _ in range(3):
            self.assertEqual(other.command('GET', 'p:1'), ('$', b'value of /p%3A1'))
        lines = info(other)
        self.assertEqual((lines['route0_regional']['hits'], lines['route0_origin']['requests']),
                         (1, 0))
        self.assertEqual(web.total, 1)

    def test_an_absence_is_remembered_for_negative_ttl_and_then_asked_again(self):
        found = []
        web = self.start_origin(lambda path: Answer('here') if found else Answer(status=404))
        tables = [origin(web), route('p:', origin='api', negative_ttl='400ms')]
        client = self.client(self.start_terrace(tables))
        for _ in range(5):
            self.assertEqual(client.call('GET', 'p:1'), None)
            self.assertEqual(client.call('EXISTS', 'p:1'), 0)
        self.assertEqual(web.total, 1)
        found.append(True)
        time.sleep(0.45)
        self.assertEqual(client.call('GET', 'p:1'), b'here')
        self.assertEqual(web.total, 2)

    def test_a_write_ends_a_remembered_absence(self):
        redis = self.start_redis()
        client = self.client(self.start_terrace(
            [regional(redis), route('p:', regional='near', negative_ttl='1m')]))
        self.assertEqual(client.call('GET', 'p:1'), None)
        client.command('SET', 'p:1', 'v')
        self.assertEqual(client.call('GET', 'p:1'), b'v')

    def test_what_must_not_be_stored_is_answered_and_never_kept(self):
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer('secret', Cache_Control='no-store'))
        client = self.client(self.start_terrace(
            [regional(redis), origin(web), route('p:', regional='near', origin='api')]))
        for count in (1, 2, 3):
            self.assertEqual(client.call('GET', 'p:1'), b'secret')
            self.assertEqual(web.total, count)
        self.assertEqual(client.call('DBSIZE'), 0)
        self.assertEqual(self.client(redis).call('DBSIZE'), 0)

    def test_a_value_over_max_value_is_refused_and_one_at_it_is_not(self):
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer(b'x' * int(path.split('A')[1])))
        client = self.client(self.start_terrace(
            [regional(redis), origin(web), route('p:', regional='near', origin='api',
                                                 max_value=1000)]))
        self.assertEqual(client.call('GET', 'p:1000'), b'x' * 1000)
        self.assert_tier_error(client.command('GET', 'p:1001'), b'api', b'p:')
        self.assertEqual(self.client(redis).call('EXISTS', 'p:1001'), 0)
        self.assertEqual(client.call('GET', 'p:1000'), b'x' * 1000)

    def dumps_of(self, below, key):
        """How often this key has been asked for as a whole; the slow log shows every command."""
        asked = ('*', (('$', b'DUMP'), ('$', key)))
        entries = below.command('SLOWLOG', 'GET', '-1')[1]
        return sum(fields[3] == asked for _, fields in entries)

    def test_a_value_over_max_value_is_read_where_it_is_on_a_forward_route(self):
        redis, spilled = self.start_redis(), self.start_redis()
        client = self.client(self.start_terrace(
            [regional(redis), regional(spilled, 'deep'),
             route('p:', regional='near', max_value=1000), route('q:', regional='near'),
             route('s:', regional='deep', write='spill', max_value=1000)]))
        below, large = self.client(redis), random.Random(1).randbytes(5000)
        below.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0', 'slowlog-max-len', '10000')
        below.call('SET', 'p:1', large)
        below.call('SET', 'p:2', 'small')
        below.call('HSET', 'p:h', *[f'{i}' for i in range(2000)])
        below.call('SET', 'q:1', 'v')
        for _ in range(3):
            self.assertEqual(client.call('GET', 'p:1'), large)
            self.assertEqual(client.call('MGET', 'p:2', 'p:1', 'q:1'), [b'small', large, b'v'])
            self.assertEqual(client.call('GETRANGE', 'p:1', 10, 12), large[10:13])
        self.assertEqual(self.client(proto=3).command('HGETALL', 'p:h')[0], '%')
        self.assertEqual(client.call('HLEN', 'p:h'), 1000)
        # It came as a whole once; after a write it may be small again.
        self.assertEqual(self.dumps_of(below, b'p:1'), 1)
        self.assertEqual(client.call('SET', 'p:1', 'tiny'), b'OK')
        for _ in range(3):
            self.assertEqual(client.call('GET', 'p:1'), b'tiny')
        self.assertEqual(self.dumps_of(below, b'p:1'), 2)
        # With keys of other routes there is nobody who could answer all of it.
        client.call('SET', 'plain', 'v')
        below.call('SET', 'p:1', large)
        self.client(spilled).call('SET', 's:1', large)
        self.assert_tier_error(client.command('MGET', 'p:h', 'plain'), b'max_value', b'p:')
        self.assert_tier_error(client.command('GET', 's:1'), b'deep', b's:')

    def test_random_picks_are_made_on_the_regional_tier(self):
        redis = self.start_redis()
        client = self.client(self.start_terrace([regional(redis), route('p:', regional='near')]))
        below = self.client(redis)
        below.call('SADD', 'p:s', 'a', 'b')
        below.call('HSET', 'p:h', 'f', 'v')
        below.call('ZADD', 'p:z', 1.5, 'm')
        self.assertIn(client.call('SRANDMEMBER', 'p:s'), (b'a', b'b'))
        self.assertEqual(sorted(client.call('SRANDMEMBER', 'p:s', 5)), [b'a', b'b'])
        self.assertEqual(client.call('HRANDFIELD', 'p:h', 1, 'WITHVALUES'), [b'f', b'v'])
        self.assertEqual(self.client(proto=3).command('ZRANDMEMBER', 'p:z', 1, 'WITHSCORES'),
                         ('*', (('*', (('$', b'm'), (',', b'1.5'))),)))
        below.call('SREM', 'p:s', 'a')
        self.assertEqual(client.call('SRANDMEMBER', 'p:s'), b'b')
        self.assertNotIn('cmdstat_dump', below.call('INFO', 'commandstats').decode())

    def test_the_lifetime_shown_is_that_of_the_regional_tier(self):
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer('v', Cache_Control='max-age=30')
                                if path.endswith('short') else Answer('v'))
        client = self.client(self.start_terrace(
            [regional(redis), origin(web), route('p:', regional='near', origin='api', ttl='50s',
                                                 jitter=0.5), route('q:', regional='near')]))
        below = self.client(redis)
        below.call('SET', 'p:set', 'v', 'PX', 77000)
        below.call('SET', 'p:forever', 'v')
        for key in ('p:short', 'p:long', 'p:set', 'p:forever'):
            for attempt in ('fetched', 'kept'):
                with self.subTest(key=key, attempt=attempt):
                    self.assertEqual(client.call('GET', key), b'v')
                    # The origin's value is stored below behind the answer.
                    self.eventually(lambda: below.call('EXISTS', key) == 1)
                    self.assertAlmostEqual(client.call('PTTL', key), below.call('PTTL', key),
                                           delta=500)

    def test_a_hundred_misses_in_a_pipeline_cost_about_one_round_trip(self):
        web = self.start_origin(lambda path: Answer('v' + path, delay_s=0.1))
        client = self.client(self.start_terrace(
            [origin(web, concurrency_max=100), route('p:', origin='api')]))
        began = time.monotonic()
        replies = client.pipeline([('GET', f'p:{i}') for i in range(100)])
        took = time.monotonic() - began
        self.assertEqual(replies, [('$', b'v/p%%3A%d' % i) for i in range(100)])
        self.assertEqual(web.total, 100)
        print(f'100 pipelined misses of 100 ms each took {took * 1000:.0f} ms')
        self.assertLess(took, 1.0 * patience.FACTOR)
        began = time.monotonic()
        self.assertEqual(len(client.call('MGET', *(f'p:m{i}' for i in range(100)))), 100)
        self.assertLess(time.monotonic() - began, 1.0 * patience.FACTOR)


class SeveralRoutesTest(tiers_world.World):

    def setUp(self):
        self.near, self.far = self.start_redis(), self.start_redis()
        self.start_terrace(
            [regional(self.near), regional(self.far, name='far'), route('n:', regional='near'),
             route('f:', regional='far'), route('s:', regional='far', write='spill')])
        self.keys = ['n:1', 'f:1', 's:1', 'plain', 'n:2', 'f:2', 's:2', 'plain2']

    def test_multi_key_commands_split_and_their_counts_add_up(self):
        client = self.client()
        pairs = [item for key in self.keys for item in (key, 'v-' + key)]
        self.assertEqual(client.command('MSET', *pairs), ('+', b'OK'))
        values = [('v-' + key).encode() for key in self.keys]
        self.assertEqual(client.call('MGET', *self.keys, 'n:none'), values + [None])
        self.assertEqual(client.call('EXISTS', *self.keys, 'f:none', 'n:1'), 9)
        self.assertEqual(client.call('TOUCH', *self.keys, 'f:none'), 8)
        self.assertEqual(self.client(self.near).call('MGET', 'n:1', 'n:2'), [b'v-n:1', b'v-n:2'])
        self.assertEqual(self.client(self.far).call('KEYS', 'n:*'), [])
        self.assertEqual(client.call('DEL', *self.keys[:5], 'f:none', 's:none', 'plain3'), 5)
        self.assertEqual(client.call('MGET', *self.keys), [None] * 5 + values[5:])
        self.assertEqual(client.call('UNLINK', *self.keys), 3)
        self.assertEqual(client.call('EXISTS', *self.keys), 0)

    def test_commands_that_cannot_split_are_refused_and_change_nothing(self):
        client = self.client()
        client.call('SET', 'n:1', 'v')
        for command in (('RENAME', 'n:1', 'f:1'), ('RENAME', 'n:1', 'plain'),
                        ('COPY', 'n:1', 's:1'), ('RENAMENX', 'plain', 'n:9'),
                        ('MSETNX', 'n:5', 'v', 'f:5', 'v')):
            with self.subTest(command=command):
                self.assert_error(client.command(*command), b'CROSSROUTE')
        self.assertEqual(client.call('GET', 'n:1'), b'v')
        self.assertEqual(client.call('MGET', 'f:1', 'plain', 's:1', 'n:5', 'f:5'), [None] * 5)
        self.assertEqual(client.command('RENAME', 'n:1', 'n:7'), ('+', b'OK'))
        self.assertEqual(client.call('MGET', 'n:1', 'n:7'), [None, b'v'])

    def test_an_odd_mset_over_several_routes_is_refused(self):
        client = self.client()
        for arguments in (('n:1', 'v', 'plain'), ('plain', 'v', 'n:1'), ('n:1', 'v', 'f:1'),
                          ('s:1', 'v', 'n:1', 'v', 'plain')):
            with self.subTest(arguments=arguments):
                self.assert_error(client.command('MSET', *arguments), b'wrong number of arguments')
        self.assertEqual(client.call('EXISTS', 'n:1', 'plain', 's:1', 'f:1'), 0)

    def test_a_split_with_one_tier_down_says_which(self):
        client = self.client()
        client.call('SET', 'n:1', 'v')
        self.far.kill()
        reply = client.command('DEL', 'n:1', 'f:1', 'plain')
        self.assert_tier_error(reply, b'far', b'f:')
        self.assert_tier_error(client.command('MGET', 'n:1', 'f:1'), b'far', b'f:')
        self.assertEqual(client.command('SET', 'n:1', 'w'), ('+', b'OK'))


class DirectoryTest(tiers_world.World):

    def test_there_is_a_helper_thread_for_each_read_that_may_be_at_work(self):
        root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, root)
        (root / 'good').write_bytes(b'good')
        tables = [('origin', {'name': name, 'kind': 'directory', 'path': str(root),
                              'concurrency_max': 20}) for name in ('files', 'more')]
        client = self.client(self.start_terrace(
            tables + [route('', origin='files'), route('x', origin='more')], '--threads', '1'))
        before = len(os.listdir(f'/proc/{self.server.pid}/task'))
        self.assertEqual(client.call('GET', 'good'), b'good')
        self.assertGreaterEqual(len(os.listdir(f'/proc/{self.server.pid}/task')) - before, 40)

    def test_keys_cannot_leave_the_directory(self):
        self.start_terrace([])
        root = self.server.directory / 'values'
        (root / 'sub').mkdir(parents=True)
        (root / 'good').write_bytes(b'good')
        (root / 'sub/deep').write_bytes(b'deep')
        (root / 'p%3A1').write_bytes(b'colon')
        secret = self.server.directory / 'secret'
        secret.write_bytes(b'secret')
        (root / 'link').symlink_to(secret)
        (root / 'dirlink').symlink_to(self.server.directory)
        (root / 'absolute').symlink_to('/etc/passwd')
        os.mkfifo(root / 'fifo')
        terrace = self.start_terrace(
            [('origin', {'name': 'files', 'kind': 'directory', 'path': str(root)}),
             route('', origin='files', negative_ttl=0)])
        client = self.client(terrace, timeout_s=3.0)
        self.assertEqual(client.call('MGET', 'good', 'sub/deep', 'p:1'),
                         [b'good', b'deep', b'colon'])
        hostile = ['../secret', 'sub/../../secret', '/etc/passwd', '//etc/passwd', 'link', '..',
                   'dirlink/secret', 'absolute', '.', './good', 'sub', 'sub/', '', 'fifo',
                   b'good\0', b'good\0/../secret', b'..%2fsecret', b'%2e%2e/secret', b'..\\secret',
                   b'..\xc0\xafsecret', 'a' * 300, 'x/' * 3000 + 'y', b'\xff\xfe', 'good/',
                   'good/x', '\r\n', 'sub//deep', '/proc/self/environ', '~/x']
        for key in hostile:
            with self.subTest(key=key[:40]):
                reply = client.command('GET', key)
                self.assertTrue(reply == ('$-1',) or reply[0] == '-', reply)
        self.assertEqual(client.call('GET', 'good'), b'good')


class ExplainTest(tiers_world.World):

    def test_what_it_says_a_get_would_do_is_what_happens(self):
        seed = int(os.environ.get('EXPLAIN_SEED', random.SystemRandom().randrange(1 << 31)))
        print(f'EXPLAIN_SEED={seed}')
        rng = random.Random(seed)
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer('v') if int(path[-1]) % 2
                                else Answer(status=404))
        self.start_terrace(
            [regional(redis), origin(web),
             route('both:', regional='near', origin='api', negative_ttl='150ms'),
             route('far:', origin='api', negative_ttl='150ms', ttl='200ms'),
             route('near:', regional='near', negative_ttl='150ms'),
             route('spill:', regional='near', write='spill', negative_ttl='150ms')])
        client, below = self.client(), self.client(redis)
        seen, fetched_s = set(), {}
        for _ in range(300):
            key = rng.choice(['both:', 'far:', 'near:', 'spill:', 'none:']) + str(rng.randrange(6))
            action = rng.randrange(8)
            if action == 0:
                client.call('SET', key, 'w')
            elif action == 1:
                client.call('DEL', key)
            elif action == 2 and not key.startswith('spill'):
                below.call('SET', key, 'b')
            elif action == 3:
                client.call('SET', key, 'w', 'PX', 60)
            elif action == 4:
                time.sleep(0.03)
            self.eventually(lambda: info(client)['fetches_in_flight'] == 0)
            before, asked_s = info(client), time.monotonic()
            predicted = explain(client, key)
            reply = client.command('GET', key)
            answered_s, after = time.monotonic(), info(client)
            happened = self.what_happened(before, after)
            said = predicted['get_would']
            seen.add(said)
            age_s = answered_s - fetched_s.get(key, 0)
            if happened and happened[0] in ('regional', 'origin'):
                fetched_s[key] = asked_s
                if self.ran_out_meanwhile(predicted, answered_s - asked_s, age_s):
                    continue
            expected = {
                'answer from local': ('local',), 'answer absent': (),
                'answer absent (remembered)': ('remembered',),
                'answer absent (deleted here)': (), 'answer from the spill ledger': ('ledger',),
                'fetch from origin api': ('origin',),
                'fetch from regional near': ('regional',),
            }.get(said)
            with self.subTest(key=key, predicted=predicted, reply=reply):
                if said == 'fetch from regional near, then origin api':
                    self.assertIn(happened, (('regional',), ('regional', 'origin')))
                elif predicted['route'] == 'none':
                    self.assertEqual(happened, ())
                else:
                    self.assertEqual(happened, expected)
        self.assertGreaterEqual(len(seen), 6, seen)

    def test_it_knows_open_breakers_large_values_and_routes_without_a_regional_tier(self):
        redis, gone = self.start_redis(), self.start_redis()
        sick = threading.Event()
        web = self.start_origin(lambda path: Answer(raw=b'nonsense') if sick.is_set()
                                else Answer('x' * (3000 if 'big' in path else 3)))
        breaker = {'breaker.failures_to_open': 2, 'breaker.open_ms': '1h',
                   'breaker.open_max_ms': '1h'}
        self.start_terrace(
            [regional(redis), regional(gone, name='gone', **breaker), origin(web, **breaker),
             route('near:', regional='near', max_value=1000),
             route('gone:', regional='gone', origin='api', timeout='300ms'),
             route('both:', regional='near', origin='api'),
             route('far:', origin='api', max_value=1000, negative_ttl='1h')])
        client, below = self.client(), self.client(redis)

        def would(key):
            return explain(client, key)['get_would']

        self.assertEqual(client.call('GET', 'far:1'), b'xxx')
        self.assertEqual(explain(client, 'far:1')['regional_copy'], 'none')
        self.assertEqual(client.call('GET', 'both:1'), b'xxx')
        self.assertIn(explain(client, 'both:1')['regional_copy'], ('same', 'unknown'))

        below.call('SET', 'near:big', 'x' * 3000)
        self.assertEqual(would('near:big'), 'fetch from regional near')
        self.assertEqual(len(client.call('GET', 'near:big')), 3000)
        self.assertEqual(would('near:big'), 'relay (above max_value) to regional near')

        self.assertEqual(would('far:big'), 'fetch from origin api')
        self.assert_tier_error(client.command('GET', 'far:big'), b'too_large', b'far:')
        self.assertEqual(would('far:big'), 'fail: too_large of origin api')
        asked = web.total
        self.assert_tier_error(client.command('GET', 'far:big'), b'origin api: too_large', b'far:')
        self.assertEqual(web.total, asked, 'what is known to be too large was fetched again')

        sick.set()
        for i in range(2):
            self.assert_tier_error(client.command('GET', f'far:sick{i}'), b'protocol', b'far:')
        self.assert_tier_error(client.command('GET', 'far:2'), b'breaker_open', b'far:')
        self.assertEqual(would('far:2'), 'fail: breaker_open of origin api')
        self.assertEqual(would('both:2'),
                         'fetch from regional near, then fail: breaker_open of origin api')
        gone.close()
        for i in range(5):
            client.command('GET', f'gone:{i}')
        self.assert_tier_error(client.command('GET', 'gone:x'), b'breaker_open', b'gone:')
        self.assertEqual(would('gone:x'), 'fail: breaker_open of regional gone')

    @staticmethod
    def ran_out_meanwhile(predicted, taken_s, age_s):
        """Did what TIER EXPLAIN saw come to its end before the GET was answered?"""
        if predicted['get_would'] == 'answer absent (remembered)':
            return age_s >= 0.15
        left_ms = [int(predicted.get(name, -1)) for name in ('ttl_ms', 'fresh_ms')]
        return any(0 <= left <= 1000 * taken_s + 1 for left in left_ms)

    @staticmethod
    def what_happened(before, after):
        events = []
        for line in after:
            if not line.startswith('route') or line == 'routes':
                continue
            for field, event in (('local_hits', 'local'), ('negative_hits', 'remembered'),
                                 ('requests', line.rpartition('_')[2])):
                if field in after[line] and after[line][field] != before[line][field]:
                    events.append(event)
        return tuple(events)


if __name__ == '__main__':
    unittest.main()
