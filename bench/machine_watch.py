#!/usr/bin/env python3
"""machine_watch: when the machine itself kept programs waiting, as far as Linux lets one see it.

Two kinds of moments count. A realtime thread on each core, which no ordinary program holds up,
wakes late: the hypervisor had the core, or the kernel would not give it. And a thread of the kernel
that looks after memory has a core: it takes marks and pages away (DAMON, kcompactd, khugepaged,
kswapd), and who touches such a page meanwhile waits, on whichever core.

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

TRACING = pathlib.Path('/sys/kernel/tracing')
INSTANCE = TRACING / f'instances/machine_watch_{os.getpid()}'
MEMORY_THREADS = ('kdamond', 'kcompactd', 'khugepaged', 'kswapd')
BUFFER_KB = 16384
BEAT_SECONDS = 0.0003
LATE_SECONDS = 0.001
REALTIME_PRIORITY = 50
SWITCH = re.compile(r' \[(\d+)\] .* (\d+\.\d+): sched_switch: prev_comm=(.*) prev_pid=.*'
                    r' next_comm=(.*) next_pid=')


def beat_until_told(core):
    """A process of its own: prints when it woke late, once its standard input ends."""
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


def is_memory_thread(name):
    return name.startswith(MEMORY_THREADS)


def runs_of_memory_threads(lines):
    """Pairs (began, ended), from lines of a trace of sched_switch."""
    runs, began = [], {}
    for line in lines:
        found = SWITCH.search(line)
        if not found:
            continue
        core, when = found[1], float(found[2])
        if is_memory_thread(found[3]) and core in began:
            runs.append((began.pop(core), when))
        if is_memory_thread(found[4]):
            began[core] = when
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


class MachineWatch:
    """Watches between entering and leaving; moments are what was seen."""

    def __init__(self):
        self.moments = []
        self._beats = []

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
            f'{side}_comm ~ "{name}*"' for name in MEMORY_THREADS for side in ('prev', 'next')))
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
        with open(INSTANCE / 'trace', encoding='ascii', errors='replace') as trace:
            self.moments += runs_of_memory_threads(trace)
        INSTANCE.rmdir()


if __name__ == '__main__':
    beat_until_told(int(sys.argv[1]))
