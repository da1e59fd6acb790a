"""black_box: what the integration tests share: the path to the helpers, and servers per class."""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support/python'))

import patience  # noqa: E402
import servers  # noqa: E402


class TerraceTest(unittest.TestCase):
    """Gives each test class one Terrace; `flags` may add settings, `environment` variables."""

    flags = ()
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.server = servers.TerraceServer(*cls.flags, environment=cls.environment).start()
        cls.addClassCleanup(cls.server.close)

    def need(self, *commands):
        """Skips the test where the server does not have these commands (docs/limits.md)."""
        for name in commands:
            if not servers.has_command(self.server, name):
                self.skipTest(f'this server has no {name.upper()} yet')

    def client(self, **options):
        client = self.server.client(**options)
        self.addCleanup(client.close)
        return client

    def configure(self, name, value):
        """Sets a setting for the rest of the test, over a connection that is there already then."""
        client = self.client()
        before = client.call('CONFIG', 'GET', name)[1]
        self.assertEqual(client.command('CONFIG', 'SET', name, value), ('+', b'OK'))
        self.addCleanup(client.command, 'CONFIG', 'SET', name, before)
        return client

    def assert_error(self, reply, prefix):
        self.assertEqual(reply[0], '-', reply)
        self.assertTrue(reply[1].startswith(prefix), reply)

    def be_alone(self):
        """Waits until the server has noticed that the clients of the test before are gone."""
        client = self.client()
        self.eventually(lambda: b'connected_clients:1\r\n' in client.call('INFO', 'clients'))

    def eventually(self, condition, timeout_s=10.0, message='the condition never held'):
        deadline = time.monotonic() + timeout_s * patience.FACTOR
        while not condition():
            if time.monotonic() > deadline:
                self.fail(message)
            time.sleep(0.02)
