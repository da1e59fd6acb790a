"""The history checks find each kind of violation, and accept what concurrency explains."""

import unittest

from history import UNANSWERED, Operation as Op, check_counter, check_list, check_register


class RegisterTest(unittest.TestCase):

    def test_sequential_reads_of_the_last_write_are_right(self):
        writes = [Op(1, 2, 'a'), Op(3, 4, 'b'), Op(7, 8, None)]
        reads = [Op(0, 0.5, None), Op(2.5, 2.6, 'a'), Op(5, 6, 'b'), Op(9, 10, None)]
        self.assertEqual(check_register(writes, reads), [])

    def test_concurrent_writes_may_be_seen_in_any_order(self):
        writes = [Op(1, 5, 'a'), Op(2, 4, 'b')]
        for value in ('a', 'b'):
            self.assertEqual(check_register(writes, [Op(6, 7, value)]), [])
        self.assertEqual(check_register(writes, [Op(3, 6, None)]), [])

    def test_a_lost_write_is_found(self):
        writes = [Op(1, 2, 'a'), Op(3, 4, 'b')]
        self.assertIn('stale', check_register(writes, [Op(5, 6, 'a')])[0])
        self.assertIn('stale', check_register(writes, [Op(5, 6, None)])[0])

    def test_a_deleted_value_that_comes_back_is_found(self):
        writes = [Op(1, 2, 'a'), Op(3, 4, None)]
        self.assertIn('stale', check_register(writes, [Op(5, 6, 'a')])[0])

    def test_a_value_from_nowhere_or_from_the_future_is_found(self):
        self.assertIn('nowhere', check_register([Op(1, 2, 'a')], [Op(3, 4, 'x')])[0])
        self.assertIn('not begun', check_register([Op(5, 6, 'a')], [Op(3, 4, 'a')])[0])

    def test_an_unanswered_write_may_or_may_not_have_happened(self):
        writes = [Op(1, 2, 'a'), Op(3, UNANSWERED, 'b')]
        reads = [Op(5, 6, 'a'), Op(7, 8, 'b'), Op(9, 10, 'a')]
        self.assertEqual(check_register(writes, reads), [])


class CounterTest(unittest.TestCase):

    def test_unique_growing_values_are_right(self):
        self.assertEqual(check_counter([Op(1, 4, 2), Op(2, 3, 1), Op(5, 6, 3)], 3), [])
        self.assertEqual(check_counter([Op(1, 2, 1), Op(3, UNANSWERED, None)], 2), [])

    def test_lost_repeated_and_falling_increments_are_found(self):
        self.assertTrue(check_counter([Op(1, 2, 1), Op(3, 4, 2)], 1))
        self.assertTrue(check_counter([Op(1, 2, 1), Op(1, 2, 1)], 2))
        self.assertTrue(check_counter([Op(1, 2, 2), Op(3, 4, 1)], 2))


class ListTest(unittest.TestCase):

    def test_elements_of_each_writer_in_order_are_right(self):
        pushes = {'x': [Op(1, 2, 'x1'), Op(3, 4, 'x2')], 'y': [Op(1, UNANSWERED, 'y1')]}
        self.assertEqual(check_list(pushes, ['x1', 'x2']), [])
        self.assertEqual(check_list(pushes, ['x1', 'y1', 'x2']), [])

    def test_an_unanswered_push_may_take_effect_late_but_not_early(self):
        pushes = {'x': [Op(1, 2, 'x1'), Op(3, UNANSWERED, 'x2'), Op(4, 5, 'x3')]}
        self.assertEqual(check_list(pushes, ['x1', 'x3', 'x2']), [])
        self.assertTrue(check_list(pushes, ['x2', 'x1', 'x3']))

    def test_lost_doubled_foreign_and_overtaking_elements_are_found(self):
        pushes = {'x': [Op(1, 2, 'x1'), Op(3, 4, 'x2')]}
        for wrong in (['x1'], ['x1', 'x1', 'x2'], ['x1', 'x2', 'z'], ['x2', 'x1']):
            self.assertTrue(check_list(pushes, wrong), wrong)


if __name__ == '__main__':
    unittest.main()
