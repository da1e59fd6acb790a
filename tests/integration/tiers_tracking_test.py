"""Client-side caches of keys that live in lower tiers: never told too little."""

import time
import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import regional, route

assert black_box


def invalidation(key):
    return ('>', (('$', b'invalidate'), ('*', (('$', key.encode()),))))


class TiersTrackingTest(tiers_world.World):

    def start(self, **settings):
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis), route('f:', regional='near', **settings)],
                           '--threads', '4')
        tracker = self.client(proto=3)
        self.assertEqual(tracker.command('CLIENT', 'TRACKING', 'ON'), resp_wire.OK)
        return tracker, self.client(), self.client(self.redis)

    def assert_quiet(self, tracker):
        time.sleep(0.03)
        tracker.command('PING')
        self.assertEqual(tracker.pushes, [])

    def test_a_copy_is_trusted_until_it_changes_here(self):
        tracker, writer, below = self.start()
        below.command('SET', 'f:k', '1')
        self.assertEqual(tracker.call('GET', 'f:k'), b'1')
        self.assert_quiet(tracker)
        writer.command('SET', 'f:k', '2')
        self.assertEqual(tracker.read(), invalidation('f:k'))
        self.assertEqual(tracker.call('GET', 'f:k'), b'2')
        writer.command('DEL', 'f:k')
        self.assertEqual(tracker.read(), invalidation('f:k'))

    def test_what_another_reads_for_the_first_time_is_no_change(self):
        tracker, reader, below = self.start()
        below.command('SET', 'f:k', '1')
        tracker.command('GET', 'f:k')
        reader.command('GET', 'f:k')
        self.assert_quiet(tracker)

    def test_an_absence_is_not_to_be_cached(self):
        tracker, _, _ = self.start(negative_ttl='1m')
        for _ in range(2):
            self.assertIsNone(tracker.call('GET', 'f:none'))
            self.assertEqual(tracker.read(), invalidation('f:none'))

    def test_the_end_of_a_copy_is_told(self):
        tracker, _, below = self.start(ttl='100ms')
        below.command('SET', 'f:k', '1')
        tracker.command('GET', 'f:k')
        below.command('SET', 'f:k', '2')
        self.assertEqual(tracker.read(), invalidation('f:k'))
        self.assertEqual(tracker.call('GET', 'f:k'), b'2')


if __name__ == '__main__':
    unittest.main()
