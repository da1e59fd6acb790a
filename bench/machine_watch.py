#!/usr/bin/env python3
"""machine_watch: when the machine itself kept programs waiting, as far as Linux lets one see it.

Three kinds of moments count. A realtime thread on each core, which no ordinary program holds up,
wakes late: the hypervisor had the core, or the kernel would not give it. A thread of the kernel
that looks after memory has a core: it takes marks and pages away (DAMON, kcompactd, khugepaged,
kswapd), and who touches such a page meanwhile waits, on whichever core. And any thread of another
program has a core that it took from one of those watched, or for which one of them was waiting.

Needs Linux, root and tracefs. Times are seconds of CLOCK_MONOTONIC.
"""

import json
import os
import pathlib
import re
import select
import subprocess
import sys
import time
import typing

TRACING = pathlib.Path('/sys/kernel/tracing')
INSTANCE = TRACING / f'instances/machine_watch_{os.getpid()}'
MEMORY_THREADS = ('kdamond', 'kcompactd', 'khugepaged', 'kswapd')
BUFFER_KB = 16384
BEAT_NAME = 'machine_beat'
BEAT_SECONDS = 0.0003
LATE_SECONDS = 0.001
REALTIME_PRIORITY = 50
ORDINARY_PRIORITY = 120  # as sched_switch counts: of a thread of niceness 0
SWITCH = re.compile(r' \[(\d+)\] .* (\d+\.\d+): sched_switch: '
                    r'prev_comm=(.*) prev_pid=\d+ prev_prio=(\d+) prev_state=(\S+) ==> '
                    r'next_comm=(.*) next_pid=\d+ next_prio=(\d+)')


def beat_until_told(core):
    """A process of its own: prints when it woke late, once its standard input ends."""
    pathlib.Path('/proc/self/comm').write_text(BEAT_NAME, encoding='ascii')
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))
    late = []
    print('ready', flush=True)
    before = time.monotonic()
    while not select.select([sys.stdin], [], [], BEAT_SECONDS)[0]:
        now = time.monotonic()
        if now - before > LATE_SECONDS:
            late.append((before, now))
        before = now
    print(json.dumps(late))


class Switch(typing.NamedTuple):
    """One thread leaves a core to another."""
    core: str
    when: float
    before: str
    before_priority: int
    before_state: str
    after: str
    after_priority: int


def switches(lines):
    """Those in a trace, in its order."""
    for line in lines:
        if found := SWITCH.search(line):
            core, when, before, before_priority, state, after, after_priority = found.groups()
            yield Switch(core, float(when), before, int(before_priority), state, after,
                         int(after_priority))


def is_memory_thread(name):
    return name.startswith(MEMORY_THREADS)


def is_idle_thread(name):
    return name.startswith('swapper/')


def runs_of_memory_threads(trace):
    """Pairs (began, ended), from switches."""
    runs, began = [], {}
    for switch in trace:
        if is_memory_thread(switch.before) and switch.core in began:
            runs.append((began.pop(switch.core), switch.when))
        if is_memory_thread(switch.after):
            began[switch.core] = switch.when
    return runs


def runs_of_others(trace, watched):
    """Pairs (began, ended) in which threads of other programs had a core and one of ordinary
    priority in a program watched (by names of threads) had to wait for it."""
    def is_other(name):
        return name not in watched and not is_idle_thread(name)

    def can_wait(name, priority):
        return name in watched and priority <= ORDINARY_PRIORITY

    runs, open_runs = [], {}
    for switch in trace:
        was_other, is_other_now = is_other(switch.before), is_other(switch.after)
        if is_other_now and not was_other:
            took = (switch.before_state.startswith('R')
                    and can_wait(switch.before, switch.before_priority))
            open_runs[switch.core] = (switch.when, took)
        if was_other and not is_other_now and switch.core in open_runs:
            began, took = open_runs.pop(switch.core)
            if took or can_wait(switch.after, switch.after_priority):
                runs.append((began, switch.when))
    return runs


def seconds_within(moments, began, ended):
    """How much of this time the moments cover, each instant counted once."""
    covered, reached = 0.0, began
    for start, end in sorted(moments):
        start, end = max(start, reached), min(end, ended)
        if end > start:
            covered += end - start
            reached = end
    return covered


def thread_names(process):
    return {path.read_text(encoding='ascii', errors='replace').strip()
            for path in pathlib.Path(f'/proc/{process}/task').glob('*/comm')}


class MachineWatch:
    """Watches for these processes, between entering and leaving; moments are what was seen."""

    def __init__(self, *processes):
        self.moments = []
        self._beats = []
        # By name, of which the clients that this process starts have the same.
        self._watched = set().union(*map(thread_names, (*processes, os.getpid())))

    @property
    def processes(self):
        """The ids of those that it started."""
        return [beat.pid for beat in self._beats]

    def __enter__(self):
        if not INSTANCE.parent.exists():
            sys.exit(f'needs tracefs, as root: mount -t tracefs tracefs {TRACING}')
        INSTANCE.mkdir()
        (INSTANCE / 'trace_clock').write_text('mono')
        (INSTANCE / 'buffer_size_kb').write_text(str(BUFFER_KB))
        event = INSTANCE / 'events/sched/sched_switch'
        (event / 'filter').write_text(' || '.join(
            '(' + ' && '.join([f'!({side}_comm ~ "swapper/*")',
                               *(f'{side}_comm != "{name}"' for name in self._watched)]) + ')'
            for side in ('prev', 'next')))
        (event / 'enable').write_text('1')
        for core in sorted(os.sched_getaffinity(0)):
            beat = subprocess.Popen([sys.executable, __file__, str(core)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
            beat.stdout.readline()
            self._beats.append(beat)
        return self

    def __exit__(self, *_):
        for beat in self._beats:
            self.moments += [tuple(late) for late in json.loads(beat.communicate()[0])]
        (INSTANCE / 'tracing_on').write_text('0')
        with open(INSTANCE / 'trace', encoding='ascii', errors='replace') as lines:
            trace = list(switches(lines))
        self.moments += runs_of_memory_threads(trace) + runs_of_others(trace, self._watched)
        INSTANCE.rmdir()


if __name__ == '__main__':
    beat_until_told(int(sys.argv[1]))
