"""The judge of linearisability finds orders that exist, and misses none of the planted faults."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from linearizable import Operation, is_linearizable  # noqa: E402


def counter(value, args):
    return (value + 1, value + 1) if args == 'incr' else (value, value)


class LinearizableTest(unittest.TestCase):

    def judge(self, *operations):
        return is_linearizable([Operation(*operation) for operation in operations], counter, 0)

    def test_overlapping_operations_may_take_effect_in_any_order(self):
        self.assertTrue(self.judge((0, 3, 'incr', 2), (1, 2, 'incr', 1)))
        self.assertTrue(self.judge((0, 3, 'incr', 1), (1, 2, 'get', 0)))
        self.assertTrue(self.judge((0, 3, 'incr', 1), (1, 2, 'get', 1)))

    def test_a_stale_read_is_found(self):
        self.assertFalse(self.judge((0, 1, 'incr', 1), (2, 3, 'get', 0)))

    def test_a_lost_update_is_found(self):
        self.assertFalse(self.judge((0, 3, 'incr', 1), (1, 2, 'incr', 1)))

    def test_an_answer_before_its_cause_is_found(self):
        self.assertFalse(self.judge((0, 1, 'get', 1), (2, 3, 'incr', 1)))

    def test_reads_that_go_back_in_time_are_found(self):
        self.assertFalse(self.judge((0, 9, 'incr', 1), (1, 2, 'get', 1), (3, 4, 'get', 0)))


if __name__ == '__main__':
    unittest.main()
