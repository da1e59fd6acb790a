#!/usr/bin/env python3
"""Tests of what stalls.py takes off: which threads of a trace count, and how moments add up."""

import unittest

import machine_watch

TRACE = '''\
# tracer: nop
          <idle>-0       [001] d..2.    10.100000: sched_switch: prev_comm=swapper/1 prev_pid=0 \
prev_prio=120 prev_state=R ==> next_comm=kdamond.0 next_pid=77 next_prio=120
         terrace-9       [000] d..2.    10.150000: sched_switch: prev_comm=terrace prev_pid=9 \
prev_prio=120 prev_state=S ==> next_comm=kworker/0:1 next_pid=5 next_prio=120
       kdamond.0-77      [001] d..2.    10.200000: sched_switch: prev_comm=kdamond.0 prev_pid=77 \
prev_prio=120 prev_state=S ==> next_comm=kswapd0 next_pid=30 next_prio=120
         kswapd0-30      [001] d..2.    10.250000: sched_switch: prev_comm=kswapd0 prev_pid=30 \
prev_prio=120 prev_state=S ==> next_comm=terrace next_pid=9 next_prio=120
'''


class MachineWatchTest(unittest.TestCase):
    def test_only_threads_that_look_after_memory_count(self):
        runs = machine_watch.runs_of_memory_threads(TRACE.splitlines())
        self.assertEqual(runs, [(10.1, 10.2), (10.2, 10.25)])

    def test_each_instant_counts_once_and_only_within(self):
        moments = [(1.0, 2.0), (1.5, 2.5), (4.0, 9.0), (0.0, 0.5)]
        self.assertAlmostEqual(machine_watch.seconds_within(moments, 1.2, 5.0), 2.3)
        self.assertEqual(machine_watch.seconds_within([], 1.0, 2.0), 0.0)


if __name__ == '__main__':
    unittest.main()
