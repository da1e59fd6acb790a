"""episodes: plays episodes of commands of all kinds on Terrace and a real Redis, and after each one
compares what Terrace holds with what something else made of it."""

import unittest

import everything_test
import harness
import servers
from engine import Engine


class EpisodesTest(unittest.TestCase):
    """A base class: a test says what differs after an episode, as a list of differences."""

    flags = ()
    count = 16
    first_seed = 0  # times the protocol, so that each has its own

    @classmethod
    def setUpClass(cls):
        if cls is EpisodesTest:
            raise unittest.SkipTest('a base class')
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)
        cls.subject = servers.TerraceServer('--threads', '2', *cls.flags).start()
        cls.addClassCleanup(cls.subject.close)
        cls.version = servers.version_of(cls.reference)
        # What only newer versions understand is not drawn either.
        everything_test.EverythingTest.prepare(cls.version)

    def differences_after(self, seed):
        raise NotImplementedError

    def play(self, proto):
        first = harness.base_seed() + self.first_seed * proto
        for seed in range(first, first + self.count):
            ops = everything_test.EverythingTest.sequence(seed, harness.EPISODE_OPS)
            with Engine(self.reference, self.subject, self.version) as engine:
                mismatch = engine.play(ops, seed, proto)
            self.assertIsNone(mismatch)
            self.assertEqual(self.differences_after(seed), [],
                             f'differs after the episode with seed {seed}: '
                             f'DIFF_SEED={harness.base_seed()}')
