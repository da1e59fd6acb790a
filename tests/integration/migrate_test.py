"""MIGRATE: keys move between Terrace and real servers, none is lost when the target fails, and
other clients are served while it is waited for."""

import socket
import threading
import time
import unittest

import black_box
import fake_target
import servers

OK = ('+', b'OK')
NOKEY = ('+', b'NOKEY')
READING = ('-', b'IOERR error or timeout reading from target instance')
WRITING = ('-', b'IOERR error or timeout writing to target instance')
CONNECTING = ('-', b'IOERR error or timeout connecting to the client')


class MigrateTest(black_box.TerraceTest):

    flags = ('--threads', '2')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.target = servers.RedisServer().start()
        cls.addClassCleanup(cls.target.close)

    def setUp(self):
        self.here = self.client()
        self.here.call('FLUSHALL')
        self.there = self.target.client()
        self.addCleanup(self.there.close)
        self.there.call('FLUSHALL')

    def fake(self, script, **options):
        target = fake_target.FakeTarget(script, **options)
        self.addCleanup(target.close)
        return target

    def migrate(self, key, *options, port=None, database=0, timeout_ms=5000, client=None):
        return (client or self.here).command('MIGRATE', '127.0.0.1', port or self.target.port, key,
                                             database, timeout_ms, *options)

    def dead_port(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            return listener.getsockname()[1]

    # ---- What arrives --------------------------------------------------------------------------

    def test_every_type_arrives_with_its_value_and_leaves(self):
        self.here.call('SET', 'string', 'value')
        self.here.call('SET', 'number', '12345')
        self.here.call('RPUSH', 'list', *range(500))
        self.here.call('SADD', 'set', 'a', 'b', 'c')
        self.here.call('HSET', 'hash', *[f'f{i}' for i in range(400)])
        self.here.call('ZADD', 'zset', '1.5', 'a', 'inf', 'b')
        self.here.call('XADD', 'stream', '1-1', 'f', 'v')
        reads = [('GET', 'string'), ('GET', 'number'), ('LRANGE', 'list', 0, -1), ('SCARD', 'set'),
                 ('HGET', 'hash', 'f398'), ('ZRANGE', 'zset', 0, -1, 'WITHSCORES'),
                 ('XRANGE', 'stream', '-', '+')]
        before = [self.here.command(*read) for read in reads]
        for read in reads:
            self.assertEqual(self.migrate(read[1], database=9), OK)
        self.there.call('SELECT', '9')
        self.assertEqual([self.there.command(*read) for read in reads], before)
        self.assertEqual(self.here.call('DBSIZE'), 0)

    def test_lifetimes_go_along(self):
        self.here.call('SET', 'short', 'v', 'PX', '60000')
        self.here.call('SET', 'endless', 'v')
        self.assertEqual(self.migrate('', 'KEYS', 'short', 'endless'), OK)
        self.assertTrue(50000 < self.there.call('PTTL', 'short') <= 60000)
        self.assertEqual(self.there.call('PTTL', 'endless'), -1)

    def test_keys_move_in_batches_of_any_size(self):
        keys = [f'key:{i}' for i in range(1000)]
        for key in keys:
            self.here.send('SET', key, key)
        for key in keys:
            self.here.read_reply()
        for i in range(3):
            self.here.call('SET', f'large:{i}', bytes([i]) * (3 << 20))
        keys += [f'large:{i}' for i in range(3)]
        self.assertEqual(self.migrate('', 'KEYS', *keys, 'nokey', timeout_ms=20000), OK)
        self.assertEqual(self.here.call('DBSIZE'), 0)
        self.assertEqual(self.there.call('DBSIZE'), len(keys))
        self.assertEqual(self.there.call('GET', 'large:2'), bytes([2]) * (3 << 20))

    def test_it_takes_keys_back_from_redis(self):
        self.there.call('HSET', 'hash', 'f', 'v')
        self.there.call('SET', 'string', 'v', 'PX', '60000')
        reply = self.there.command('MIGRATE', '127.0.0.1', self.server.port, '', '3', '5000',
                                   'KEYS', 'hash', 'string')
        self.assertEqual(reply, OK)
        self.here.call('SELECT', '3')
        self.assertEqual(self.here.call('HGET', 'hash', 'f'), b'v')
        self.assertTrue(50000 < self.here.call('PTTL', 'string') <= 60000)

    def test_it_moves_keys_between_databases_of_one_server(self):
        self.here.call('SET', 'key', 'v')
        self.assertEqual(self.migrate('key', port=self.server.port, database=7), OK)
        self.assertEqual(self.here.call('EXISTS', 'key'), 0)
        self.here.call('SELECT', '7')
        self.assertEqual(self.here.call('GET', 'key'), b'v')

    def test_copy_leaves_the_key_and_replace_overwrites(self):
        self.here.call('SET', 'key', 'new')
        self.there.call('SET', 'key', 'old')
        busy = ('-', b'ERR Target instance replied with error: '
                     b'BUSYKEY Target key name already exists.')
        self.assertEqual(self.migrate('key'), busy)
        self.assertEqual(self.migrate('key', 'COPY'), busy)
        self.assertEqual(self.there.call('GET', 'key'), b'old')
        self.assertEqual(self.migrate('key', 'COPY', 'REPLACE'), OK)
        self.assertEqual((self.here.call('GET', 'key'), self.there.call('GET', 'key')),
                         (b'new', b'new'))
        self.assertEqual(self.migrate('key', 'REPLACE'), OK)
        self.assertEqual(self.here.call('EXISTS', 'key'), 0)

    def test_only_what_the_target_took_is_deleted(self):
        for key in 'abcde':
            self.here.call('SET', key, 'v')
        self.there.call('SET', 'c', 'there')
        self.assert_error(self.migrate('', 'KEYS', *'abcde'),
                          b'ERR Target instance replied with error: BUSYKEY')
        self.assertEqual(self.here.call('KEYS', '*'), [b'c'])
        self.assertEqual(sorted(self.there.call('KEYS', '*')), [b'a', b'b', b'c', b'd', b'e'])

    def test_no_key_is_no_error(self):
        self.assertEqual(self.migrate('nokey', port=self.dead_port()), NOKEY)
        self.assertEqual(self.migrate('', 'KEYS', 'a', 'b', port=self.dead_port()), NOKEY)

    def test_deletion_is_announced(self):
        self.configure('notify-keyspace-events', 'KA')
        listener = self.client()
        listener.command('SUBSCRIBE', '__keyspace@0__:key')
        self.here.call('SET', 'key', 'v')
        listener.read_reply()
        self.assertEqual(self.migrate('key'), OK)
        self.assertEqual(listener.read_reply()[1][2], ('$', b'del'))

    # ---- Login ---------------------------------------------------------------------------------

    def test_passwords(self):
        target = servers.RedisServer('--requirepass', 'right').start()
        self.addCleanup(target.close)
        there = target.client()
        self.addCleanup(there.close)
        there.call('AUTH', 'right')
        there.call('ACL', 'SETUSER', 'mover', 'on', '>secret', '~*', '+@all')
        self.here.call('SET', 'key', 'v')

        def refusal(*options):
            prefix, said = b'ERR Target instance replied with error: ', self.migrate(
                'key', *options, port=target.port)
            self.assert_error(said, prefix)
            return said[1][len(prefix):].split()[0]
        self.assertEqual(refusal(), b'NOAUTH')
        self.assertEqual(refusal('AUTH', 'wrong'), b'WRONGPASS')
        self.assertEqual(refusal('AUTH2', 'mover', 'wrong'), b'WRONGPASS')
        self.assertEqual(self.migrate('key', 'AUTH', 'right', 'COPY', port=target.port), OK)
        # A connection that is logged in does not serve those who are not, nor an old password.
        self.assertEqual(refusal('REPLACE'), b'NOAUTH')
        there.call('CONFIG', 'SET', 'requirepass', 'other')
        self.assertEqual(refusal('REPLACE', 'AUTH', 'right'), b'WRONGPASS')
        self.assertEqual(self.here.call('GET', 'key'), b'v')
        self.assertEqual(self.migrate('key', 'REPLACE', 'AUTH2', 'mover', 'secret',
                                      port=target.port), OK)
        self.assertEqual(self.here.call('EXISTS', 'key'), 0)

    def test_nothing_is_restored_where_login_or_database_are_refused(self):
        def script(command):
            return b'-ERR no\r\n' if command[0] in (b'AUTH', b'SELECT') else b'+OK\r\n'
        target = self.fake(script)
        self.here.call('SET', 'key', 'v')
        for options in ((), ('AUTH', 'p')):
            self.assertEqual(self.migrate('key', *options, port=target.port),
                             ('-', b'ERR Target instance replied with error: ERR no'))
        self.assertNotIn(b'RESTORE', target.names())
        self.assertEqual(self.here.call('GET', 'key'), b'v')

    # ---- Targets that fail ---------------------------------------------------------------------

    def test_dead_targets(self):
        self.here.call('SET', 'key', 'v')
        self.assertEqual(self.migrate('key', port=self.dead_port()), WRITING)
        self.assertEqual(self.here.command('MIGRATE', 'no.such.host.invalid', '1', 'key', '0',
                                           '5000'), CONNECTING)
        silent = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(silent.close)
        begin = time.monotonic()
        self.assertEqual(self.migrate('key', port=silent.getsockname()[1], timeout_ms=300), READING)
        self.assertTrue(0.25 < time.monotonic() - begin < 5)
        # 0 stands for a second.
        begin = time.monotonic()
        self.assertEqual(self.migrate('key', port=silent.getsockname()[1], timeout_ms=0), READING)
        self.assertTrue(0.9 < time.monotonic() - begin < 6)
        self.assertEqual(self.here.call('GET', 'key'), b'v')

    def test_a_target_that_dies_half_way_has_what_it_confirmed(self):
        restored = []

        def script(command):
            if command[0] != b'RESTORE':
                return b'+OK\r\n'
            restored.append(command[1])
            return b'+OK\r\n' if len(restored) <= 2 else None
        target = self.fake(script)
        for key in 'abcde':
            self.here.call('SET', key, 'v')
        self.assertEqual(self.migrate('', 'KEYS', *'abcde', port=target.port), READING)
        self.assertEqual(restored, [b'a', b'b', b'c'])
        self.assertEqual(sorted(self.here.call('KEYS', '*')), [b'c', b'd', b'e'])

    def test_a_target_is_asked_twice_when_it_hangs_up_first(self):
        asked = []

        def script(command):
            asked.append(command[0])
            return None if len(asked) == 1 else b'+OK\r\n'
        target = self.fake(script)
        self.here.call('SET', 'key', 'v')
        self.assertEqual(self.migrate('key', port=target.port), OK)
        always = self.fake(lambda command: None)
        self.here.call('SET', 'key', 'v')
        self.assertEqual(self.migrate('key', port=always.port), READING)
        self.assertEqual(always.connections, 2)
        self.assertEqual(self.here.call('GET', 'key'), b'v')

    def test_a_target_may_hang_up_between_two_batches(self):
        restored = []

        def script(command):
            if command[0] != b'RESTORE':
                return b'+OK\r\n'
            restored.append(command[1])
            return (b'+OK\r\n', None) if len(restored) % 256 == 0 else b'+OK\r\n'
        target = self.fake(script)
        keys = [f'key:{i}' for i in range(700)]
        self.here.call('MSET', *[word for key in keys for word in (key, 'v')])
        reply = self.migrate('', 'KEYS', *keys, port=target.port)
        # It is found out before the next batch is sent, or while nothing of it has been answered.
        left = self.here.call('DBSIZE')
        self.assertIn((reply, left), [(OK, 0), (READING, 444), (READING, 188)])

    def test_what_is_large_may_take_longer_as_long_as_it_moves(self):
        target = self.fake(lambda command: b'+OK\r\n', pause_s=0.2)
        patient = self.client(timeout_s=60.0)
        patient.call('SET', 'key', b'x' * (40 << 20))
        begin = time.monotonic()
        self.assertEqual(self.migrate('key', port=target.port, timeout_ms=4000, client=patient), OK)
        self.assertGreater(time.monotonic() - begin, 5)

    def test_senseless_answers(self):
        target = self.fake(lambda command: b'what?\r\n')
        self.here.call('SET', 'key', 'v')
        self.assertEqual(self.migrate('key', port=target.port), READING)
        self.assertEqual(self.here.call('GET', 'key'), b'v')

    # ---- What happens meanwhile ----------------------------------------------------------------

    def held_back(self):
        """A target that answers RESTORE only when the event is set; (target, arrived, answer)."""
        arrived, answer = threading.Event(), threading.Event()
        self.addCleanup(answer.set)

        def script(command):
            if command[0] == b'RESTORE':
                arrived.set()
                answer.wait(20)
            return b'+OK\r\n'
        return self.fake(script), arrived, answer

    def begin(self, target, arrived, *arguments, **options):
        mover = self.client()
        mover.send('MIGRATE', '127.0.0.1', target.port, *arguments)
        self.assertTrue(arrived.wait(10))
        return mover

    def test_other_clients_are_served_meanwhile(self):
        target, arrived, answer = self.held_back()
        others = [self.client() for _ in range(8)]
        self.here.call('SET', 'key', 'v')
        mover = self.begin(target, arrived, 'key', '0', '10000')
        begin = time.monotonic()
        for other in others:
            # The very key, and all of them.
            self.assertEqual(other.call('GET', 'key'), b'v')
            self.assertEqual(other.call('DBSIZE'), 1)
            self.assertEqual(other.call('SET', 'other', 'v'), b'OK')
            other.call('DEL', 'other')
        self.assertLess(time.monotonic() - begin, 5)
        answer.set()
        self.assertEqual(mover.read_reply(), OK)
        self.assertEqual(self.here.call('DBSIZE'), 0)

    def test_what_is_changed_meanwhile_stays(self):
        changes = [('SET', 'changed', 'new'), ('EXPIRE', 'expiring', '100'), ('DEL', 'deleted')]
        target, arrived, answer = self.held_back()
        keys = [change[1] for change in changes]
        for key in [*keys, 'same']:
            self.here.call('SET', key, 'v')
        mover = self.begin(target, arrived, '', '0', '10000', 'KEYS', *keys, 'same')
        for change in changes:
            self.here.call(*change)
        answer.set()
        self.assertEqual(mover.read_reply(), (
            '-', b"ERR Keys that were changed while they were sent stay here: 3, such as "
                 b"'changed' 'expiring' 'deleted'"))
        self.assertEqual(sorted(self.here.call('KEYS', '*')), [b'changed', b'expiring'])
        self.assertEqual(self.here.call('GET', 'changed'), b'new')

    def test_copies_may_be_changed_meanwhile(self):
        target, arrived, answer = self.held_back()
        self.here.call('SET', 'key', 'v')
        mover = self.begin(target, arrived, 'key', '0', '10000', 'COPY')
        self.here.call('SET', 'key', 'new')
        answer.set()
        self.assertEqual(mover.read_reply(), OK)
        self.assertEqual(self.here.call('GET', 'key'), b'new')

    def test_a_client_that_goes_leaves_nothing_half_done(self):
        target, arrived, answer = self.held_back()
        self.here.call('SET', 'key', 'v')
        mover = self.begin(target, arrived, 'key', '0', '10000')
        mover.close()
        self.eventually(lambda: self.here.call('CLIENT', 'LIST').count(b'\n') <= 2)
        self.assertEqual(self.here.call('EXISTS', 'key'), 1)
        answer.set()
        self.eventually(lambda: self.here.call('EXISTS', 'key') == 0)

    def test_nobody_ends_it_early(self):
        target, arrived, answer = self.held_back()
        self.here.call('SET', 'key', 'v')
        mover = self.client()
        own = mover.call('CLIENT', 'ID')
        mover.send('MIGRATE', '127.0.0.1', target.port, 'key', '0', '10000')
        self.assertTrue(arrived.wait(10))
        self.assertEqual(self.here.call('CLIENT', 'UNBLOCK', own), 0)
        answer.set()
        self.assertEqual(mover.read_reply(), OK)

    def test_the_server_stops_in_the_middle(self):
        target, arrived, _ = self.held_back()
        server = servers.TerraceServer('--threads', '2').start()
        self.addCleanup(server.close)
        client = server.client()
        self.addCleanup(client.close)
        client.call('SET', 'key', 'v')
        client.send('MIGRATE', '127.0.0.1', target.port, 'key', '0', '10000')
        self.assertTrue(arrived.wait(10))
        self.assertEqual(server.stop(), 0)

    # ---- Connections, secrets, rights ----------------------------------------------------------

    def cached(self):
        info = self.here.call('INFO', 'stats').decode()
        return int(info.split('migrate_cached_sockets:')[1].split('\r')[0])

    def test_connections_are_kept_for_a_while(self):
        target = self.fake(lambda command: b'+OK\r\n')
        self.eventually(lambda: self.cached() == 0, timeout_s=20)
        for _ in range(5):
            self.here.call('SET', 'key', 'v')
            self.assertEqual(self.migrate('key', port=target.port, database=4), OK)
        self.assertEqual((target.connections, self.cached()), (1, 1))
        self.assertEqual(target.names().count(b'SELECT'), 1)
        self.eventually(lambda: self.cached() == 0, timeout_s=20)

    def test_only_so_many_connections_are_kept(self):
        self.eventually(lambda: self.cached() == 0, timeout_s=20)
        targets = [self.fake(lambda command: b'+OK\r\n') for _ in range(70)]
        for target in targets:
            self.here.call('SET', 'key', 'v')
            self.assertEqual(self.migrate('key', port=target.port), OK)
        self.assertLessEqual(self.cached(), 64)
        # The ones that were used first have made room.
        for target, connections in ((targets[69], 1), (targets[0], 2)):
            self.here.call('SET', 'key', 'v')
            self.assertEqual(self.migrate('key', port=target.port), OK)
            self.assertEqual(target.connections, connections)

    def test_secrets_are_not_shown(self):
        monitor = self.client()
        monitor.command('MONITOR')
        self.configure('slowlog-log-slower-than', '0')
        self.here.call('SLOWLOG', 'RESET')
        for options in (('AUTH', 'hush'), ('COPY', 'AUTH2', 'hush', 'hush', 'KEYS', 'auth', 'x')):
            self.migrate('', *options)
        log = self.here.call('SLOWLOG', 'GET')
        shown = [entry[3][6:] for entry in log if entry[3][0] == b'MIGRATE']
        self.assertEqual(shown, [
            [b'COPY', b'AUTH2', b'(redacted)', b'(redacted)', b'KEYS', b'auth', b'x'],
            [b'AUTH', b'(redacted)']])
        lines = []
        while len([line for line in lines if b'"MIGRATE"' in line]) < 2:
            lines.append(monitor.read_reply()[1])
        self.assertNotIn(b'hush', b''.join(lines))

    def test_rights_are_asked_for_every_key(self):
        self.here.call('ACL', 'SETUSER', 'mover', 'on', 'nopass', '+migrate', '~both', '%R~read')
        self.addCleanup(self.here.call, 'ACL', 'DELUSER', 'mover')
        mover = self.client()
        mover.call('AUTH', 'mover', 'x')
        self.assertEqual(self.migrate('both', client=mover), NOKEY)
        self.assert_error(self.migrate('read', client=mover), b'NOPERM')
        self.assert_error(self.migrate('read', 'COPY', client=mover), b'NOPERM')
        self.assert_error(self.migrate('', 'KEYS', 'both', 'read', client=mover), b'NOPERM')

    def test_transactions_and_scripts_do_not_wait(self):
        refusal = b'ERR MIGRATE waits for another server'
        self.here.call('SET', 'key', 'v')
        self.here.call('MULTI')
        self.migrate('nokey')
        self.migrate('key')
        replies = self.here.command('EXEC')[1]
        self.assertEqual(replies[0], NOKEY)
        self.assert_error(replies[1], refusal)
        self.assert_error(self.here.command('EVAL', "return redis.call('MIGRATE', 'h', 1, KEYS[1],"
                                            " 0, 100)", '1', 'key'), refusal)
        self.assertEqual(self.here.call('GET', 'key'), b'v')


class MigrateRoutesTest(unittest.TestCase):

    def test_keys_with_lower_tiers_stay(self):
        with servers.RedisServer() as regional, servers.RedisServer() as target:
            config = (f'[[regional]]\nname = "main"\nport = {regional.port}\n'
                      '[[route]]\nprefix = "forward:"\nregional = "main"\nwrite = "forward"\n'
                      '[[route]]\nprefix = "spill:"\nregional = "main"\nwrite = "spill"\n'
                      '[[route]]\nprefix = "local:"\nwrite = "local"\n')
            path = regional.directory / 'terrace.toml'
            path.write_text(config)
            with servers.TerraceServer('--config', str(path)) as server:
                with server.client() as client:
                    for prefix in ('forward:', 'spill:', 'local:', ''):
                        client.call('SET', prefix + 'key', 'v')
                    for prefix in ('forward:', 'spill:'):
                        reply = client.command('MIGRATE', '127.0.0.1', target.port, '', '0', '5000',
                                               'KEYS', 'key', prefix + 'key')
                        self.assertTrue(reply[1].startswith(b'TIER '), reply)
                        self.assertEqual(client.call('GET', prefix + 'key'), b'v')
                    self.assertEqual(client.command(
                        'MIGRATE', '127.0.0.1', target.port, '', '0', '5000', 'KEYS', 'key',
                        'local:key'), OK)


class MigrateArgumentsTest(black_box.TerraceTest):
    """What both servers say at once, to the letter."""

    def test_errors_and_descriptions_are_those_of_redis(self):
        with servers.RedisServer() as reference, socket.create_server(('127.0.0.1', 0)) as closed:
            dead = closed.getsockname()[1]
            closed.close()
            if servers.version_of(reference) < (7, 2):
                self.skipTest('needs Redis 7.2')
            clients = [self.client(), reference.client()]
            self.addCleanup(clients[1].close)
            for client in clients:
                client.call('SET', 'key', 'v')
            options = ['', 'KEYS', 'COPY KEYS', 'bogus', 'COPY bogus x', 'AUTH', 'AUTH2 x',
                       'AUTH x', 'AUTH2 x y', 'REPLACE COPY', 'KEYS nokey', 'KEYS key nokey',
                       'AUTH KEYS KEYS nokey', 'AUTH2 KEYS COPY KEYS nokey', 'KEYS KEYS key']
            lines = [f'MIGRATE 127.0.0.1 {dead} {key} 0 100 {option}'
                     for key in ('""', 'key', 'nokey') for option in options]
            lines += [f'COMMAND {sub} {line}' for line in lines
                      for sub in ('GETKEYS', 'GETKEYSANDFLAGS')]
            lines += ['MIGRATE', f'MIGRATE 127.0.0.1 {dead} key 0',
                      f'MIGRATE 127.0.0.1 {dead} key a 100', f'MIGRATE 127.0.0.1 {dead} key 0 a',
                      f'MIGRATE 127.0.0.1 {dead} nokey a b', f'MIGRATE 127.0.0.1 {dead} key 1 -5',
                      f'MIGRATE 127.0.0.1 {dead} key 99999999999999999999 100',
                      'MIGRATE 127.0.0.1 -1 key 0 100', 'MIGRATE 127.0.0.1 0 key 0 100',
                      'MIGRATE 127.0.0.1 abc key 0 100', 'MIGRATE "" 1 key 0 100',
                      'MIGRATE 127.0.0.1 1 key 0 100 keys x', 'OBJECT ENCODING key', 'GET key']
            for line in lines:
                arguments = [word.strip('"') for word in line.split()]
                ours, theirs = [client.command(*arguments) for client in clients]
                self.assertEqual(unordered(ours), unordered(theirs), line)
            ours, theirs = [client.command('COMMAND', 'INFO', 'migrate')[1][0][1]
                            for client in clients]
            self.assertEqual(unordered(('*', ours)), unordered(('*', theirs)))


def unordered(reply):
    """Sets come as arrays in RESP2."""
    if reply[0] == '*':
        return ('*', sorted((unordered(item) for item in reply[1]), key=str))
    return reply



if __name__ == '__main__':
    unittest.main()
