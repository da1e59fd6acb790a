"""With `compatibility` an operator says whose answers clients get where Redis 7.2 and Valkey 8.0
contradict each other; it can be changed while the server runs."""

import time
import unittest

import black_box
import servers

PAST_S = 1
NOSUB = ('-', b"NOSUB 'unsubscribe' command executed not in subscribed mode")
# (commands that prepare, command, Redis's answer, Valkey's answer); an error by how it begins.
CONTRADICTIONS = [
    ([('SET', 'k', 'foobar')], ('BITCOUNT', 'k', '1'), '-ERR syntax error', (':', 22)),
    ([], ('BITCOUNT', 'none', '0', '1', 'hello'), (':', 0), '-ERR syntax error'),
    ([], ('BITPOS', 'none', '1', 'a'), (':', -1), '-ERR value is not an integer'),
    ([('RPUSH', 'l', 'a')], ('BITCOUNT', 'l', 'a', 'b'), '-WRONGTYPE',
     '-ERR value is not an integer'),
    ([], ('SCAN', '0', 'TYPE', 'string1'), ('*', (('$', b'0'), ('*', ()))),
     "-ERR unknown type name 'string1'"),
    ([], ('SCAN', '-1'), ('*', (('$', b'0'), ('*', ()))), '-ERR invalid cursor'),
    ([('SADD', 's', 'a')], ('SSCAN', 's', '0', 'NOVALUES'), '-ERR syntax error',
     '-ERR NOVALUES option can only be used in HSCAN'),
    ([], ('LREM', 'none', '-9223372036854775808', 'x'), (':', 0), '-ERR value is out of range'),
    ([], ('UNSUBSCRIBE', 'c'), ('*', (('$', b'unsubscribe'), ('$', b'c'), (':', 0))), NOSUB),
    ([('XADD', 'x', '1-1', 'f', 'v')],
     ('EVAL', "return redis.call('XREAD', 'BLOCK', 0, 'STREAMS', KEYS[1], '$')", '1', 'x'),
     '-ERR XREAD command is not allowed with BLOCK option from scripts', ('$-1',)),
    ([], ('EVAL', "return redis.call('WAITAOF', '0', '0', '0')", '0'),
     '-ERR This Redis command is not allowed from script', ('*', ((':', 0), (':', 0)))),
    ([], ('EVAL', "return redis.call('nosuchcommand')", '0'),
     '-ERR Unknown Redis command called from script', '-ERR Unknown command called from script'),
    ([], ('EVAL', "return redis.call('GET')", '0'),
     '-ERR Wrong number of args calling Redis command from script',
     '-ERR Wrong number of args calling command from script'),
    ([], ('EVAL', "return redis.call('PING', {})", '0'),
     '-ERR Lua redis lib command arguments must be strings or integers',
     '-ERR Command arguments must be strings or integers'),
    ([], ('EVAL', "return redis.acl_check_cmd('none')", '0'),
     '-ERR Invalid command passed to redis.acl_check_cmd()',
     '-ERR Invalid command passed to server.acl_check_cmd()'),
    ([], ('EVALSHA', '0' * 40, '0'), '-NOSCRIPT No matching script. Please use EVAL.',
     ('-', b'NOSCRIPT No matching script.')),
    ([('MULTI',), ('MULTI',), ('SET', 'k', '1')], ('EXEC',), ('*', (('+', b'OK'),)),
     '-EXECABORT'),
    ([('MULTI',), ('WATCH', 'k'), ('SET', 'k', '1')], ('EXEC',), ('*', (('+', b'OK'),)),
     '-EXECABORT'),
]
DIALECTS = ('redis-7.2', 'valkey-8.0')


