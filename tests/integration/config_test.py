"""The configuration while the server runs: CONFIG, and SIGHUP, whose outcome the log tells."""

import os
import signal
import unittest

import black_box
import servers


class ReloadTest(black_box.TerraceTest):

    @classmethod
    def setUpClass(cls):
        cls.server = servers.TerraceServer()
        cls.path = cls.server.directory / 'terrace.toml'
        cls.path.write_text('[server]\ntimeout = 0\n')
        cls.server.flags += ['--config', str(cls.path)]
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def hang_up(self, text):
        """Writes the file, and returns what is logged once the server was told to look at it."""
        self.path.write_text(text)
        before = len(self.server.log())
        os.kill(self.server.pid, signal.SIGHUP)
        self.eventually(lambda: b'config_re' in self.server.log()[before:])
        return self.server.log()[before:]

    def test_a_hang_up_names_what_changed_and_what_needs_a_restart(self):
        log = self.hang_up('[server]\ntimeout = 77\ndatabases = 3\n')
        self.assertIn(b'config_reloaded', log)
        self.assertIn(b'changed=timeout', log)
        self.assertIn(b'needs_restart=databases', log)
        self.assertEqual(self.client().call('CONFIG', 'GET', 'timeout')[1], b'77')

    def test_a_mistake_in_the_file_is_said_and_changes_nothing(self):
        client = self.client()
        before = client.call('CONFIG', 'GET', 'timeout')
        log = self.hang_up('[server]\ntimeout = 78\ntimeoot = 1\n')
        self.assertIn(b'config_refused', log)
        self.assertIn(b'timeoot', log)
        self.assertEqual(client.call('CONFIG', 'GET', 'timeout'), before)
        self.assert_error(client.command('CONFIG', 'RELOAD'), b'ERR ')


class TuningTest(black_box.TerraceTest):
    flags = ('--maxmemory-policy', 'allkeys-lfu', '--maxmemory', '100mb')

    def frequency_after_reads(self, log_factor):
        client = self.configure('lfu-log-factor', log_factor)
        client.command('DEL', 'k')
        client.command('SET', 'k', 'v')
        for _ in range(200):
            client.command('GET', 'k')
        return client.call('OBJECT', 'FREQ', 'k')

    def test_the_log_factor_says_how_slowly_counters_grow(self):
        # Without it every read counts.
        self.assertEqual(self.frequency_after_reads('0'), 205)
        self.assertLess(self.frequency_after_reads('100'), 30)

    def test_a_new_policy_is_tuned_as_the_one_before(self):
        client = self.configure('lfu-log-factor', '0')
        client.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
        client.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu')
        self.assertEqual(self.frequency_after_reads('0'), 205)

    def test_errors_are_those_of_redis(self):
        client = self.client()
        for command in (('CONFIG', 'SET', 'timeout', '1', 'hz'),
                        ('MEMORY', 'USAGE', 'none', 'SAMPLES', '-1'),
                        ('MEMORY', 'USAGE', 'none', 'SAMPLES')):
            self.assert_error(client.command(*command), b'ERR syntax error')
        self.assert_error(client.command('MEMORY', 'USAGE', 'none', 'SAMPLES', 'x'),
                          b'ERR value is not an integer')
        self.assert_error(client.command('CONFIG', 'SET', 'maxmemory-samples', '65'), b'ERR ')


class StartTest(unittest.TestCase):

    def test_a_log_that_cannot_be_written_is_refused(self):
        with self.assertRaisesRegex(servers.StartFailed, 'logfile'):
            servers.TerraceServer('--logfile', '/missing/folder/log').start()

    def test_maxclients_beyond_the_descriptors_is_lowered_and_said(self):
        with servers.TerraceServer(limits={'RLIMIT_NOFILE': 100}) as server:
            self.assertIn(b'maxclients_lowered from=10000 to=36', server.log())


if __name__ == '__main__':
    unittest.main()
