#!/usr/bin/env python3
"""Tests of the load generator and the bare limit: they send and count what they say."""

import json
import shutil
import subprocess
import unittest

import servers
from servers import BUILD, Kind, Server


def generate(server, **load):
    command = [str(BUILD / "bench_load_generator"), "--port", str(server.port),
               "--protocol", server.kind.protocol]
    for name, value in load.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


class LoadGeneratorTest(unittest.TestCase):
    def start(self, kind):
        server = Server(kind)
        self.addCleanup(server.stop)
        return server

    def start_redis(self):
        return self.start(Kind("redis", servers.redis_command("redis-server")))

    def test_sequential_order_writes_each_key_once(self):
        redis = self.start_redis()
        status, report = generate(redis, command="set", order="sequential", keys=1003, pipeline=16,
                                  value_bytes=10)
        self.assertEqual((0, 1003, 0), (status, report["operations"], report["errors"]))
        self.assertEqual(1003, redis.ask("DBSIZE"))
        self.assertEqual(b"x" * 10, redis.ask("GET", "key:000000001002"))
        self.assertEqual(-1, redis.ask("TTL", "key:000000000000"))

    def test_sets_a_time_to_live_when_asked(self):
        redis = self.start_redis()
        generate(redis, command="set", order="sequential", keys=3, ttl_seconds=1000)
        self.assertGreater(redis.ask("TTL", "key:000000000000"), 900)

    def test_counts_hits_and_misses_of_random_reads(self):
        redis = self.start_redis()
        generate(redis, command="set", order="sequential", keys=500)
        _, report = generate(redis, keys=1000, pipeline=16, seconds=0.3)
        self.assertEqual(report["operations"], report["hits"] + report["misses"])
        self.assertAlmostEqual(0.5, report["hits"] / report["operations"], delta=0.1)
        calls = servers.info(redis, "commandstats")["cmdstat_get"]
        self.assertIn(f"calls={report['operations']},", calls)

    def test_sends_any_words_in_turn_and_reads_arrays(self):
        redis = self.start_redis()
        words = "SADD set:{} a b c | SMEMBERS set:{}"
        _, report = generate(redis, words=words, order="sequential", keys=100, pipeline=7,
                             connections=1)
        self.assertEqual((100, 100, 0), (report["operations"], report["hits"], report["errors"]))
        self.assertEqual(50, redis.ask("DBSIZE"))
        self.assertEqual(3, redis.ask("SCARD", "set:000000000098"))

    def test_connections_of_a_pair_may_wait_for_one_another(self):
        redis = self.start_redis()
        _, report = generate(redis, words="LPUSH to:# ball | BLPOP back:# 0", connections=4,
                             odd_words="BLPOP to:# 0 | LPUSH back:# ball", seconds=0.2)
        stats = servers.info(redis, "commandstats")
        for command in ("lpush", "blpop"):
            calls = int(stats[f"cmdstat_{command}"].split(",")[0].partition("=")[2])
            self.assertAlmostEqual(report["operations"] / 2, calls, delta=4)

    def test_listeners_swallow_what_is_published(self):
        redis = self.start_redis()
        _, report = generate(redis, words="PUBLISH news hello", listeners=3, seconds=0.2,
                             listener_words="SUBSCRIBE news")
        self.assertGreater(report["hits"], 0)
        self.assertEqual(report["operations"], report["hits"])

    def test_fails_on_error_replies(self):
        redis = self.start_redis()
        redis.ask("CONFIG", "SET", "maxmemory", "1")
        status, report = generate(redis, command="set", keys=10, seconds=0.1)
        self.assertEqual(1, status)
        self.assertEqual(report["operations"], report["errors"])

    @unittest.skipUnless(shutil.which("memcached"), "memcached is not installed")
    def test_speaks_the_protocol_of_memcached(self):
        server = self.start(Kind("memcached", servers.memcached_command, "memcache"))
        _, report = generate(server, command="set", order="sequential", keys=500, pipeline=7)
        self.assertEqual((500, 0), (report["hits"], report["errors"]))
        _, report = generate(server, keys=1000, pipeline=7, seconds=0.2)
        self.assertAlmostEqual(0.5, report["hits"] / report["operations"], delta=0.1)

    def test_the_bare_limit_answers_each_command_once(self):
        server = self.start(Kind("limit", lambda port, folder: [
            str(BUILD / "bench_bare_epoll"), str(port), "64"]))
        _, report = generate(server, pipeline=64, seconds=0.2, value_bytes=64)
        self.assertEqual(report["operations"], report["hits"])
        self.assertEqual(b"OK", server.ask("SET", "a", "b" * 100000))
        self.assertEqual(b"x" * 64, server.ask("GET", "a"))


if __name__ == "__main__":
    unittest.main()
