"""What an append-only file gives back after a crash is what was there, after every episode of
commands of all kinds: alone, in transactions, in scripts, with what expires, waits and is picked
at random."""

import time
import unittest

import everything_test
import harness
import servers
from engine import Engine
from replica_test import everything_in

EPISODES = 16


class AppendOnlyTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)
        cls.subject = servers.TerraceServer('--threads', '2', '--appendonly', 'yes').start()
        cls.addClassCleanup(cls.subject.close)
        cls.version = servers.version_of(cls.reference)
        everything_test.EverythingTest.prepare(cls.version)

    def state(self):
        with self.subject.client() as client:
            return everything_in(client)

    def play(self, proto):
        first = harness.base_seed() + 3000000 * proto
        for seed in range(first, first + EPISODES):
            ops = everything_test.EverythingTest.sequence(seed, harness.EPISODE_OPS)
            with Engine(self.reference, self.subject, self.version) as engine:
                mismatch = engine.play(ops, seed, proto)
            self.assertIsNone(mismatch)
            before = self.state()
            # Every other time from a snapshot and what came after it.
            if seed % 2 == 0:
                with self.subject.client() as client:
                    client.command('BGREWRITEAOF')
                    client.command('APPEND', 'behind', 'x')
                before = self.state()
            self.subject.restart(hard=True)
            self.reference.restart()  # both with the settings that they begin with
            after = self.state()
            now_ms = int(time.time() * 1000)
            differences = [
                (place, before.get(place), after.get(place))
                for place in sorted(set(before) | set(after))
                if before.get(place) != after.get(place)
                # What has expired meanwhile.
                and not (place not in after and 0 < before[place][1] <= now_ms)]
            self.assertEqual(differences, [], f'after the episode with seed {seed}: '
                                              f'DIFF_SEED={harness.base_seed()}')

    def test_in_resp2(self):
        self.play(2)

    def test_in_resp3(self):
        self.play(3)


if __name__ == '__main__':
    unittest.main()
