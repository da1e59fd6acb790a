"""Scripts and functions: every reply must be the one that a real redis-server gives.

A seeded generator (lua_snippets.py) writes scripts; each runs on both servers by EVAL in both
protocols, and as a function. SCRIPTING_SEED and SCRIPTING_COUNT choose others.
"""

import os
import re
import unittest

import black_box
import lua_snippets
import resp_wire
import servers

SEED = int(os.environ.get('SCRIPTING_SEED', 1))
COUNT = int(os.environ.get('SCRIPTING_COUNT', 3000))
ADDRESS = re.compile(rb'0x[0-9a-f]{6,}')
LIBRARY = ("""#!lua name={name}
redis.register_function('{name}_f', function(keys, args) return {{keys[1], args[1]}} end)
redis.register_function{{function_name='{name}_ro', callback=function() return 1 end,
                        description='reads', flags={{'no-writes', 'allow-oom'}}}}""")
# Redis sends the line break of an error that a script raised as it is, which is no protocol.
RAISED_LINE_BREAK = re.compile(r'error.*\\(n|010|013)')


def libraries_of(client):
    """Returns FUNCTION LIST WITHCODE in an order of its own, as Redis has none."""
    libraries = []
    for library in client.call('FUNCTION', 'LIST', 'WITHCODE'):
        fields = dict(zip(library[::2], library[1::2]))
        fields[b'functions'] = sorted(fields[b'functions'])
        libraries.append(fields)
    return sorted(libraries, key=lambda fields: fields[b'library_name'])


def comparable(reply):
    """Returns a reply without what differs from server to server: addresses in memory."""
    if isinstance(reply, bytes):
        return ADDRESS.sub(b'0x', reply)
    if isinstance(reply, (tuple, list)):
        return tuple(comparable(item) for item in reply)
    return reply


