"""SLOWLOG, LATENCY and INFO latencystats: what took long, and who asked for it."""

import time
import unittest

import black_box


class SlowCommandsTest(black_box.TerraceTest):

    def test_the_slow_log_names_the_command_its_duration_and_its_client(self):
        client = self.client()
        client.command('CLIENT', 'SETNAME', 'slow')
        client.command('CONFIG', 'SET', 'slowlog-log-slower-than', '10000')
        client.command('SLOWLOG', 'RESET')
        client.command('DEBUG', 'SLEEP', '0.05')
        client.command('PING')
        entries = client.call('SLOWLOG', 'GET')
        self.assertEqual(len(entries), 1)
        _, unix_s, duration_us, args, address, name = entries[0]
        self.assertEqual(args, [b'DEBUG', b'SLEEP', b'0.05'])
        self.assertGreaterEqual(duration_us, 50_000)
        self.assertLess(abs(unix_s - time.time()), 60)
        ip, port = client.socket.getsockname()
        self.assertEqual((address, name), (f'{ip}:{port}'.encode(), b'slow'))

    def test_what_a_script_runs_has_its_client(self):
        client = self.client()
        client.command('CLIENT', 'SETNAME', 'scripted')
        client.command('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
        client.command('SLOWLOG', 'RESET')
        client.command('EVAL', "redis.call('PING')", '0')
        client.command('CONFIG', 'SET', 'slowlog-log-slower-than', '-1')
        script, ping = client.call('SLOWLOG', 'GET', '2')
        self.assertEqual((script[3][0], ping[3]), (b'EVAL', [b'PING']))
        ip, port = client.socket.getsockname()
        for entry in (script, ping):
            self.assertEqual(entry[4:], [f'{ip}:{port}'.encode(), b'scripted'])

    def test_the_slow_log_keeps_the_newest_and_shortens_long_commands(self):
        client = self.client()
        client.command('CONFIG', 'SET', 'slowlog-max-len', '2', 'slowlog-log-slower-than', '0')
        client.command('SADD', 'set', *[str(i) for i in range(100)], 'x' * 1000)
        client.command('SET', 'key', 'y' * 129)
        client.command('CONFIG', 'SET', 'slowlog-log-slower-than', '-1')
        newest, older = client.call('SLOWLOG', 'GET', '-1')
        self.assertEqual(newest[3], [b'SET', b'key', b'y' * 128 + b'... (1 more bytes)'])
        self.assertEqual(len(older[3]), 32)
        self.assertEqual(older[3][-1], b'... (72 more arguments)')
        self.assertGreater(newest[0], older[0])
        client.command('CONFIG', 'SET', 'slowlog-max-len', '128')

    def test_the_latency_monitor_keeps_latest_and_worst(self):
        client = self.client()
        client.command('CONFIG', 'SET', 'latency-monitor-threshold', '20')
        client.command('LATENCY', 'RESET')
        client.command('DEBUG', 'SLEEP', '0.1')
        time.sleep(1.1)
        client.command('DEBUG', 'SLEEP', '0.03')
        client.command('CONFIG', 'SET', 'latency-monitor-threshold', '0')
        rows = {row[0]: row[1:] for row in client.call('LATENCY', 'LATEST')}
        _, latest_ms, worst_ms = rows[b'command']
        self.assertGreaterEqual(worst_ms, 100)
        self.assertLess(latest_ms, worst_ms)
        self.assertEqual(len(client.call('LATENCY', 'HISTORY', 'command')), 2)
        self.assertEqual(client.call('LATENCY', 'RESET', 'command', 'nothing'), 1)

    def test_histograms_count_every_call(self):
        client = self.client()
        client.command('CONFIG', 'RESETSTAT')
        for _ in range(50):
            client.command('ECHO', 'x')
        reply = client.call('LATENCY', 'HISTOGRAM', 'echo', 'no-such-command')
        self.assertEqual(reply[0], b'echo')
        stats = dict(zip(reply[1][::2], reply[1][1::2]))
        self.assertEqual(stats[b'calls'], 50)
        counts = stats[b'histogram_usec'][1::2]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], 50)
        self.assertIn(b'latency_percentiles_usec_echo:p50=', client.call('INFO', 'latencystats'))


if __name__ == '__main__':
    unittest.main()
