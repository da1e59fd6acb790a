#!/usr/bin/env python3
"""The replay of a trace through Terrace, a real redis-server and an HTTP origin: sums add up."""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import black_box  # for the path to the helpers
import servers

REPLAY = pathlib.Path(__file__).resolve().parents[2] / 'bench/replay.py'
REQUESTS, KEYS, CAPACITY = 3000, 400, 100
assert black_box


class ReplayTest(unittest.TestCase):

    def test_every_request_is_answered_by_some_tier_within_the_limit(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print('seed', seed)
        rng = random.Random(seed)
        with tempfile.TemporaryDirectory() as folder:
            trace = pathlib.Path(folder) / 'zipf.txt'
            keys = rng.choices(range(KEYS), [1 / (i + 1) for i in range(KEYS)], k=REQUESTS)
            trace.write_text(''.join(f'{key} 20000\n' for key in keys))
            report = pathlib.Path(folder) / 'report.json'
            done = subprocess.run(
                [sys.executable, REPLAY, '--trace', trace, '--size', str(CAPACITY), '--connections',
                 '1', '--terrace', servers.terrace_binary(), '--json', report],
                capture_output=True, text=True, timeout=120)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
            result = json.loads(report.read_text())
        self.assertEqual(REQUESTS, sum(result['answered'].values()))
        # The regional tier has no limit, so each key is asked of the origin once.
        self.assertEqual(len(set(keys)), result['origin_requests'])
        self.assertEqual(len(set(keys)), result['answered']['origin'])
        self.assertLess(result['used_memory'], result['maxmemory'] * 1.02)
        # Values this large leave what the server takes besides them without weight.
        self.assertLess(result['local_keys'], CAPACITY * 1.4)
        self.assertGreater(result['local_keys'], CAPACITY * 0.6)
        self.assertGreater(result['answered']['local'], REQUESTS * 0.3)


if __name__ == '__main__':
    unittest.main()
