"""A real Redis that follows Terrace holds the same data after every episode of commands of all
kinds: alone, in transactions, in scripts, with what expires, waits and is picked at random."""

import time
import unittest

import episodes
import servers

SETTLE_S = 10.0
# Terrace keeps no later one (docs/limits.md).
LAST_EXPIRY_MS = (1 << 48) - 1


READS = {b'string': ('GET', '{}'), b'list': ('LRANGE', '{}', 0, -1), b'hash': ('HGETALL', '{}'),
         b'set': ('SMEMBERS', '{}'), b'zset': ('ZRANGE', '{}', 0, -1, 'WITHSCORES')}
# Where a consumer was seen last, and how far groups have read by count, are not repeated.
STREAM_FIELDS = (b'length', b'last-generated-id', b'entries')
GROUP_FIELDS = (b'name', b'last-delivered-id', b'pel-count', b'pending')


def pairs(items):
    return dict(zip(items[::2], items[1::2]))


def stream_in(client, key):
    fields = pairs(client.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0))
    groups = [pairs(group) for group in fields[b'groups']]
    return ([fields[name] for name in STREAM_FIELDS],
            [[group[name] for name in GROUP_FIELDS] for group in groups],
            [sorted(pairs(consumer)[b'name'] for consumer in group[b'consumers'])
             for group in groups])


def everything_in(client):
    """All keys of all databases, with what they hold and whether they expire."""
    found = {}
    for database in range(16):
        client.call('SELECT', database)
        for key in client.call('KEYS', '*'):
            kind = client.call('TYPE', key)
            if kind == b'none':
                continue
            if kind == b'stream':
                value = stream_in(client, key)
            else:
                value = client.call(*[key if word == '{}' else word for word in READS[kind]])
            if kind == b'set':
                value.sort()
            if kind == b'hash':
                value = pairs(value)
            if kind == b'zset':  # Redis 7.0 writes scores with more digits
                value = {member: float(score) for member, score in pairs(value).items()}
            if kind == b'string' and value[:4] == b'HYLL':
                value = client.call('PFCOUNT', key)  # it may be sparse or dense, by a setting
            expiry = min(client.call('PEXPIRETIME', key), LAST_EXPIRY_MS)
            found[database, key] = kind, expiry, value
    client.call('SELECT', 0)
    return found


class ReplicaTest(episodes.EpisodesTest):

    count = 24
    first_seed = 2000000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.replica = servers.RedisServer(
            '--replicaof', f'127.0.0.1 {cls.subject.port}').start()
        cls.addClassCleanup(cls.replica.close)

    def differences(self, client, replica):
        """Waits until nothing differs; what does when that takes too long."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            here, there = everything_in(client), everything_in(replica)
            if here == there:
                return []
            if time.monotonic() > deadline:
                return [(place, here.get(place), there.get(place))
                        for place in sorted(set(here) | set(there))
                        if here.get(place) != there.get(place)]
            time.sleep(0.05)

    def differences_after(self, seed):
        with self.subject.client() as client, self.replica.client() as replica:
            self.assertEqual(client.call('WAIT', 1, 10000), 1)
            return self.differences(client, replica)

    def play(self, proto):
        with self.replica.client() as replica:
            deadline = time.monotonic() + SETTLE_S
            while b'master_link_status:up' not in replica.call('INFO', 'replication'):
                self.assertLess(time.monotonic(), deadline, 'the replica never followed')
                time.sleep(0.05)
        super().play(proto)

    def test_in_resp2(self):
        self.play(2)

    def test_in_resp3(self):
        self.play(3)


if __name__ == '__main__':
    unittest.main()