class OracleTest(black_box.TerraceTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)
        cls.version = servers.version_of(cls.reference)

    def pair(self, proto=2):
        clients = (self.reference.client(proto=proto), self.server.client(proto=proto))
        for client in clients:
            self.addCleanup(client.close)
            client.command('FLUSHALL')
        return clients

    def compare(self, clients, *words, note=''):
        expected, got = (client.command(*words) for client in clients)
        self.assertEqual(comparable(got), comparable(expected), f'{note}\n{words}')
        return got

    def play(self, proto, run):
        print(f'{self.id()}: seed {SEED}, {COUNT} scripts')
        snippets = lua_snippets.Snippets(SEED * 10 + proto, self.version)
        clients = self.pair(proto)
        for number in range(COUNT):
            if number % 100 == 0:
                self.compare(clients, 'FLUSHALL')
            body = snippets.script()
            if RAISED_LINE_BREAK.search(body):
                continue
            run(clients, body, f'SCRIPTING_SEED={SEED}, script {number}, RESP{proto}')

    def evaluate(self, clients, body, note):
        self.compare(clients, 'EVAL', body, '2', 'k1', 'k2', 'first', 'second\0', note=note)

    def call_function(self, clients, body, note):
        code = ("#!lua name=mine\nredis.register_function('f', function(KEYS, ARGV) "
                + body + ' end)')
        loaded = self.compare(clients, 'FUNCTION', 'LOAD', 'REPLACE', code, note=note)
        if not resp_wire.is_error(loaded):
            self.compare(clients, 'FCALL', 'f', '2', 'k1', 'k2', 'first', 'second\0', note=note)

    def test_scripts_answer_as_redis_does_in_resp2(self):
        self.play(2, self.evaluate)

    def test_scripts_answer_as_redis_does_in_resp3(self):
        self.play(3, self.evaluate)

    def test_functions_answer_as_redis_does(self):
        self.play(3, self.call_function)

    def test_dumped_functions_travel_both_ways(self):
        redis, terrace = self.pair()
        for source, target in ((redis, terrace), (terrace, redis)):
            for client in (source, target):
                client.command('FUNCTION', 'FLUSH')
            for name in ('one', 'two'):
                source.call('FUNCTION', 'LOAD', LIBRARY.format(name=name))
            payload = source.call('FUNCTION', 'DUMP')
            self.assertEqual(target.command('FUNCTION', 'RESTORE', payload), ('+', b'OK'))
            self.assertEqual(libraries_of(source), libraries_of(target))
            self.assertEqual(target.call('FCALL', 'one_f', 1, 'key', 'word'), [b'key', b'word'])
            for policy, outcome in (('APPEND', '-'), ('REPLACE', '+'), ('FLUSH', '+')):
                self.assertEqual(target.command('FUNCTION', 'RESTORE', payload, policy)[0], outcome)
            self.compare((redis, terrace), 'FUNCTION', 'RESTORE', payload[:-1] + b'?')
            # Which of the two it names is chance in Redis.
            for client in (redis, terrace):
                self.assert_error(client.command('FUNCTION', 'RESTORE', payload), b'ERR Library ')

    def test_a_library_registers_by_either_name(self):
        with self.server.client() as client:
            client.call('FUNCTION', 'LOAD', "#!lua name=either\n"
                        "server.register_function('by_server', function() return 1 end)\n"
                        "redis.register_function('by_redis', "
                        "function() return server.call('PING') end)")
            self.assertEqual(client.call('FCALL', 'by_server', 0), 1)
            self.assertEqual(client.call('FCALL', 'by_redis', 0), b'PONG')
            for name in ('server', 'redis'):
                reply = client.command('FUNCTION', 'LOAD',
                                       f'#!lua name=wrong\n{name}.register_function(1)')
                self.assert_error(reply, b'ERR Error registering functions: '
                                  b'ERR calling %s.register_function with a single argument'
                                  % name.encode())

    def test_script_show_answers_the_text_by_a_digest_of_either_case(self):
        with self.server.client() as client:
            body = b'#!lua flags=no-writes\nreturn 1'
            digest = client.call('SCRIPT', 'LOAD', body)
            self.assertEqual(client.call('SCRIPT', 'SHOW', digest), body)
            self.assertEqual(client.call('SCRIPT', 'SHOW', digest.upper()), body)
            self.assertEqual(client.call('SCRIPT', 'EXISTS', digest.upper(), 'f' * 40), [1, 0])
            self.assert_error(client.command('SCRIPT', 'SHOW', 'f' * 40), b'NOSCRIPT')

    def test_errors_count_as_redis_counts_them(self):
        clients = self.pair()
        for client in clients:
            client.command('CONFIG', 'RESETSTAT')
        for body in ("return redis.call('GET')", "return redis.pcall('GET')", "error('x')",
                     "return redis.error_reply('MINE text')", "return redis.call('LPUSH', 's', 1)",
                     "redis.pcall('LPUSH', 's', 1) return 1", "return {err='OTHER'}", 'return 1 +',
                     "return redis.call('NOSUCH')", "error({err='THIRD x'})"):
            for client in clients:
                client.command('SET', 's', 'text')
                client.command('EVAL', body, 0)
                client.command('EVALSHA', 'f' * 40, 0)
        expected, got = (sorted(line for line in client.call('INFO', 'errorstats').splitlines()
                                if line.startswith(b'errorstat'))
                         for client in clients)
        self.assertEqual(got, expected)


class TimeTest(black_box.TerraceTest):

    def test_time_stands_still_in_a_script(self):
        first, second = self.client().call(
            'EVAL', "local before = redis.call('TIME') for i = 1, 3000000 do end "
            "return {before, redis.call('TIME')}", 0)
        self.assertEqual(first, second)

    def test_no_key_expires_while_a_script_runs(self):
        seen = self.client().call(
            'EVAL', "redis.call('SET', KEYS[1], 'v', 'PX', 1) for i = 1, 3000000 do end "
            "return redis.call('GET', KEYS[1])", 1, 'soon')
        self.assertEqual(seen, b'v')

    def test_time_stands_still_in_a_transaction(self):
        client = self.client()
        client.command('MULTI')
        for words in (('TIME',), ('SET', 'soon', 'v', 'PX', 5), ('DEBUG', 'SLEEP', '0.02'),
                      ('GET', 'soon'), ('TIME',)):
            client.command(*words)
        before, _, _, value, after = client.call('EXEC')
        self.assertEqual((before, value), (after, b'v'))
        self.assertIsNone(client.call('GET', 'soon'))

    def test_what_follows_a_slow_command_in_a_pipeline_sees_a_later_time(self):
        client = self.client()
        client.send_bytes(b''.join(resp_wire.encode(*words) for words in (
            ('SET', 'soon', 'v', 'PX', 5), ('DEBUG', 'SLEEP', '0.02'), ('GET', 'soon'))))
        self.assertEqual([client.read_reply() for _ in range(3)][2], ('$-1',))

    def test_time_never_goes_back(self):
        client = self.client()
        times = [tuple(map(int, client.call('TIME'))) for _ in range(3000)]
        self.assertEqual(times, sorted(times))


if __name__ == '__main__':
    unittest.main()
