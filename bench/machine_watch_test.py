#!/usr/bin/env python3
"""Tests of what stalls.py takes off: which threads of a trace count, and how moments add up."""

import unittest

import machine_watch


def trace_of(*rows):
    """Lines of a trace, of rows: core, when, thread that leaves, its state, thread that comes. A
    thread is a name, of niceness 0, or a name and its priority."""
    def text(side, thread):
        name, priority = thread if isinstance(thread, tuple) else (thread, 120)
        return f'{side}_comm={name} {side}_pid=7 {side}_prio={priority}'
    return ['# tracer: nop'] + [
        f'  task-7  [{core:03}] d..2.  {when:.6f}: sched_switch: {text("prev", before)} '
        f'prev_state={state} ==> {text("next", after)}'
        for core, when, before, state, after in rows]


def switches(*rows):
    return list(machine_watch.switches(trace_of(*rows)))


class MachineWatchTest(unittest.TestCase):
    def test_only_threads_that_look_after_memory_count(self):
        trace = switches((1, 10.1, 'swapper/1', 'R', 'kdamond.0'),
                         (0, 10.15, 'terrace', 'S', 'kworker/0:1'),
                         (1, 10.2, 'kdamond.0', 'S', 'kswapd0'),
                         (1, 10.25, 'kswapd0', 'S', 'terrace'))
        self.assertEqual(machine_watch.runs_of_memory_threads(trace), [(10.1, 10.2), (10.2, 10.25)])

    def test_others_count_where_one_of_those_watched_waited(self):
        trace = switches(
            # It took the core from one, and then nobody wanted it.
            (0, 1.0, 'terrace', 'R+', 'cron'), (0, 1.1, 'cron', 'S', 'swapper/0'),
            # It came when one had gone to sleep, which wanted to go on later; two in a row.
            (1, 1.05, 'terrace', 'S', 'cron'), (1, 1.2, 'cron', 'R', 'rcu_preempt'),
            (1, 1.3, 'rcu_preempt', 'I', 'terrace'),
            # Nobody waited.
            (0, 2.0, 'terrace', 'S', 'cron'), (0, 2.1, 'cron', 'S', 'swapper/0'),
            # Who waited was a thread in the background.
            (0, 3.0, ('terrace', 130), 'R', 'cron'), (0, 3.1, 'cron', 'S', ('terrace', 130)))
        self.assertEqual(machine_watch.runs_of_others(trace, {'terrace'}),
                         [(1.0, 1.1), (1.05, 1.3)])

    def test_each_instant_counts_once_and_only_within(self):
        moments = [(1.0, 2.0), (1.5, 2.5), (4.0, 9.0), (0.0, 0.5)]
        self.assertAlmostEqual(machine_watch.seconds_within(moments, 1.2, 5.0), 2.3)
        self.assertEqual(machine_watch.seconds_within([], 1.0, 2.0), 0.0)


if __name__ == '__main__':
    unittest.main()
