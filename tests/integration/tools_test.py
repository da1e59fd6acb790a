"""Stock tools, unmodified: redis-cli in its modes, redis-benchmark, and the redis-py client."""

import shutil
import subprocess
import unittest

import black_box


@unittest.skipUnless(shutil.which('redis-cli'), 'redis-cli is not installed')
class RedisCliTest(black_box.TerraceTest):

    def cli(self, *args, stdin=''):
        result = subprocess.run(
            ['redis-cli', '-p', str(self.server.port), *args], input=stdin, text=True, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout

    def test_single_commands_in_both_protocols(self):
        self.assertEqual(self.cli('SET', 'a', '1').strip(), 'OK')
        self.assertEqual(self.cli('-3', 'GET', 'a').strip(), '1')
        self.assertEqual(self.cli('-3', 'HGETALL', 'nothing').strip(), '')
        self.assertEqual(self.cli('-n', '2', 'GET', 'a').strip(), '')

    def test_commands_from_standard_input(self):
        output = self.cli(stdin='SET x 5\nINCR x\nGET x\n')
        self.assertEqual(output.split(), ['OK', '6', '6'])

    def test_pipe_mode_loads_a_protocol_stream(self):
        stream = ''.join(f'*3\r\n$3\r\nSET\r\n$6\r\np{i:05}\r\n$1\r\nv\r\n' for i in range(20000))
        output = self.cli('--pipe', stdin=stream)
        self.assertIn('errors: 0, replies: 20000', output)

    def test_scan_bigkeys_and_memkeys_walk_the_keys(self):
        self.cli('FLUSHALL')
        self.cli('MSET', 's1', 'a', 's2', 'b' * 1000, 's3', 'c')
        self.assertEqual(sorted(self.cli('--scan', '--pattern', 's*').split()), ['s1', 's2', 's3'])
        self.assertIn('Biggest string found', self.cli('--bigkeys'))
        self.assertIn('s2', self.cli('--memkeys'))

    def test_latency_samples_are_taken(self):
        output = self.cli('--latency', '--raw', '-i', '1')
        self.assertEqual(len(output.split()), 4, output)

    def test_a_script_with_arguments_runs(self):
        self.need('eval')
        self.cli('SET', 'k', 'value')
        path = self.server.directory / 'script.lua'
        path.write_text("return redis.call('get', KEYS[1]) .. ARGV[1]")
        self.assertEqual(self.cli('--eval', str(path), 'k', ',', '!').strip(), 'value!')


@unittest.skipUnless(shutil.which('redis-benchmark'), 'redis-benchmark is not installed')
class RedisBenchmarkTest(black_box.TerraceTest):

    def run_benchmark(self, *args):
        result = subprocess.run(
            ['redis-benchmark', '-p', str(self.server.port), '-q', *args], text=True, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertNotIn('rror', result.stdout.replace('WARN: could not fetch server CONFIG', ''))
        return result.stdout

    def test_the_default_tests_run(self):
        output = self.run_benchmark('-n', '2000', '-c', '20')
        for name in ('PING_INLINE', 'SET', 'GET', 'INCR', 'LPUSH', 'RPUSH', 'SADD', 'HSET', 'SPOP',
                     'ZADD', 'ZPOPMIN', 'LRANGE_100', 'MSET'):
            self.assertIn(f'{name}', output)

    def test_pipelines_random_keys_and_threads_run(self):
        output = self.run_benchmark('-n', '20000', '-P', '64', '-r', '1000', '-t', 'set,get',
                                    '--threads', '2')
        self.assertIn('GET', output)

    def test_resp3_runs(self):
        self.run_benchmark('-3', '-n', '2000', '-t', 'get,hset')


class RedisPyTest(black_box.TerraceTest):

    def test_the_python_client_works_with_its_defaults(self):
        try:
            import redis
        except ImportError:
            self.skipTest('redis-py is not installed')
        client = redis.Redis(port=self.server.port)
        self.addCleanup(client.close)
        self.assertTrue(client.set('a', b'\x00\xff', ex=100))
        self.assertEqual(client.get('a'), b'\x00\xff')
        self.assertTrue(0 < client.ttl('a') <= 100)
        with client.pipeline(transaction=True) as pipe:
            pipe.set('n', 1).incr('n').get('n')
            self.assertEqual(pipe.execute(), [True, 2, b'2'])
        self.assertEqual(sorted(client.scan_iter(match='[an]')), [b'a', b'n'])
        self.assertIn('redis_version', client.info())
        with client.lock('lock', timeout=5):
            self.assertIsNotNone(client.get('lock'))
        channel = client.pubsub()
        channel.subscribe('c')
        self.assertEqual(channel.get_message(timeout=2)['type'], 'subscribe')
        client.publish('c', 'hello')
        self.assertEqual(channel.get_message(timeout=2)['data'], b'hello')
        channel.close()


if __name__ == '__main__':
    unittest.main()
