"""Client-side caching and MONITOR from outside."""

import unittest

import black_box
import resp_wire


def invalidation(*keys):
    return ('>', (('$', b'invalidate'), ('*', tuple(('$', key.encode()) for key in keys))))


class TrackingTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def tracker(self, *options):
        client = self.client(proto=3)
        self.assertEqual(client.command('CLIENT', 'TRACKING', 'ON', *options), resp_wire.OK)
        return client

    def test_a_key_that_was_read_is_announced_once(self):
        client, writer = self.tracker(), self.client()
        client.command('MGET', 'a', 'b')
        writer.command('SET', 'a', '1')
        writer.command('SET', 'a', '2')
        writer.command('SET', 'b', '1')
        self.assertEqual([client.read(), client.read()], [invalidation('a'), invalidation('b')])
        self.assertEqual(client.command('PING'), ('+', b'PONG'))
        self.assertEqual(client.pushes, [])

    def test_own_changes_come_behind_the_reply_unless_noloop(self):
        client = self.tracker()
        client.send_bytes(b''.join(resp_wire.encode(*command) for command in (
            ('GET', 'own'), ('SET', 'own', '1'), ('ECHO', 'x'))))
        client.read()
        self.assertEqual([client.read() for _ in range(3)],
                         [resp_wire.OK, invalidation('own'), ('$', b'x')])
        quiet = self.tracker('NOLOOP')
        quiet.pipeline([('GET', 'own'), ('SET', 'own', '2'), ('PING',)])
        self.assertEqual(quiet.pushes, [])

    def test_broadcast_by_prefix(self):
        client, writer = self.tracker('BCAST', 'PREFIX', 'p:'), self.client()
        writer.command('SET', 'p:1', 'x')
        writer.command('SET', 'other', 'x')
        self.assertEqual(client.read(), invalidation('p:1'))

    def test_opt_in_and_flush(self):
        client, writer = self.tracker('OPTIN'), self.client()
        client.command('GET', 'no')
        client.command('CLIENT', 'CACHING', 'YES')
        client.command('GET', 'yes')
        writer.command('MSET', 'no', '1', 'yes', '1')
        self.assertEqual(client.read(), invalidation('yes'))
        writer.command('FLUSHALL')
        self.assertEqual(client.read(), ('>', (('$', b'invalidate'), resp_wire.NULL)))

    def test_redirection_to_a_resp2_subscriber_and_its_end(self):
        target, writer = self.client(), self.client()
        target_id = target.call('CLIENT', 'ID')
        target.send('SUBSCRIBE', '__redis__:invalidate')
        target.read()
        client = self.tracker('REDIRECT', target_id)
        self.assertEqual(client.command('CLIENT', 'GETREDIR'), (':', target_id))
        client.command('GET', 'r')
        writer.command('SET', 'r', '1')
        self.assertEqual(target.read(), ('*', (('$', b'message'), ('$', b'__redis__:invalidate'),
                                               ('*', (('$', b'r'),)))))
        writer.command('CLIENT', 'KILL', 'ID', target_id)
        target.wait_closed()
        client.command('GET', 'r')
        writer.command('SET', 'r', '2')
        self.assertEqual(client.read(), ('>', (('$', b'tracking-redir-broken'), (':', target_id))))

    def test_expiry_is_announced(self):
        client, writer = self.tracker(), self.client()
        writer.command('SET', 'e', '1', 'PX', '20')
        client.command('GET', 'e')
        self.assertEqual(client.read(), invalidation('e'))

    def test_monitor_shows_commands_and_no_secrets(self):
        monitor, client = self.client(), self.client()
        self.assertEqual(monitor.command('MONITOR'), resp_wire.OK)
        client.command('SET', 'k', b'a"\x01\n')
        client.command('AUTH', 'user', 'secret')
        self.assertRegex(monitor.read()[1],
                         rb'^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "a\\"\\x01\\n"$')
        self.assertTrue(monitor.read()[1].endswith(b'"AUTH" "(redacted)" "(redacted)"'))


if __name__ == '__main__':
    unittest.main()
