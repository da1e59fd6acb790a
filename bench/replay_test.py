#!/usr/bin/env python3
"""Tests of the arithmetic of replay.py and of its parts in C++."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import replay
from servers import BUILD, Kind, Server, redis_command


class ArithmeticTest(unittest.TestCase):
    def test_percentiles_are_upper_ends_of_buckets(self):
        self.assertEqual([1, 2, 3], replay.percentiles([[1, 50], [2, 49], [3, 1]]))
        self.assertEqual([None, None, None], replay.percentiles([]))

    def test_the_slowest_replies_are_split_off_within_a_bucket(self):
        self.assertEqual(([[1, 5], [2, 3]], [[2, 1], [9, 2]]),
                         replay.split_slowest([[1, 5], [2, 4], [9, 2]], 3))
        self.assertEqual(([[1, 5]], []), replay.split_slowest([[1, 5]], 0))


class TraceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = pathlib.Path(folder.name) / "input.txt"

    def test_keeps_the_first_size_of_each_key(self):
        self.path.write_text("7 100\n8 200\n7 300\n")
        trace = replay.Trace(self.path, 0, self.folder)
        self.assertEqual((3, {"7": "100", "8": "200"}), (trace.requests, trace.sizes))
        self.assertEqual("7 100\n", trace.sample(1))

    def test_reads_compressed_traces_and_stops_where_told(self):
        self.path.write_text("".join(f"{i} 1\n" for i in range(1000)))
        subprocess.run(["xz", str(self.path)], check=True)
        trace = replay.Trace(f"{self.path}.xz", 10, self.folder)
        self.assertEqual((10, 10), (trace.requests, len(trace.file.read_text().splitlines())))

    def test_refuses_what_is_no_trace(self):
        self.path.write_text("a b\n")
        with self.assertRaisesRegex(SystemExit, "line 1 of .* is not 'key size'"):
            replay.Trace(self.path, 0, self.folder)


class ReplayerTest(unittest.TestCase):
    """The replayer against a Redis that holds what an origin made before, and one key it lacks."""

    def test_values_made_before_the_request_do_not_count_as_answers_of_the_origin(self):
        redis = Server(Kind("redis", redis_command("redis-server")))
        self.addCleanup(redis.stop)
        redis.ask("SET", "trace:1:5", "0" * 19 + "1")
        redis.ask("SET", "trace:2:5", "9223372036854775807".rjust(20, "0"))
        redis.ask("SET", "trace:3:5", "short")
        redis.ask("LPUSH", "trace:4:5", "wrong type")
        done = subprocess.run([str(BUILD / "bench_replay"), "--port", str(redis.port)],
                              input="1 5\n2 5\n3 5\n1 9\n4 5\n5 5\n", capture_output=True,
                              text=True, check=False)
        report = json.loads(done.stdout)
        self.assertEqual(1, done.returncode)
        self.assertIn("WRONGTYPE", done.stderr)
        self.assertEqual((6, 1, 1), (report["requests"], report["errors"], report["absent"]))
        self.assertEqual(1, sum(count for _, count in report["origin_us"]))
        self.assertEqual(3, sum(count for _, count in report["cache_us"]))


if __name__ == "__main__":
    unittest.main()
