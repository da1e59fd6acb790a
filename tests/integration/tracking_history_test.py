"""Client-side caches that are fed by nothing but their invalidations, in a storm of changes.

Each caching client keeps what it reads until it is told that a key has changed. Writers overwrite,
delete and expire keys; a disturber evicts, flushes, swaps databases and shrinks the tracking table.
After each storm every cached value must become what the server holds; and while it lasts, a
connection never reads a value older than one that it has read before.

TRACKING_SEED=n replays a run as far as threads allow.
"""

import os
import random
import select
import threading
import time
import unittest

import black_box
import resp_wire

KEYS = [f'{prefix}{i}' for prefix in ('a:', 'b:') for i in range(6)]
STORMS = 16
STORMS_MAX = 64
STORM_S = 0.12
INVALIDATE = ('$', b'invalidate')


class Cache:
    """One caching client. Its thread calls storm(); the test calls settle() when that has ended."""

    def __init__(self, test, options, rng):
        self.rng = rng
        self.options = options
        self.values = {}
        self.newest = {}
        self.errors = []
        self.announced = 0
        self.listener = None
        self.opts_in = 'OPTIN' in options
        self.is_quiet = 'NOLOOP' in options
        self.data = test.client(proto=2 if 'REDIRECT' in options else 3)
        self.prefix = options[options.index('PREFIX') + 1] if 'PREFIX' in options else ''
        if 'REDIRECT' in options:
            self.listener = test.client()
            identity = self.listener.call('CLIENT', 'ID')
            self.listener.command('SUBSCRIBE', '__redis__:invalidate')
            options = [*options, identity]
        test.assertEqual(self.data.command('CLIENT', 'TRACKING', 'ON', *options), resp_wire.OK)

    def forget(self, keys):
        self.announced += 1
        if keys[0] != '*':
            self.values.clear()
            return
        for key in keys[1]:
            self.values.pop(key[1].decode(), None)

    def next_reply(self):
        while True:
            frame = self.data.read()
            if frame[0] != '>':
                return frame
            if frame[1][0] != INVALIDATE:
                self.errors.append(f'an unknown push: {frame}')
                return frame
            self.forget(frame[1][1])

    def drain(self):
        """Hears all that has been said so far."""
        self.data.send('PING')
        reply = self.next_reply()
        if reply != ('+', b'PONG'):
            self.errors.append(f'{self.options}: PING got {reply}')
        while self.listener is not None and (
                self.listener.pending() or select.select([self.listener.socket], [], [], 0)[0]):
            self.forget(self.listener.read()[1][2])

    def keep(self, key, value):
        text = value[1] if value[0] == '$' else None
        if text is not None:
            number = int(text)
            if number < self.newest.get(key, 0):
                self.errors.append(f'{key} went back from {self.newest[key]} to {number}')
            self.newest[key] = number
        if key.startswith(self.prefix):
            self.values[key] = text

    def read_some(self):
        keys = [self.rng.choice(KEYS) for _ in range(self.rng.randrange(1, 6))]
        form = self.rng.randrange(4)
        commands = {
            0: [('GET', key) for key in keys],
            1: [('MGET', *keys)],
            2: [('MULTI',), *(('GET', key) for key in keys), ('EXEC',)],
            3: [('EVAL_RO', "return redis.call('MGET', unpack(KEYS))", len(keys), *keys)],
        }[form]
        if self.opts_in:
            # It speaks of one command.
            commands = [part for command in commands
                        for part in ((('CLIENT', 'CACHING', 'YES'), command)
                                     if form != 2 or command == ('MULTI',) else (command,))]
        self.data.send_bytes(b''.join(resp_wire.encode(*command) for command in commands))
        replies = []
        for command in commands:
            # A reply is cached when it is read: a push behind it may speak of it.
            reply = self.next_reply()
            if command[0] == 'GET' and form == 0:
                self.keep(command[1], reply)
            elif command[0] in ('MGET', 'EVAL_RO', 'EXEC') and reply[0] == '*':
                for key, value in zip(keys, reply[1]):
                    self.keep(key, value)
            replies.append(reply)
        for command, reply in zip(commands, replies):
            # While all is evicted, nothing is queued.
            if resp_wire.is_error(reply) and not reply[1].startswith((b'OOM', b'EXECABORT')):
                self.errors.append(f'{command} got {reply}')

    def storm(self, ends):
        while time.monotonic() < ends and not self.errors:
            self.read_some()
            if self.listener is not None or self.rng.random() < 0.2:
                self.drain()


class TrackingHistoryTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def write_some(self, client, keys, rng, ends, numbers):
        """Each key has one writer, so that its values only grow."""
        while time.monotonic() < ends:
            key = rng.choice(keys)
            numbers[key] = number = numbers.get(key, 0) + 1
            command = rng.choice((
                ('SET', key, number), ('SET', key, number), ('SET', key, number, 'PX', '15'),
                ('GETSET', key, number), ('MSET', key, number), ('DEL', key), ('UNLINK', key),
                ('PEXPIRE', key, '5'), ('GETDEL', key),
                ('EVAL', "return redis.call('SET', KEYS[1], ARGV[1])", '1', key, number)))
            if rng.random() < 0.2:
                client.pipeline([('MULTI',), ('DEL', key), ('SET', key, number), ('EXEC',)])
            else:
                client.command(*command)

    def disturb(self, client, rng, ends):
        while time.monotonic() < ends:
            time.sleep(rng.uniform(0.005, 0.03))
            kind = rng.randrange(5)
            if kind == 0:
                client.command(rng.choice(('FLUSHALL', 'FLUSHDB')))
            elif kind == 1:
                client.command('CONFIG', 'SET', 'maxmemory', '1')
                client.command('CONFIG', 'SET', 'maxmemory', '0')
            elif kind == 2:
                client.command('CONFIG', 'SET', 'tracking-table-max-keys', rng.randrange(1, 8))
            elif kind == 3:
                client.command('CONFIG', 'SET', 'tracking-table-max-items', rng.randrange(1, 16))
            else:
                client.command('CONFIG', 'SET', 'tracking-table-max-keys', '0',
                               'tracking-table-max-items', '0')

    def settle(self, caches, checker):
        """Waits until every cache holds what the server does."""
        deadline = time.monotonic() + 5
        while True:
            held = dict(zip(KEYS, (value[1] if value[0] == '$' else None
                                   for value in checker.command('MGET', *KEYS)[1])))
            wrong = []
            for cache in caches:
                cache.drain()
                self.assertEqual(cache.errors, [])
                wrong += [(cache.options, key, value, held[key])
                          for key, value in cache.values.items() if value != held[key]]
            if not wrong:
                return sum(len(cache.values) for cache in caches)
            self.assertLess(time.monotonic(), deadline, f'stale (cached, held): {wrong}')
            time.sleep(0.01)

    def test_caches_fed_by_invalidations_agree_with_the_server(self):
        seed = int(os.environ.get('TRACKING_SEED', random.SystemRandom().randrange(1 << 31)))
        print(f'{self.id()}: TRACKING_SEED={seed}')
        rng = random.Random(seed)
        modes = ([], [], ['NOLOOP'], ['OPTIN'], ['BCAST'], ['BCAST', 'PREFIX', 'a:'], ['REDIRECT'])
        caches = [Cache(self, list(mode), random.Random(rng.random())) for mode in modes]
        checker, disturber = self.client(), self.client()
        self.configure('maxmemory-policy', 'allkeys-random')
        self.addCleanup(disturber.command, 'CONFIG', 'SET', 'maxmemory', '0')
        writers = [self.client() for _ in range(2)]
        numbers, kept = [{}, {}], 0
        for storm in range(STORMS_MAX):
            # They have seen something when all clients were told of changes.
            if storm >= STORMS and all(cache.announced > 5 for cache in caches):
                break
            ends = time.monotonic() + STORM_S
            threads = [threading.Thread(target=cache.storm, args=(ends,)) for cache in caches]
            for i, writer in enumerate(writers):
                threads.append(threading.Thread(
                    target=self.write_some,
                    args=(writer, KEYS[i::2], random.Random(rng.random()), ends, numbers[i])))
            threads.append(threading.Thread(
                target=self.disturb, args=(disturber, random.Random(rng.random()), ends)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            kept += self.settle(caches, checker)
        self.assertGreater(kept, 0)
        for cache in caches:
            self.assertGreater(cache.announced, 5, cache.options)


if __name__ == '__main__':
    unittest.main()
