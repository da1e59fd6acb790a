#!/usr/bin/env python3
"""stalls: how long other clients wait while a value of millions of elements goes away.

A value of each type is made once and copied for each way to lose it. A client in a process of its
own sends GET of another key without pause and keeps every latency, from just before the value goes
until everything of it has been freed. "idle" is the same measurement while nothing happens: what
the machine itself adds. With --repeat each is measured so often, and the median of the worst counts
(FLUSHALL takes the seed along, so there is one). A cell is marked * where other processes used more
than a tenth of a core meanwhile: then it says little.

With --apart (root only) a third figure stands beside: the worst that is left of any reply without
the moments in which the machine itself kept programs waiting (machine_watch.py). What the server
does to others is in that one; the first is what they see.

usage: bench/stalls.py [--elements 10000000] [--types list hash] [--repeat 5] [--binary PATH]
                       [--redis] [--apart]
"""

import argparse
import contextlib
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests/support/python'))

import machine_watch  # noqa: E402
import raw_client  # noqa: E402
import resp_wire  # noqa: E402
import servers  # noqa: E402

STALL_MS_MAX = 5.0
BATCH = 1000
FLUSH_BYTES = 1 << 20
IDLE_SECONDS = 10.0
SLOW_SECONDS = 0.001
SETTLE_SECONDS_MAX = 120.0
OTHERS_CORES_MAX = 0.1
TICKS_PER_SECOND = os.sysconf('SC_CLK_TCK')

ELEMENTS = {
    'list': ('RPUSH', lambda i: (f'element:{i}',)),
    'set': ('SADD', lambda i: (f'member:{i}',)),
    'zset': ('ZADD', lambda i: (i, f'member:{i}')),
    'hash': ('HSET', lambda i: (f'field:{i}', f'value:{i}')),
    'stream': ('XADD', lambda i: ('*', 'name', f'value:{i}')),
}

# Each way to lose the value of the key 'victim': commands of one pipeline, seconds until it goes.
WAYS = {
    'DEL': ([('DEL', 'victim')], 0),
    'UNLINK': ([('UNLINK', 'victim')], 0),
    'SET over it': ([('SET', 'victim', 'small')], 0),
    'RENAME over it': ([('SET', 'small', 'small'), ('RENAME', 'small', 'victim')], 0),
    'expiry': ([('PEXPIRE', 'victim', 50)], 0.3),
    'FLUSHALL': ([('FLUSHALL',)], 0),
}


def ping_until_told(port):
    """The pinging process: ends when its standard input does, and prints how long each reply took,
    in seconds, and when the slow ones began."""
    latencies, slow = [], []
    request = resp_wire.encode('GET', 'beside')
    with raw_client.RawClient(port, timeout_s=60) as client:
        client.command('PING')
        print('ready', flush=True)
        while len(latencies) % 64 or not select.select([sys.stdin], [], [], 0)[0]:
            began = time.monotonic()
            client.send_bytes(request)
            client.read_reply()
            latency = time.monotonic() - began
            latencies.append(latency)
            if latency > SLOW_SECONDS:
                slow.append((began, latency))
    print(json.dumps([sorted(latencies), slow]))


def fill(server, kind, elements):
    """Makes the value 'seed' with this many elements."""
    name, element = ELEMENTS[kind]
    per_command = 1 if kind == 'stream' else BATCH
    with server.client(timeout_s=120) as client:
        pending, sent = bytearray(), 0
        for start in range(0, elements, per_command):
            args = [arg for i in range(start, min(start + per_command, elements))
                    for arg in element(i)]
            pending += resp_wire.encode(name, 'seed', *args)
            sent += 1
            if len(pending) > FLUSH_BYTES or start + per_command >= elements:
                client.send_bytes(bytes(pending))
                for _ in range(sent):
                    client.read_reply()
                pending, sent = bytearray(), 0


def is_freed(client):
    """Has the server freed what it had to?"""
    for line in client.call('INFO', 'memory').decode().splitlines():
        if line.startswith('lazyfree_pending_objects:'):
            return int(line.split(':')[1]) == 0
    return True


def busy_seconds():
    """What all cores have worked so far."""
    with open('/proc/stat', encoding='ascii') as stat:
        user, nice, system, _idle, _wait, interrupt, soft, steal = map(
            int, stat.readline().split()[1:9])
    return (user + nice + system + interrupt + soft + steal) / TICKS_PER_SECOND


