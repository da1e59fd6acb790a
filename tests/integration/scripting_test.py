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
            run(clients, snippets.script(), f'SCRIPTING_SEED={SEED}, script {number}, RESP{proto}')

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


if __name__ == '__main__':
    unittest.main()
