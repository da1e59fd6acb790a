"""DEBUG: what test suites and tools of others use answers as in Redis."""

import unittest

import black_box  # for the path to the helpers
import servers

assert black_box


class DebugTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.servers = [servers.RedisServer('--enable-debug-command', 'yes').start(),
                       servers.TerraceServer().start()]
        for server in cls.servers:
            cls.addClassCleanup(server.close)

    def setUp(self):
        self.clients = [server.client() for server in self.servers]
        for client in self.clients:
            self.addCleanup(client.close)
            client.call('FLUSHALL')

    def assert_alike(self, *args):
        expected, got = (client.command(*args) for client in self.clients)
        self.assertEqual(expected, got, args)

    def test_populate_makes_the_keys_that_are_not_there(self):
        for client in self.clients:
            client.call('SET', 'key:2', 'mine')
        for args in ((3,), (2, 'p'), (2, 'long', 12), (2, 'short', 3), (0,), (-1,), (1, 'p', -1),
                     ('x',), (1, 'p', 'x'), (1, 'p', 1, 1), ()):
            self.assert_alike('DEBUG', 'POPULATE', *args)
        for key in ('key:0', 'key:1', 'key:2', 'key:3', 'p:1', 'long:1', 'short:0'):
            self.assert_alike('GET', key)
        self.assert_alike('DBSIZE')

    def test_sleep_takes_what_is_no_number_for_no_time(self):
        for text in ('0', '0.001', 'abc', '', '0\r\n', '-1', '0.0x'):
            self.assert_alike('DEBUG', 'SLEEP', text)


if __name__ == '__main__':
    unittest.main()