def seconds_of(process):
    """What a process has worked so far."""
    stat = pathlib.Path(f'/proc/{process}/stat').read_text(encoding='ascii', errors='replace')
    user, system = map(int, stat.rpartition(')')[2].split()[11:13])
    return (user + system) / TICKS_PER_SECOND


class Waits(typing.NamedTuple):
    """Of the pinging client, in ms. apart: the worst without what the machine took."""
    worst: float
    high: float  # p99.99
    apart: float
    alone: bool

    def cell(self, has_apart):
        figures = self[:3] if has_apart else self[:2]
        return ' / '.join(f'{figure:.1f}' for figure in figures) + ('' if self.alone else ' *')


def measure(server, deed, watch):
    """Pings while deed() happens."""
    with watch() as watched:
        pinger = subprocess.Popen([sys.executable, __file__, '--ping', str(server.port)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  preexec_fn=servers.die_with_parent)
        pinger.stdout.readline()
        ours = [server.process.pid, pinger.pid, os.getpid()]
        ours += watched.processes if watched else []

        def work_of_others():
            return busy_seconds() - sum(map(seconds_of, ours))

        began, others = time.monotonic(), work_of_others()
        time.sleep(0.2)
        deed()
        time.sleep(0.2)
        alone = work_of_others() - others < (time.monotonic() - began) * OTHERS_CORES_MAX
        output, _ = pinger.communicate()
    latencies, slow = json.loads(output)
    moments = watched.moments if watched else []
    apart = max((latency - machine_watch.seconds_within(moments, began, began + latency)
                 for began, latency in slow), default=min(latencies[-1], SLOW_SECONDS))
    high = latencies[int(len(latencies) * 0.9999)]
    return Waits(latencies[-1] * 1000, high * 1000, apart * 1000, alone)


def median_of(samples):
    """Of several measurements; alone only if all were."""
    worst, high, apart, alone = zip(*samples)
    return Waits(*map(statistics.median, (worst, high, apart)), all(alone))


def lose(server, way):
    """Loses the victim this way and waits until it has been freed."""
    commands, pause_s = WAYS[way]
    with server.client(timeout_s=60) as client:
        for reply in client.pipeline(commands):
            assert not resp_wire.is_error(reply), reply
        time.sleep(pause_s)
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while not is_freed(client) and time.monotonic() < deadline:
            time.sleep(0.02)


def measure_type(kind, options):
    """Yields (way, waits); FLUSHALL comes last, as it takes the seed along."""
    make = servers.RedisServer if options.redis else servers.TerraceServer
    with make(binary=options.binary) as server, server.client(timeout_s=600) as admin:
        def watch():
            if not options.apart:
                return contextlib.nullcontext()
            return machine_watch.MachineWatch(server.process.pid)

        fill(server, kind, options.elements)
        admin.command('SET', 'beside', 'x' * 64)

        def measure_loss(way):
            source = ('RENAME', 'seed', 'victim') if way == 'FLUSHALL' else ('COPY', 'seed',
                                                                             'victim', 'REPLACE')
            reply = admin.command(*source)
            assert not resp_wire.is_error(reply), reply
            return measure(server, lambda: lose(server, way), watch)

        yield 'idle', median_of([measure(server, lambda: time.sleep(IDLE_SECONDS), watch)
                                 for _ in range(options.repeat)])
        for way in WAYS:
            repeat = 1 if way == 'FLUSHALL' else options.repeat
            yield way, median_of([measure_loss(way) for _ in range(repeat)])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--elements', type=int, default=10000000)
    parser.add_argument('--types', nargs='+', choices=sorted(ELEMENTS), default=list(ELEMENTS))
    parser.add_argument('--repeat', type=int, default=1)
    parser.add_argument('--binary', type=os.path.abspath, help='the server to start')
    parser.add_argument('--redis', action='store_true', help='it is a redis-server')
    parser.add_argument('--apart', action='store_true', help='take off what the machine took')
    parser.add_argument('--ping', type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ping:
        return ping_until_told(options.ping)
    print('| type | ' + ' | '.join(['idle', *WAYS]) + ' |')
    print('|---' * (len(WAYS) + 2) + '|')
    worst = 0.0
    for kind in options.types:
        cells = []
        for way, waits in measure_type(kind, options):
            cells.append(waits.cell(options.apart))
            if way != 'idle':
                worst = max(worst, waits.apart if options.apart else waits.worst)
        print(f'| {kind} | ' + ' | '.join(cells) + ' |', flush=True)
    print(f'worst {worst:.1f} ms, target {STALL_MS_MAX:.0f} ms')
    return worst > STALL_MS_MAX


if __name__ == '__main__':
    sys.exit(main())
