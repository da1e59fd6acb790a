"""Many client processes against several server threads: nothing is lost, invented, stale or torn.

Environment: LOAD_SECONDS (default 3), LOAD_CLIENTS (default 4), LOAD_SEED (random; printed).
Meant to be run for longer, and with a server built with -fsanitize=thread, through TERRACE_BIN.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest

import black_box
import history
import load_worker
import servers

WORKER = pathlib.Path(__file__).with_name('load_worker.py')


class LoadTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def setUp(self):
        admin = self.client()
        admin.command('FLUSHALL')
        for account in load_worker.ACCOUNTS:
            admin.command('SET', account, 1000)

    def play(self, seconds):
        """Runs the workers; returns (operations by kind and key, by writer for pushes)."""
        seed = int(os.environ.get('LOAD_SEED', random.SystemRandom().randrange(1 << 31)))
        count = int(os.environ.get('LOAD_CLIENTS', 4))
        print(f'{self.id()}: LOAD_SEED={seed}, {count} clients, {seconds} s')
        workers = [subprocess.Popen(
            [sys.executable, WORKER, str(self.server.port), f'w{i}', str(seed + i), str(seconds),
             str(2 + i % 2)], stdout=subprocess.PIPE, preexec_fn=servers.die_with_parent)
            for i in range(count)]
        operations = collections.defaultdict(list)
        pushes = collections.defaultdict(lambda: collections.defaultdict(list))
        for index, worker in enumerate(workers):
            output, _ = worker.communicate(timeout=seconds + 120)
            self.assertEqual(worker.returncode, 0)
            result = json.loads(output)
            self.assertEqual(result['complaints'], [])
            for kind, key, start, end, value in result['history']:
                end = history.UNANSWERED if end is None else end
                operation = history.Operation(start, end, value)
                operations[kind, key].append(operation)
                if kind == 'push':
                    pushes[key][f'w{index}'].append(operation)
        return operations, pushes

    def test_concurrent_clients_see_one_consistent_history(self):
        operations, pushes = self.play(float(os.environ.get('LOAD_SECONDS', 3)))
        admin = self.client()
        violations = []
        for key in load_worker.REGISTERS:
            reads = [read for read in operations['read', key] if read.end != history.UNANSWERED]
            violations += history.check_register(operations['write', key], reads)
            self.assertGreater(len(reads), 10)
        for key in load_worker.COUNTERS:
            final = int(admin.call('GET', key) or 0)
            violations += history.check_counter(operations['incr', key], final)
        for key in load_worker.LISTS:
            final = [element.decode() for element in admin.call('LRANGE', key, 0, -1)]
            violations += history.check_list(pushes[key], final)
        balances = [int(balance) for balance in admin.call('MGET', *load_worker.ACCOUNTS)]
        self.assertEqual(sum(balances), 1000 * len(balances))
        self.assertEqual(violations[:10], [])
        total = sum(len(group) for group in operations.values())
        print(f'{total} operations judged')

    def test_clients_that_come_and_go_leave_nothing_behind(self):
        admin = self.client()
        before = len(admin.call('CLIENT', 'LIST').splitlines())
        rng = random.Random(1)
        for _ in range(300):
            with self.server.client() as client:
                if rng.random() < 0.5:
                    client.send('BLPOP', 'nothing', 0)
                else:
                    client.send_bytes(b'*2\r\n$3\r\nGET\r\n$100\r\nhalf')
        self.eventually(lambda: len(admin.call('CLIENT', 'LIST').splitlines()) == before)
        self.assertEqual(admin.call('RPUSH', 'nothing', 'x'), 1)


if __name__ == '__main__':
    unittest.main()
