"""Routes with write = "forward": an acknowledged write is never lost and never read too late."""

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

import black_box  # for the path to the helpers
import history
import patience
import resp_wire
import servers
import tiers_forward_worker as worker
import tiers_world
from tiers_world import info, regional, route

assert black_box
WORKER = pathlib.Path(__file__).with_name('tiers_forward_worker.py')


class ForwardTest(tiers_world.World):

    def start(self, **settings):
        self.redis = self.start_durable_redis()
        self.start_terrace([regional(self.redis, **settings),
                            route('f:', regional='near', regional_timeout='700ms')],
                           '--threads', '4')
        return self.client()

    def start_workers(self, seconds, count=4):
        seed = int(os.environ.get('FORWARD_SEED', random.SystemRandom().randrange(1 << 31)))
        print(f'{self.id()}: FORWARD_SEED={seed}')
        return [subprocess.Popen(
            [sys.executable, WORKER, str(self.server.port), f'w{i}', str(seed + i), str(seconds)],
            stdout=subprocess.PIPE, preexec_fn=servers.die_with_parent) for i in range(count)]

    def judge(self, workers):
        """Returns the errors the clients saw."""
        operations, errors = collections.defaultdict(list), []
        for process in workers:
            output, _ = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0)
            result = json.loads(output)
            errors += result['errors']
            for kind, key, start, end, value in result['history']:
                end = history.UNANSWERED if end is None else end
                operations[kind, key].append(history.Operation(start, end, value))
        # What the regional tier holds in the end counts as one more read of everybody's.
        below, client = self.client(self.redis), self.client()
        self.eventually(lambda: client.command('SET', 'f:after', 'v') == resp_wire.OK)
        violations = []
        for key in worker.REGISTERS:
            now = time.monotonic()
            for reader in (below, client):
                value = reader.call('GET', key)
                operations['read', key].append(history.Operation(
                    now, time.monotonic(), None if value is None else value.decode()))
            violations += history.check_register(operations['write', key],
                                                 operations['read', key])
        violations += history.check_counter(operations['incr', worker.COUNTER],
                                            int(below.call('GET', worker.COUNTER) or 0))
        self.assertEqual(violations[:5], [])
        total = sum(len(group) for group in operations.values())
        print(f'{total} operations judged, {len(errors)} errors')
        self.assertGreater(total, 500)
        return errors

    def test_every_write_is_relayed_and_read_by_everybody_at_once(self):
        client = self.start()
        other, below = self.client(), self.client(self.redis)
        before = info(client)['route0']['relays']
        for i in range(200):
            self.assertEqual(client.command('SET', 'f:k', i), resp_wire.OK)
            self.assertEqual(other.call('GET', 'f:k'), b'%d' % i)
        self.assertEqual(info(client)['route0']['relays'] - before, 200)
        for i in range(100):
            self.assertEqual((client, other)[i % 2].call('INCR', 'f:n'), i + 1)
        self.assertEqual(below.call('GET', 'f:n'), b'100')
        self.assert_error(client.command('INCR', 'f:k', 'x'), b'wrong number of arguments')
        client.command('SET', 'f:text', 'text')
        self.assertEqual(client.command('INCR', 'f:text'),
                         ('-', b'ERR value is not an integer or out of range'))

    def test_no_read_is_stale_under_load(self):
        client = self.start()
        errors = self.judge(self.start_workers(3))
        self.assertEqual(errors[:3], [])
        lines = info(client)
        self.assertGreater(lines['route0']['local_hits'], 100)
        self.assertEqual((lines['route0']['relays_in_flight'], lines['parked_requests']), (0, 0))

    def assert_good_errors(self, errors):
        for kind, seconds, text in errors:
            self.assertRegex(text, r'^TIER .*near.*; route f:; ', (kind, text))
            self.assertLess(seconds, 4.0, text)

    def test_kill_9_of_the_regional_tier_loses_no_acknowledged_write(self):
        client = self.start(reconnect_delay_max='200ms')
        workers = self.start_workers(6 * patience.FACTOR)
        for _ in range(4):
            time.sleep(0.8 * patience.FACTOR)
            self.redis.kill()
            time.sleep(0.2)
            self.redis.start()
        errors = self.judge(workers)
        self.assert_good_errors(errors)
        self.assertGreater(len(errors), 0)
        self.assertEqual(client.call('GET', 'f:after'), b'v')

    def test_a_stopped_regional_tier_is_waited_for_no_longer_than_said(self):
        client = self.start(reconnect_delay_max='200ms')
        workers = self.start_workers(6)
        for _ in range(2):
            time.sleep(0.7)
            os.kill(self.redis.pid, signal.SIGSTOP)
            time.sleep(1.6)
            os.kill(self.redis.pid, signal.SIGCONT)
        errors = self.judge(workers)
        self.assert_good_errors(errors)
        self.assertGreater(len(errors), 0)
        self.eventually(lambda: client.command('SET', 'f:after', 'v') == resp_wire.OK)

    def test_copies_made_before_a_lost_connection_are_not_used_after_it(self):
        client = self.start()
        client.command('SET', 'f:k', 'old')
        self.assertEqual(client.call('GET', 'f:k'), b'old')
        self.redis.restart()
        self.assertEqual(self.client(self.redis).command('SET', 'f:k', 'new'), resp_wire.OK)
        self.eventually(lambda: client.command('GET', 'f:k') == ('$', b'new'))

    def test_what_the_regional_tier_executes_is_no_keyspace_event_here(self):
        redis = self.start_redis()
        self.start_terrace([regional(redis), route('f:', regional='near'),
                            route('s:', regional='near', write='spill')],
                           '--notify-keyspace-events', 'AKEnm')
        client, listener = self.client(), self.client()
        listener.call('PSUBSCRIBE', '__keyevent@*')
        for command in (('SET', 'f:k', 'v'), ('GET', 'f:k'), ('APPEND', 'f:k', 'w'),
                        ('EXPIRE', 'f:k', 100), ('LPUSH', 'f:l', 'a'), ('DEL', 'f:k', 'f:l'),
                        ('EVAL', "return redis.call('SET', KEYS[1], 'v')", 1, 'f:k'),
                        ('MULTI',), ('SET', 'f:k', 'v'), ('EXEC',), ('GET', 'f:none')):
            self.assertNotEqual(client.command(*command)[0], '-', command)
        client.call('SET', 's:k', 'v')
        heard = [listener.read_reply()[1][2:] for _ in range(3)]
        self.assertEqual([(channel[1].rpartition(b':')[2], key[1]) for channel, key in heard],
                         [(b'keymiss', b'f:none'), (b'new', b's:k'), (b'set', b's:k')])


if __name__ == '__main__':
    unittest.main()
