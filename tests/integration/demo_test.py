#!/usr/bin/env python3
"""The demo of make run: each tier answers in turn, nothing outlives it, busy ports are named."""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import black_box  # for the path to the helpers
import raw_client
import servers

TOOLS = pathlib.Path(__file__).resolve().parents[2] / 'tools'
assert black_box


class DemoTest(unittest.TestCase):

    def setUp(self):
        self.port, self.regional_port, self.origin_port = (servers.free_port() for _ in range(3))

    def start(self):
        demo = subprocess.Popen(
            [sys.executable, TOOLS / 'run_demo', '--port', str(self.port), '--regional-port',
             str(self.regional_port), '--origin-port', str(self.origin_port), '--latency-ms', '20',
             '--binary', servers.terrace_binary()],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(demo.stdout.close)
        self.addCleanup(demo.wait)
        self.addCleanup(demo.kill)
        output = ''
        for line in demo.stdout:
            output += line
            if 'Ctrl-C stops everything' in line:
                return demo
        self.fail(f'the demo did not start:\n{output}')

    def call(self, *command):
        with raw_client.RawClient(self.port, timeout_s=10) as client:
            return client.command(*command)

    def origin_requests(self):
        url = f'http://127.0.0.1:{self.origin_port}/stats'
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)['requests']

    def is_listening(self, port):
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', port)) == 0

    def test_origin_regional_and_local_answer_in_turn(self):
        self.start()
        kind, value = self.call('GET', 'product:42')
        self.assertEqual(('$', 42), (kind, json.loads(value)['id']))
        self.assertEqual(1, self.origin_requests())
        self.assertIn(b'regional', self.call('GET', 'product:7')[1])
        self.assertEqual(('$', value), self.call('GET', 'product:42'))
        self.assertEqual(1, self.origin_requests())
        self.assertEqual(('$-1',), self.call('GET', 'product:9999'))
        self.assertEqual(('+', b'OK'), self.call('SET', 'name', 'value'))

    def test_ctrl_c_stops_all_it_started(self):
        for signum in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=signum.name):
                demo = self.start()
                self.assertTrue(self.is_listening(self.regional_port))
                demo.send_signal(signum)
                self.assertEqual(0, demo.wait(20))
                for port in (self.port, self.regional_port, self.origin_port):
                    self.assertFalse(self.is_listening(port))

    def test_a_busy_port_is_named_with_the_flag_that_changes_it(self):
        for flag in ('--port', '--regional-port', '--origin-port'):
            with self.subTest(flag=flag), socket.socket() as taken:
                taken.bind(('127.0.0.1', 0))
                taken.listen()
                self.assert_refused(flag, taken.getsockname()[1])

    def test_a_port_that_is_none_or_meant_twice_is_named_with_the_flag_that_changes_it(self):
        self.assert_refused('--port', 70000)
        self.assert_refused('--regional-port', self.port)
        self.assert_refused('--origin-port', self.port)

    def assert_refused(self, flag, port):
        options = {'--port': self.port, '--regional-port': self.regional_port,
                   '--origin-port': self.origin_port, flag: port}
        done = subprocess.run(
            [sys.executable, TOOLS / 'run_demo', '--binary', servers.terrace_binary(),
             *(str(word) for pair in options.items() for word in pair)],
            capture_output=True, text=True, timeout=30)
        self.assertEqual(1, done.returncode)
        self.assertIn(f'port {port}', done.stderr)
        self.assertIn(flag, done.stderr)


class SampleOriginTest(unittest.TestCase):

    def setUp(self):
        origin = subprocess.Popen(
            [sys.executable, TOOLS / 'sample_origin.py', '--port', '0', '--latency-ms', '0'],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(origin.stdout.close)
        self.addCleanup(origin.wait)
        self.addCleanup(origin.terminate)
        self.url = origin.stdout.readline().split()[-1]

    def get(self, path, **headers):
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def test_serves_products_with_a_validator_and_a_life(self):
        status, headers, body = self.get('/v1/products/42')
        self.assertEqual((200, 42), (status, json.loads(body)['id']))
        self.assertEqual('max-age=60', headers['Cache-Control'])
        self.assertEqual(304, self.get('/v1/products/42', **{'If-None-Match': headers['ETag']})[0])

    def test_answers_404_for_what_it_does_not_have(self):
        for path in ('/v1/products/0', '/v1/products/1001', '/v1/products/x', '/'):
            self.assertEqual(404, self.get(path)[0], path)

    def test_counts_requests_but_not_those_for_the_count(self):
        self.get('/v1/products/1')
        self.get('/stats')
        self.assertEqual({'requests': 1, 'paths': {'/v1/products/1': 1}},
                         json.loads(self.get('/stats')[2]))


if __name__ == '__main__':
    unittest.main()
