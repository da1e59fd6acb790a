"""Routes with write = "spill": memory much smaller than the data, and nothing is lost or old."""

import os
import random
import signal
import time
import unittest

import black_box  # for the path to the helpers
import patience
import resp_wire
import tiers_world
from tiers_world import Answer, info, origin, regional, route

MAXMEMORY = 3 * 1024 * 1024
POLICY = ('--maxmemory', str(MAXMEMORY), '--maxmemory-policy', 'allkeys-lru')


def value_of(number, generation=0):
    return b'%d/%d/' % (number, generation) + b'v' * (200 + number % 400)


assert black_box


class SpillTest(tiers_world.World):
    key_count = 15000  # about 7 MB

    def start(self, redis=None, *flags):
        self.redis = redis or self.start_durable_redis()
        self.start_terrace([regional(self.redis), route('s:', regional='near', write='spill')],
                           *POLICY, *flags)
        return self.client(timeout_s=30.0)

    def pipelined(self, client, commands, batch=500):
        replies = []
        for start in range(0, len(commands), batch):
            replies += self.retried(client, commands[start:start + batch])
        return replies

    def retried(self, client, commands):
        """Runs the commands; those refused because too much is on its way are sent again."""
        replies = client.pipeline(commands)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            again = [i for i, reply in enumerate(replies)
                     if reply[0] == '-' and reply[1].startswith((b'OOM', b'TIER'))]
            if not again:
                break
            time.sleep(0.05)
            for i, reply in zip(again, client.pipeline([commands[i] for i in again])):
                replies[i] = reply
        return replies

    def write_all(self, client, generation=0, count=None):
        commands = []
        for i in range(count or self.key_count):
            command = ['SET', f's:{i}', value_of(i, generation)]
            commands.append(command + (['PX', 3600000 + i] if i % 3 == 0 else []))
        self.assertEqual(set(self.pipelined(client, commands)), {resp_wire.OK})

    def check_all(self, client, expected):
        """`expected` maps numbers to values or None."""
        numbers = list(expected)
        replies = self.pipelined(client, [('GET', f's:{i}') for i in numbers])
        wrong = [(i, reply[:2] if len(reply) < 2 else reply[1][:60])
                 for i, reply in zip(numbers, replies)
                 if reply != (('$', expected[i]) if expected[i] is not None else ('$-1',))]
        self.assertEqual(wrong[:5], [], f'{len(wrong)} of {len(numbers)} are wrong')

    def test_a_deletion_that_waits_hides_the_copy_below_and_not_the_origin(self):
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer('from the origin'))
        client = self.client(self.start_terrace(
            [regional(redis), origin(web),
             route('s:', regional='near', origin='api', write='spill', regional_timeout='5s',
                   timeout='6s')]))
        below = self.client(redis)
        self.assertEqual(client.call('GET', 's:1'), b'from the origin')
        self.eventually(lambda: below.call('EXISTS', 's:1') == 1)
        below.call('SET', 's:1', 'old')
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            self.assertEqual(client.call('DEL', 's:1'), 1)
            self.assertEqual(info(client)['spill_tombstones'], 1)
            began = time.monotonic()
            self.assertEqual(client.call('GET', 's:1'), b'from the origin')
            self.assertLess(time.monotonic() - began, 3.0)
            self.assertEqual(client.call('DEL', 's:1'), 1)
            self.assertEqual(client.call('APPEND', 's:1', ', and more'), 25)
            self.assertEqual(web.total, 3)
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        self.eventually(lambda: below.call('EXISTS', 's:1') == 0)
        self.assertEqual(client.call('GET', 's:1'), b'from the origin, and more')

    def test_everything_written_is_read_back_with_its_lifetime(self):
        client = self.start()
        self.write_all(client)
        lines = info(client)
        print(f'{lines["route0"]["spills"]} spills of {self.key_count} keys')
        self.assertGreater(lines['route0']['spills'], self.key_count // 4)
        self.check_all(client, {i: value_of(i) for i in range(self.key_count)})
        numbers = random.Random(1).sample(range(self.key_count), 500)
        for i, reply in zip(numbers, client.pipeline([('PTTL', f's:{i}') for i in numbers])):
            if i % 3:
                self.assertEqual(reply, (':', -1))
            else:
                self.assertAlmostEqual(reply[1], 3600000 + i, delta=60000)
        self.assertLess(int(dict(line.split(':', 1) for line in client.call(
            'INFO', 'memory').decode().split('\r\n') if ':' in line)['used_memory']),
            MAXMEMORY * 1.3)

    def test_changes_of_spilled_keys_build_on_their_values(self):
        client = self.start()
        counters = [('SET', f's:n{i}', 1000 + i) for i in range(500)]
        self.pipelined(client, counters)
        self.write_all(client)
        replies = self.pipelined(client, [('INCR', f's:n{i}') for i in range(500)])
        self.assertEqual(replies, [(':', 1001 + i) for i in range(500)])
        replies = self.pipelined(client, [('APPEND', f's:{i}', 'tail') for i in range(500)])
        self.assertEqual(replies, [(':', len(value_of(i)) + 4) for i in range(500)])
        self.assertEqual(self.pipelined(client, [('SET', f's:{i}', 'x', 'NX')
                                                 for i in range(500, 600)]), [('$-1',)] * 100)
        self.assertEqual(self.pipelined(client, [('EXPIRE', f's:{i}', 500)
                                                 for i in range(601, 700)]), [(':', 1)] * 99)
        expected = {i: value_of(i) + b'tail' for i in range(500)}
        expected.update({i: value_of(i) for i in range(500, self.key_count)})
        self.check_all(client, expected)
        self.assertEqual(self.pipelined(client, [('INCR', f's:n{i}') for i in range(500)]),
                         [(':', 1002 + i) for i in range(500)])
        for reply in client.pipeline([('TTL', f's:{i}') for i in range(601, 700)]):
            self.assertTrue(480 <= reply[1] <= 500, reply)

    def test_deleted_and_overwritten_keys_never_show_old_values(self):
        seed = int(os.environ.get('SPILL_SEED', random.SystemRandom().randrange(1 << 31)))
        print(f'SPILL_SEED={seed}')
        rng = random.Random(seed)
        client = self.start()
        count = 8000
        self.write_all(client, count=count)
        expected = {i: value_of(i) for i in range(count)}
        for generation in range(1, 16):
            commands, answers = [], []
            for i in rng.sample(range(count), 600):
                action = rng.randrange(6)
                key, old = f's:{i}', expected[i]
                if action == 0:
                    commands.append(('DEL', key))
                    answers.append((':', 0 if old is None else 1))
                    expected[i] = None
                elif action == 1:
                    commands.append(('GETDEL', key))
                    answers.append(('$-1',) if old is None else ('$', old))
                    expected[i] = None
                elif action == 2:
                    commands.append(('PEXPIRE', key, 0))
                    answers.append((':', 0 if old is None else 1))
                    expected[i] = None
                elif action == 3:
                    commands.append(('GETSET', key, value_of(i, generation)))
                    answers.append(('$-1',) if old is None else ('$', old))
                    expected[i] = value_of(i, generation)
                elif action == 4:
                    commands.append(('SET', key, value_of(i, generation)))
                    answers.append(resp_wire.OK)
                    expected[i] = value_of(i, generation)
                else:
                    commands.append(('GET', key))
                    answers.append(('$-1',) if old is None else ('$', old))
            self.assertEqual(self.retried(client, commands), answers)
            if generation == 8:
                self.redis.restart(hard=True)
        self.check_all(client, expected)
        self.server.stop()
        self.assertIsNotNone(self.server.process.returncode)
        self.server.start()
        self.check_all(self.client(timeout_s=30.0), expected)

    def test_sigterm_moves_everything_to_the_regional_tier(self):
        client = self.start()
        count = 12000
        self.write_all(client, count=count)
        self.pipelined(client, [('DEL', f's:{i}') for i in range(0, count, 10)])
        began = time.monotonic()
        self.assertEqual(self.server.stop(20.0), 0)
        print(f'drained in {time.monotonic() - began:.2f} s')
        below = self.client(self.redis, timeout_s=30.0)
        self.assertEqual(below.call('DBSIZE'), count - count // 10)
        expected = {i: value_of(i) if i % 10 else None for i in range(count)}
        self.check_all(below, expected)
        self.assertNotIn(b'spill_incomplete', self.server.log())

    def test_a_large_local_tier_drains_too(self):
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis), route('s:', regional='near', write='spill')])
        client = self.client(timeout_s=30.0)
        count = 60000
        commands = [('SET', f's:{i}', value_of(i)) for i in range(count)]
        for start in range(0, count, 5000):
            self.assertEqual(set(client.pipeline(commands[start:start + 5000])), {resp_wire.OK})
        began = time.monotonic()
        self.assertEqual(self.server.stop(30.0), 0)
        print(f'{count} values drained in {time.monotonic() - began:.2f} s')
        self.assertEqual(self.client(self.redis).call('DBSIZE'), count)

    def test_a_regional_tier_that_restarts_or_hangs_loses_nothing(self):
        client = self.start()
        self.write_all(client, count=5000)
        for generation in (1, 2):
            self.redis.restart(hard=True)
            self.write_all(client, generation, count=5000)
            os.kill(self.redis.pid, signal.SIGSTOP)
            began = time.monotonic()
            for i in range(20):
                reply = client.command('GET', f's:{i}')
                self.assertIn(reply[0], '$-')
                if reply[0] == '$':
                    self.assertEqual(reply[1], value_of(i, generation))
                else:
                    self.assert_tier_error(reply, b'near', b's:')
            self.assertLess(time.monotonic() - began, 10.0)
            os.kill(self.redis.pid, signal.SIGCONT)
            self.check_all(client, {i: value_of(i, generation) for i in range(5000)})

    def test_values_of_every_type_survive_the_way_down_and_back(self):
        client = self.start()
        commands, reads = [], []
        for i in range(300):
            commands += [('HSET', f's:h{i}', 'f', i, 'g', 'x' * (i % 200)),
                         ('SADD', f's:s{i}', i, i + 1, 'm' * (i % 90)),
                         ('ZADD', f's:z{i}', i + 0.5, 'a', 2, 'b' * (i % 90 + 1)),
                         ('RPUSH', f's:l{i}', *range(i % 40 + 1)),
                         ('HSET', f's:big{i % 5}', *(j for j in range(2 * i, 2 * i + 40)))]
            reads += [('HGET', f's:h{i}', 'f'), ('SCARD', f's:s{i}'), ('ZRANGE', f's:z{i}', 0, -1),
                      ('LRANGE', f's:l{i}', 0, -1), ('HLEN', f's:big{i % 5}'),
                      ('TYPE', f's:z{i}')]
        self.retried(client, commands)
        before = self.retried(client, reads)
        self.write_all(client, count=12000)
        self.assertEqual(self.retried(client, reads), before)
        replies = self.retried(client, [('HINCRBY', f's:h{i}', 'f', 1) for i in range(300)])
        if replies[0][0] == ':':
            self.assertEqual(replies, [(':', i + 1) for i in range(300)])
            self.assertEqual(set(self.retried(client, [('SADD', f's:s{i}', i)
                                                       for i in range(300)])), {(':', 0)})
            self.assertEqual(set(self.retried(client, [('ZREM', f's:z{i}', 'a')
                                                       for i in range(300)])), {(':', 1)})

    def test_keys_of_other_routes_make_room_while_none_can_be_spilled(self):
        redis = self.start_durable_redis()
        policies = ('s3-fifo', 'allkeys-lru', 'volatile-ttl')
        # Each is many requests, too many for a server that is slowed down.
        if patience.FACTOR <= 1:
            policies += ('sieve', 'allkeys-lfu', 'allkeys-random')
        for policy in policies:
            with self.subTest(policy=policy):
                client = self.client(self.start_terrace(
                    [regional(redis), route('s:', regional='near', write='spill')],
                    '--maxmemory', str(MAXMEMORY), '--maxmemory-policy', policy), timeout_s=30.0)
                life = ('PX', 3600000)
                plain = [('SET', f'plain:{i}', 'v' * 1000, *life) for i in range(1000)]
                self.assertEqual(set(client.pipeline(plain)), {resp_wire.OK})
                os.kill(redis.pid, signal.SIGSTOP)
                try:
                    # Until no more of them can be given up, and then some.
                    for i in range(4000):
                        reply = client.command('SET', f's:{i}', 'v' * 1000, *life)
                        self.assertEqual(reply, resp_wire.OK, i)
                        if i % 50 == 0 and self.count(client, 'plain:*') < 700:
                            break
                    for i in range(100):
                        self.assertEqual(client.command('SET', f'more:{i}', 'v' * 1000, *life),
                                         resp_wire.OK, i)
                    # Only when nothing else is left there is no room, and then for good: the first
                    # refusals may pass, as what buffers take is measured from time to time.
                    refused_in_a_row = 0
                    for i in range(4000):
                        reply = client.command('SET', f's:more:{i}', 'v' * 1000, *life)
                        is_refused = reply[1][:3] == b'OOM'
                        refused_in_a_row = refused_in_a_row + 1 if is_refused else 0
                        if refused_in_a_row == 200:
                            break
                    self.assertEqual(refused_in_a_row, 200)
                    self.assertLess(self.count(client, 'plain:*'), 20)
                finally:
                    os.kill(redis.pid, signal.SIGCONT)
                self.eventually(lambda: client.command('SET', 's:again', 'v') == resp_wire.OK)
                self.server.close()

    @staticmethod
    def count(client, pattern):
        return len(client.call('KEYS', pattern))

    def test_too_many_deletions_are_refused_with_the_reason(self):
        redis = self.start_redis()
        self.start(redis, '--tombstones-max', '10')
        client = self.client(timeout_s=10.0)
        client.command('SET', 's:1', 'v')
        redis.kill()
        replies = [client.command('SET', f's:x{i}', 'v') for i in range(40)]
        self.assert_tier_error(replies[-1], b'deletions', b's:')
        self.assert_error(client.command('DEL', 'plain', 's:1'), b'TIER', b'route s:')
        self.assert_error(client.command('MSET', 'plain', 'v', 's:1', 'v'), b'route s:')
        self.assertEqual(client.command('SET', 'plain', 'v'), resp_wire.OK)
        redis.start()
        self.eventually(lambda: client.command('SET', 's:1', 'w') == resp_wire.OK)


if __name__ == '__main__':
    unittest.main()