class CompatibilityTest(black_box.TerraceTest):
    flags = ('--enable-debug-command', 'yes')

    def setUp(self):
        self.connection = self.client()
        self.choose('redis-7.2')
        self.command('FLUSHALL')

    def choose(self, dialect):
        self.assertEqual(self.command('CONFIG', 'SET', 'compatibility', dialect), ('+', b'OK'))

    def command(self, *args):
        return self.connection.command(*args)

    def assert_answer(self, expected, got):
        if isinstance(expected, str):
            self.assert_error(got, expected[1:].encode())
        else:
            self.assertEqual(got, expected)

    def test_contradicted_answers_are_those_of_the_chosen_server(self):
        for preparation, command, *answers in CONTRADICTIONS:
            for dialect, expected in zip(DIALECTS, answers):
                with self.subTest(command=command, dialect=dialect):
                    self.choose(dialect)
                    self.command('FLUSHALL')
                    for other in preparation:
                        self.command(*other)
                    self.assert_answer(expected, self.command(*command))

    def test_a_lifetime_that_is_over_removes_at_once_in_valkey_only(self):
        self.command('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
        for dialect, left in zip(DIALECTS, (1, 0)):
            self.choose(dialect)
            self.command('FLUSHALL')
            self.assertEqual(self.command('SET', 'k', 'v', 'EXAT', PAST_S), ('+', b'OK'))
            self.assertEqual(self.command('DBSIZE'), (':', left))
            self.assertEqual(self.command('GET', 'k'), ('$-1',))

    def test_a_scan_of_one_type_leaves_expired_keys_of_others_in_valkey_only(self):
        self.command('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
        for dialect, left in zip(DIALECTS, (1, 2)):
            self.choose(dialect)
            self.command('FLUSHALL')
            self.command('SET', 'stays', 'v')
            self.command('HSET', 'hash', 'f', 'v')
            self.command('PEXPIRE', 'hash', '1')
            time.sleep(0.01)
            self.scan_all('TYPE', 'string')
            self.assertEqual(self.command('DBSIZE'), (':', left))

    def scan_all(self, *options):
        cursor = b'0'
        while True:
            cursor = self.command('SCAN', cursor, *options)[1][0][1]
            if cursor == b'0':
                return

    def test_servers_name_themselves_as_the_chosen_one(self):
        for dialect, name, has_version in zip(DIALECTS, (b'redis', b'valkey'), (False, True)):
            self.choose(dialect)
            hello = self.command('HELLO', '2')[1]
            self.assertEqual(hello[1], ('$', name))
            info = self.command('INFO', 'server')[1]
            self.assertEqual(b'valkey_version:8.0.1' in info, has_version)
            self.assertIn(b'redis_version:7.2', info)
        self.configure('extended-redis-compatibility', 'yes')
        self.assertEqual(self.command('HELLO', '2')[1][1], ('$', b'redis'))
        self.assertIn(b'redis_mode:standalone', self.command('INFO', 'server')[1])

    def test_a_client_shows_what_it_has_sent_got_and_watched(self):
        # A library for Redis may refuse fields that it does not know.
        self.assertTrue(self.command('CLIENT', 'INFO')[1].endswith(b' lib-ver=\n'))
        self.choose('valkey-8.0')
        before = self.describe()
        sent = b'*2\r\n$6\r\nCLIENT\r\n$4\r\nINFO\r\n'
        after = self.describe()
        self.assertEqual(after['tot-net-in'] - before['tot-net-in'], len(sent))
        self.assertGreater(after['tot-net-out'] - before['tot-net-out'], 300)
        self.assertEqual(after['tot-cmds'] - before['tot-cmds'], 1)
        self.command('EVAL', "redis.call('PING')", '0')
        self.assertEqual(self.describe()['tot-cmds'] - after['tot-cmds'], 3)
        self.command('WATCH', 'a', 'b', 'a')
        self.assertEqual(self.describe()['watch'], 2)
        self.command('UNWATCH')
        self.assertEqual(self.describe()['watch'], 0)
        self.command('WATCH', 'a')
        self.command('MULTI')
        self.command('EXEC')
        self.assertEqual(self.describe()['watch'], 0)

    def describe(self):
        """Returns the numbers that CLIENT INFO shows."""
        fields = dict(field.split('=', 1)
                      for field in self.command('CLIENT', 'INFO')[1].decode().split())
        return {name: int(text) for name, text in fields.items() if text.lstrip('-').isdigit()}

    def test_an_unknown_choice_is_refused(self):
        self.assertEqual(self.command('CONFIG', 'SET', 'compatibility', 'redis-9')[0], '-')
        with self.assertRaises(servers.StartFailed):
            servers.TerraceServer('--compatibility', 'redis-9').start()


if __name__ == '__main__':
    unittest.main()
