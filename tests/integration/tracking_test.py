"""Client-side caching and MONITOR from outside."""

import re
import threading
import time
import unittest

import black_box
import resp_wire


def invalidation(*keys):
    return ('>', (('$', b'invalidate'), ('*', tuple(('$', key.encode()) for key in keys))))


class TrackingTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def setUp(self):
        self.be_alone()

    def stat(self, name, section='stats'):
        with self.server.client() as client:
            text = client.call('INFO', section).decode()
        return int(re.search(rf'^{name}:(\d+)', text, re.M)[1])

    @staticmethod
    def settle(client):
        """Waits until what was said before has surely arrived; it goes to `pushes`."""
        time.sleep(0.02)
        client.command('PING')

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

    def test_what_a_stream_keeps_for_groups_is_no_change_of_the_stream(self):
        client, writer = self.tracker(), self.client()
        writer.command('XADD', 's', '1-1', 'f', 'v')
        client.command('XLEN', 's')
        writer.command('XGROUP', 'CREATE', 's', 'g', '0')
        writer.command('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>')
        writer.command('XACK', 's', 'g', '1-1')
        self.settle(client)
        self.assertEqual(client.pushes, [])
        writer.command('XADD', 's', '2-1', 'f', 'v')
        self.assertEqual(client.read(), invalidation('s'))

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

    def test_a_change_by_noloop_forgets_the_key_until_it_is_read_again(self):
        client, writer = self.tracker('NOLOOP'), self.client()
        client.command('GET', 'n')
        client.command('SET', 'n', 'own')
        writer.command('SET', 'n', 'foreign')
        self.settle(client)
        self.assertEqual(client.pushes, [])
        client.command('GET', 'n')
        writer.command('SET', 'n', 'again')
        self.assertEqual(client.read(), invalidation('n'))

    def test_what_a_closed_connection_has_read_is_forgotten(self):
        target, writer = self.client(proto=3), self.client()
        client = self.tracker('REDIRECT', target.call('CLIENT', 'ID'))
        client.pipeline([('GET', f'c{i}') for i in range(100)])
        self.assertEqual(self.stat('tracking_total_items'), 100)
        client.close()
        self.eventually(lambda: self.stat('tracking_total_items') == 0)
        self.assertEqual(self.stat('tracking_total_keys'), 0)
        self.assertEqual(self.stat('tracking_clients', 'clients'), 0)
        writer.command('SET', 'c1', 'x')
        self.settle(target)
        self.assertEqual(target.pushes, [])

    def test_items_are_capped_and_who_is_forgotten_is_told(self):
        self.configure('tracking-table-max-items', '0').command(
            'CONFIG', 'SET', 'tracking-table-max-items', '10')
        clients = [self.tracker() for _ in range(25)]
        for client in clients:
            client.command('GET', 'shared')
        self.assertLessEqual(self.stat('tracking_total_items'), 10)
        for client in clients:
            self.settle(client)
        self.assertGreaterEqual(sum(bool(client.pushes) for client in clients), 15)
        self.client().command('SET', 'shared', '1')
        for client in clients:
            if not client.pushes:
                self.assertEqual(client.read(), invalidation('shared'))

    def test_a_name_is_announced_whichever_database_it_changes_in(self):
        client, writer = self.tracker(), self.client()
        client.command('GET', 'd')
        writer.command('SELECT', '1')
        writer.command('SET', 'd', '1')
        self.assertEqual(client.read(), invalidation('d'))

    def test_emptying_and_swapping_are_said_once_to_every_client_that_tracks(self):
        writer = self.client()
        everything = ('>', (('$', b'invalidate'), resp_wire.NULL))
        clients = [self.tracker(*options) for options in ((), ('BCAST',), ('OPTIN',), ('NOLOOP',))]
        for command in (('FLUSHALL',), ('FLUSHDB',), ('FLUSHALL', 'ASYNC'), ('SWAPDB', '0', '1')):
            writer.command(*command)
            for client in clients:
                self.assertEqual(client.read(), everything)
                self.settle(client)
                self.assertEqual(client.pushes, [], command)
        # To the one who does it, behind the reply.
        clients[0].send('FLUSHALL')
        self.assertEqual([clients[0].read(), clients[0].read()], [resp_wire.OK, everything])

    def test_prefixes_of_a_client_must_not_overlap(self):
        client = self.tracker('BCAST', 'PREFIX', 'ab')
        self.assert_error(client.command('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'a'),
                          b"ERR Prefix 'a' overlaps with an existing prefix 'ab'.")
        self.assert_error(client.command('CLIENT', 'TRACKING', 'ON', 'BCAST',
                                         'PREFIX', 'x', 'PREFIX', 'xy'),
                          b"ERR Prefix 'x' overlaps with another provided prefix 'xy'.")

    def test_own_changes_in_a_transaction_or_script_come_behind_the_whole_reply(self):
        client = self.tracker()
        for command in ((('MULTI',), ('SET', 'w', '1'), ('GET', 'w'), ('SET', 'w', '2'), ('EXEC',)),
                        (('EVAL', "redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])",
                          '1', 'w'),)):
            client.command('GET', 'w')
            client.send_bytes(b''.join(resp_wire.encode(*part) for part in (*command, ('PING',))))
            frames = [client.read() for _ in range(len(command) + 2)]
            # In EXEC the key was read anew and changed again: that is said, too.
            while frames[-1] != ('+', b'PONG'):
                frames.append(client.read())
            kinds = [frame[0] for frame in frames]
            self.assertEqual(kinds[:len(command)].count('>'), 0, frames)
            self.assertEqual(set(frames[len(command):-1]), {invalidation('w')}, frames)

    def test_who_is_served_by_anothers_push_hears_of_its_own_change_behind_the_reply(self):
        writer = self.client()
        for _ in range(50):
            client = self.tracker()
            client.command('LRANGE', 'to', '0', '-1')
            client.send('BLMOVE', 'from', 'to', 'LEFT', 'LEFT', '0')
            self.eventually(lambda: self.stat('blocked_clients', 'clients') == 1)
            writer.command('RPUSH', 'from', 'x')
            self.assertEqual([client.read(), client.read()], [('$', b'x'), invalidation('to')])
            client.close()

    def test_what_a_waiting_read_is_served_with_is_tracked(self):
        client, writer = self.tracker(), self.client()
        client.send('XREAD', 'BLOCK', '0', 'STREAMS', 'xs', '$')
        self.eventually(lambda: self.stat('blocked_clients', 'clients') == 1)
        writer.command('XADD', 'xs', '1-1', 'a', '1')
        frames = [client.read(), client.read()]
        self.assertIn(invalidation('xs'), frames)
        writer.command('XADD', 'xs', '2-1', 'a', '1')
        self.assertEqual(client.read(), invalidation('xs'))

    def test_pushes_stand_between_whole_replies_however_the_bytes_arrive(self):
        client, writers = self.tracker(), [self.client() for _ in range(2)]
        client.send('SUBSCRIBE', 'own')
        client.read()
        client.command('RPUSH', 'list', *(f'item{i}' for i in range(200)))
        stop = threading.Event()

        def write(writer):
            while not stop.is_set():
                writer.command('LSET', 'list', '7', 'y')
        threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
        for thread in threads:
            thread.start()
        try:
            commands = [('LRANGE', 'list', '0', '-1'), ('LSET', 'list', '3', 'x'), ('MULTI',),
                        ('LRANGE', 'list', '0', '-1'), ('LSET', 'list', '4', 'x'),
                        ('PUBLISH', 'own', 'x'), ('EXEC',), ('ECHO', 'end')]
            bytes_sent = b''.join(resp_wire.encode(*command) for command in commands)
            for round_index in range(60):
                step = 1 if round_index == 0 else len(bytes_sent)
                for at in range(0, len(bytes_sent), step):
                    client.send_bytes(bytes_sent[at:at + step])
                replies = [client.read_reply() for _ in commands]
                self.assertEqual([reply[0] for reply in replies],
                                 ['*', '+', '+', '+', '+', '+', '*', '$'])
                self.assertEqual((len(replies[0][1]), len(replies[6][1])), (200, 3))
                self.assertEqual(replies[7], ('$', b'end'))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        kinds = {push[1][0][1] for push in client.pushes}
        self.assertEqual(kinds, {b'invalidate', b'message'})

    def test_resp2_without_redirection_hears_nothing(self):
        client, writer = self.client(), self.client()
        self.assertEqual(client.command('CLIENT', 'TRACKING', 'ON'), resp_wire.OK)
        client.command('GET', 'two')
        writer.command('SET', 'two', '1')
        time.sleep(0.02)
        self.assertEqual(client.command('PING'), ('+', b'PONG'))


class MonitorTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def setUp(self):
        self.be_alone()
        self.monitor, self.actor = self.client(), self.client()
        self.assertEqual(self.monitor.command('MONITOR'), resp_wire.OK)

    def shown(self):
        """Returns the source and the text of the next line."""
        matched = re.fullmatch(r'(\d+\.\d{6}) \[\d+ ([^\]]+)\] (.*)',
                               self.monitor.read()[1].decode())
        self.assertIsNotNone(matched)
        self.stamp = float(matched[1])
        return ('lua' if matched[2] == 'lua' else 'client', matched[3])

    def test_commands_are_shown_with_the_time_and_without_secrets(self):
        self.actor.command('SET', 'k', b'a"\x01\n')
        self.actor.command('AUTH', 'user', 'secret')
        self.actor.command('HELLO', '3', 'AUTH', 'user', 'secret')
        self.assertEqual(self.shown(), ('client', '"SET" "k" "a\\"\\x01\\n"'))
        self.assertLess(abs(self.stamp - time.time()), 5)
        self.assertEqual(self.shown()[1], '"AUTH" "(redacted)" "(redacted)"')
        self.assertEqual(self.shown()[1], '"HELLO" "3" "AUTH" "(redacted)" "(redacted)"')

    def test_a_script_stands_before_its_commands_and_exec_behind_its_own(self):
        for command in (('EVAL', "redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])",
                         '1', 'k'),
                        ('MULTI',), ('SET', 'k', '2'), ('EVAL', "return redis.call('TTL', 'k')", 0),
                        ('EXEC',), ('CONFIG', 'GET', 'port'), ('NONE',), ('GET',), ('PING',)):
            self.actor.command(*command)
        lines = [self.shown() for _ in range(9)]
        self.assertTrue(lines[0][1].startswith('"EVAL"'), lines)
        self.assertEqual(lines[1:3], [('lua', '"SET" "k" "1"'), ('lua', '"GET" "k"')])
        self.assertEqual(lines[3:5], [('client', '"MULTI"'), ('client', '"SET" "k" "2"')])
        self.assertTrue(lines[5][1].startswith('"EVAL"'), lines)
        self.assertEqual(lines[6:], [('lua', '"TTL" "k"'), ('client', '"EXEC"'),
                                     ('client', '"PING"')])

    def test_what_waits_is_shown_once_when_it_begins_to(self):
        waiting = self.client()
        waiting.send('BLPOP', 'list', '0')
        self.assertEqual(self.shown()[1], '"BLPOP" "list" "0"')
        self.actor.command('RPUSH', 'list', 'x')
        waiting.read()
        self.actor.command('PING')
        self.assertEqual([self.shown()[1], self.shown()[1]], ['"RPUSH" "list" "x"', '"PING"'])

    def test_changes_of_a_key_are_shown_in_their_order_whoever_makes_them(self):
        writers = [self.client() for _ in range(3)]

        def write(writer, number):
            writer.pipeline([('SET', 'k', f'{number}-{i}') for i in range(300)])
        threads = [threading.Thread(target=write, args=(writer, number))
                   for number, writer in enumerate(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = self.actor.call('GET', 'k').decode()
        lines = [self.shown()[1] for _ in range(901)]
        self.assertEqual(lines[-2:], [f'"SET" "k" "{last}"', '"GET" "k"'])

    def test_reset_ends_it(self):
        self.assertEqual(self.monitor.command('RESET'), ('+', b'RESET'))
        self.actor.command('SET', 'k', '1')
        self.assertEqual(self.monitor.command('PING'), ('+', b'PONG'))


if __name__ == '__main__':
    unittest.main()
