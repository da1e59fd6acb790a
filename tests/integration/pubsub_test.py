"""Pub/sub from outside: the wire forms, where pushes may stand, and one order for all."""

import random
import threading
import time
import unittest

import black_box
import raw_client
import resp_wire


def bulk(text):
    return ('$', text.encode() if isinstance(text, str) else text)


def message(*parts, kind='*'):
    return (kind, tuple(bulk(part) for part in parts))


def confirmation(what, name, count, kind='*'):
    return (kind, (bulk(what), bulk(name) if name is not None else resp_wire.NIL_BULK,
                   (':', count)))


class PubSubTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def setUp(self):
        self.be_alone()

    def publish(self, client, channel, payload):
        return client.command('PUBLISH', channel, payload)[1]

    def test_confirmations_count_channels_and_patterns_together(self):
        client = self.client()
        client.send('SUBSCRIBE', 'a', 'b', 'a')
        self.assertEqual([client.read() for _ in range(3)],
                         [confirmation('subscribe', 'a', 1), confirmation('subscribe', 'b', 2),
                          confirmation('subscribe', 'a', 2)])
        client.send('PSUBSCRIBE', 'x*')
        self.assertEqual(client.read(), confirmation('psubscribe', 'x*', 3))
        client.send('SSUBSCRIBE', 's')
        self.assertEqual(client.read(), confirmation('ssubscribe', 's', 1))
        client.send('UNSUBSCRIBE', 'nothing')
        self.assertEqual(client.read(), confirmation('unsubscribe', 'nothing', 3))
        client.send('PUNSUBSCRIBE')
        self.assertEqual(client.read(), confirmation('punsubscribe', 'x*', 2))
        client.send('UNSUBSCRIBE')
        self.assertEqual({client.read()[1][2] for _ in range(2)}, {(':', 1), (':', 0)})
        client.send('UNSUBSCRIBE')
        self.assertEqual(client.read(), confirmation('unsubscribe', None, 0))
        client.send('SUNSUBSCRIBE')
        self.assertEqual(client.read(), confirmation('sunsubscribe', 's', 0))

    def test_messages_reach_channels_patterns_and_shard_channels(self):
        listener, publisher = self.client(), self.client()
        for command in (('SUBSCRIBE', 'news'), ('PSUBSCRIBE', 'n?ws'), ('SSUBSCRIBE', 'news')):
            listener.send(*command)
            listener.read()
        self.assertEqual(self.publish(publisher, 'news', 'hello'), 2)
        self.assertEqual(publisher.command('SPUBLISH', 'news', 'sharded'), (':', 1))
        self.assertEqual(self.publish(publisher, 'other', 'lost'), 0)
        self.assertEqual([listener.read() for _ in range(3)],
                         [message('message', 'news', 'hello'),
                          message('pmessage', 'n?ws', 'news', 'hello'),
                          message('smessage', 'news', 'sharded')])

    def test_a_resp2_subscriber_may_do_little_else(self):
        client = self.client()
        client.send('SUBSCRIBE', 'a')
        client.read()
        self.assert_error(client.command('GET', 'k'),
                          b"ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / "
                          b"PING / QUIT / RESET are allowed in this context")
        self.assertEqual(client.command('PING'), message('pong', ''))
        self.assertEqual(client.command('PING', 'x'), message('pong', 'x'))
        self.assertEqual(client.command('RESET'), ('+', b'RESET'))
        self.assertEqual(client.command('PING'), ('+', b'PONG'))
        self.assertEqual(self.publish(self.client(), 'a', 'x'), 0)

    def test_a_resp3_subscriber_gets_pushes_between_replies(self):
        client = self.client(proto=3)
        client.send('SUBSCRIBE', 'a')
        self.assertEqual(client.read(), confirmation('subscribe', 'a', 1, '>'))
        self.assertEqual(client.command('PING'), ('+', b'PONG'))
        client.send_bytes(b''.join(resp_wire.encode(*command) for command in (
            ('PUBLISH', 'a', '1'), ('ECHO', 'x'), ('PUBLISH', 'a', '2'))))
        self.assertEqual([client.read() for _ in range(5)],
                         [(':', 1), message('message', 'a', '1', kind='>'), bulk('x'),
                          (':', 1), message('message', 'a', '2', kind='>')])

    def test_client_reply_off_silences_replies_but_not_pushes(self):
        client = self.client(proto=3)
        client.send('CLIENT', 'REPLY', 'OFF')
        client.send('SUBSCRIBE', 'a')
        client.send('PUBLISH', 'a', 'x')
        client.send('PING')
        self.assertEqual(client.read(), confirmation('subscribe', 'a', 1, '>'))
        self.assertEqual(client.read(), message('message', 'a', 'x', kind='>'))
        self.assertEqual(client.command('CLIENT', 'REPLY', 'ON'), resp_wire.OK)

    def test_introspection(self):
        listener, asker = self.client(), self.client()
        for command in (('SUBSCRIBE', 'in:a'), ('SUBSCRIBE', 'in:b'), ('PSUBSCRIBE', 'in:*'),
                        ('SSUBSCRIBE', 'in:s')):
            listener.send(*command)
            listener.read()
        self.assertEqual(sorted(asker.call('PUBSUB', 'CHANNELS', 'in:*')), [b'in:a', b'in:b'])
        self.assertEqual(asker.call('PUBSUB', 'SHARDCHANNELS'), [b'in:s'])
        self.assertEqual(asker.call('PUBSUB', 'NUMSUB', 'in:a', 'in:x'),
                         [b'in:a', 1, b'in:x', 0])
        self.assertEqual(asker.call('PUBSUB', 'SHARDNUMSUB', 'in:s'), [b'in:s', 1])
        self.assertEqual(asker.call('PUBSUB', 'NUMPAT'), 1)
        rows = asker.call('CLIENT', 'LIST', 'TYPE', 'pubsub').splitlines()
        self.assertEqual(len(rows), 1)
        self.assertIn(b' flags=P ', rows[0])
        self.assertIn(b' sub=2 psub=1 ssub=1 ', rows[0])
        self.assertIn(b'pubsub_channels:2\r\npubsub_patterns:1\r\npubsubshard_channels:1',
                      asker.call('INFO', 'stats'))
        self.assertEqual(asker.command('CLIENT', 'KILL', 'TYPE', 'pubsub'), (':', 1))
        self.eventually(lambda: asker.call('PUBSUB', 'NUMPAT') == 0)
        self.assertEqual(asker.call('PUBSUB', 'CHANNELS', 'in:*'), [])

    def test_a_subscriber_that_does_not_read_is_closed_at_its_limit(self):
        self.configure('client-output-buffer-limit', 'pubsub 1mb 0 0')
        time.sleep(0.2)
        listener, publisher = self.client(), self.client()
        listener.send('SUBSCRIBE', 'slow')
        listener.read()
        payload = 'x' * 100000
        self.eventually(lambda: self.publish(publisher, 'slow', payload) == 0)
        with self.assertRaises((raw_client.ConnectionClosed, raw_client.ReplyTimeout)):
            while True:
                listener.read(5)

    def test_all_subscribers_see_one_order_and_miss_nothing(self):
        """Publishers on all threads; listeners come and go on all threads, some on both."""
        seed = random.SystemRandom().randrange(1 << 30)
        rounds, publishers = 400, 4
        steady = [self.client(proto=2 + i % 2) for i in range(8)]
        for client in steady:
            client.send('SUBSCRIBE', 'order')
            client.read()
        stop = threading.Event()
        failures = []

        def come_and_go(number):
            rng = random.Random(seed + number)
            with self.server.client(proto=3) as client:
                while not stop.is_set():
                    client.send('SUBSCRIBE', 'order')
                    if client.read()[1][0] != bulk('subscribe'):
                        failures.append('a message before the confirmation')
                    time.sleep(rng.random() * 0.01)
                    client.send('UNSUBSCRIBE', 'order')
                    while client.read()[1][0] != bulk('unsubscribe'):
                        pass
                    if client.command('PING') != ('+', b'PONG') or client.pushes:
                        failures.append('a message after the end')

        def publish(number):
            with self.server.client() as client:
                for i in range(rounds):
                    if client.command('PUBLISH', 'order', f'{number}:{i}')[1] < len(steady):
                        failures.append('too few receivers')

        walkers = [threading.Thread(target=come_and_go, args=(i,)) for i in range(3)]
        threads = [threading.Thread(target=publish, args=(i,)) for i in range(publishers)]
        for thread in walkers + threads:
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        for thread in walkers:
            thread.join()
        seen = [[client.read()[1][2][1] for _ in range(rounds * publishers)] for client in steady]
        self.assertEqual(failures, [], f'seed {seed}')
        for other in seen[1:]:
            self.assertEqual(seen[0], other, f'seed {seed}')
        for number in range(publishers):
            own = [text for text in seen[0] if text.startswith(b'%d:' % number)]
            self.assertEqual(own, [b'%d:%d' % (number, i) for i in range(rounds)])

    def test_a_publish_after_another_is_delivered_after_it(self):
        first, second, listener = self.client(), self.client(), self.client()
        listener.send('SUBSCRIBE', 'a', 'b')
        listener.read(), listener.read()
        for i in range(300):
            self.assertEqual(self.publish(first, 'a', i), 1)
            self.assertEqual(self.publish(second, 'b', i), 1)
        seen = [listener.read()[1][2][1] for _ in range(600)]
        self.assertEqual(seen, [b'%d' % (i // 2) for i in range(600)])

    def test_a_lowered_memory_limit_evicts_without_a_write_and_says_so(self):
        client, listener = self.client(), self.client()
        listener.send('SUBSCRIBE', '__keyevent@0__:evicted')
        listener.read()
        client.command('SET', 'victim', 'x')
        client.command('CONFIG', 'SET', 'notify-keyspace-events', 'Ee',
                       'maxmemory-policy', 'allkeys-lru', 'maxmemory', '1')
        self.addCleanup(client.command, 'CONFIG', 'SET', 'notify-keyspace-events', '',
                        'maxmemory-policy', 'noeviction', 'maxmemory', '0')
        self.assertEqual(listener.read()[1][2][1], b'victim')


if __name__ == '__main__':
    unittest.main()
