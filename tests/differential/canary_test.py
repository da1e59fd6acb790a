"""The harness itself: two equal servers compare equal, and one planted difference is found."""

import unittest

import families
import harness
import servers
from engine import Engine, shrink
from generator import Generator

TABLES = [families.STRINGS, families.BITS, families.KEYS, families.SERVER, families.OTHER_TYPES]


class CanaryTest(unittest.TestCase):

    def first_mismatch(self, *subject_flags, episodes=10):
        with (servers.RedisServer() as reference,
              servers.RedisServer(*subject_flags) as subject,
              Engine(reference, subject, servers.version_of(reference)) as engine):
            for seed in range(episodes):
                ops = Generator(TABLES, seed).sequence(harness.EPISODE_OPS)
                mismatch = engine.play(ops, seed, proto=2 + seed % 2)
                if mismatch is not None:
                    return shrink(engine, ops, mismatch, seed, proto=2 + seed % 2)
            return None

    def test_two_equal_servers_compare_equal(self):
        self.assertIsNone(self.first_mismatch())

    def test_a_planted_difference_is_found_and_shrunk(self):
        # Under an LFU policy OBJECT FREQ answers a number and OBJECT IDLETIME an error.
        found = self.first_mismatch('--maxmemory-policy', 'allkeys-lfu')
        self.assertIsNotNone(found)
        ops, mismatch = found
        self.assertEqual(mismatch.op.args[0].upper(), b'OBJECT')
        self.assertLessEqual(len(ops), 3)


if __name__ == '__main__':
    unittest.main()
