"""Keyspace notifications that no command of a client is the direct cause of, and new keys."""

import time
import unittest

import black_box


class KeyspaceEventsTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def listen(self, classes, pattern='__key*__:*'):
        self.client_now = self.configure('notify-keyspace-events', classes)
        self.client_now.command('FLUSHALL')
        listener = self.client()
        listener.send('PSUBSCRIBE', pattern)
        listener.read()
        return listener

    @staticmethod
    def event(listener):
        _, _, channel, payload = (part[1] for part in listener.read()[1])
        return channel.decode(), payload.decode()

    def no_more(self, listener):
        self.client_now.command('PUBLISH', '__key:__:end', 'x')
        self.assertEqual(self.event(listener), ('__key:__:end', 'x'))

    def test_a_key_that_nobody_looks_at_expires_with_an_event(self):
        listener = self.listen('Ex')
        self.client_now.command('SET', 'k', 'x', 'PX', '20')
        self.assertEqual(self.event(listener), ('__keyevent@0__:expired', 'k'))
        self.no_more(listener)

    def test_a_dead_key_that_a_read_finds_expires_with_an_event(self):
        listener = self.listen('Kx')
        self.client_now.command('CONFIG', 'SET', 'hz', '1')
        self.addCleanup(self.client_now.command, 'CONFIG', 'SET', 'hz', '10')
        for i in range(20):
            self.client_now.command('SET', f'k{i}', 'x', 'PX', '1')
            time.sleep(0.003)
            self.assertIsNone(self.client_now.call('GET', f'k{i}'))
            self.assertEqual(self.event(listener), (f'__keyspace@0__:k{i}', 'expired'))

    def test_eviction_by_a_write_says_what_went(self):
        listener = self.listen('Ee')
        self.configure('maxmemory-policy', 'allkeys-lru')
        self.configure('maxmemory', '0')
        for i in range(50):
            self.client_now.command('SET', f'old{i}', 'x' * 1000)
        used = int(dict(line.split(':', 1) for line in self.client_now.call('INFO', 'memory')
                        .decode().splitlines() if ':' in line)['used_memory'])
        self.client_now.command('CONFIG', 'SET', 'maxmemory', used + 100_000)
        for i in range(300):
            self.client_now.command('SET', f'new{i}', 'x' * 1000)
        channel, first = self.event(listener)
        self.assertEqual(channel, '__keyevent@0__:evicted')
        self.assertEqual(self.client_now.call('EXISTS', first), 0)

    def test_fields_that_run_out_are_events_of_their_hash(self):
        self.need('hpexpire')
        listener = self.listen('Khg')
        self.client_now.command('HSET', 'h', 'a', '1', 'b', '2')
        self.assertEqual(self.event(listener), ('__keyspace@0__:h', 'hset'))
        self.client_now.command('HPEXPIRE', 'h', '20', 'FIELDS', '1', 'a')
        self.assertEqual(self.event(listener), ('__keyspace@0__:h', 'hexpire'))
        self.assertEqual(self.event(listener), ('__keyspace@0__:h', 'hexpired'))
        self.no_more(listener)
        self.client_now.command('HPEXPIRE', 'h', '20', 'FIELDS', '1', 'b')
        self.assertEqual(self.event(listener), ('__keyspace@0__:h', 'hexpire'))
        self.assertEqual(self.event(listener), ('__keyspace@0__:h', 'hexpired'))
        self.assertEqual(self.event(listener), ('__keyspace@0__:h', 'del'))

    def test_new_keys_are_told_before_what_made_them_and_only_when_asked_for(self):
        listener = self.listen('KEAn')
        self.client_now.command('SET', 'k', 'x')
        self.client_now.command('SET', 'k', 'y')
        self.assertEqual([self.event(listener) for _ in range(6)],
                         [('__keyspace@0__:k', 'new'), ('__keyevent@0__:new', 'k'),
                          ('__keyspace@0__:k', 'set'), ('__keyevent@0__:set', 'k'),
                          ('__keyspace@0__:k', 'set'), ('__keyevent@0__:set', 'k')])
        self.client_now.command('CONFIG', 'SET', 'notify-keyspace-events', 'KA')
        self.client_now.command('RPUSH', 'l', 'x')
        self.assertEqual(self.event(listener), ('__keyspace@0__:l', 'rpush'))
        self.no_more(listener)


if __name__ == '__main__':
    unittest.main()
