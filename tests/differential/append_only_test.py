"""What an append-only file gives back after a crash is what was there, after every episode of
commands of all kinds: alone, in transactions, in scripts, with what expires, waits and is picked
at random."""

import time
import unittest

import episodes
from replica_test import everything_in


class AppendOnlyTest(episodes.EpisodesTest):

    flags = ('--appendonly', 'yes')
    first_seed = 3000000

    def state(self):
        with self.subject.client() as client:
            return everything_in(client)

    def differences_after(self, seed):
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
        return [(place, before.get(place), after.get(place))
                for place in sorted(set(before) | set(after))
                if before.get(place) != after.get(place)
                # What has expired meanwhile.
                and not (place not in after and 0 < before[place][1] <= now_ms)]

    def test_in_resp2(self):
        self.play(2)

    def test_in_resp3(self):
        self.play(3)


if __name__ == '__main__':
    unittest.main()
