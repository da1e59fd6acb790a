"""harness: what the differential tests share: episodes, command line, and the report of a failure.

A test file subclasses DifferentialTest with its `tables` and ends with main(). Environment:
DIFF_OPS (commands in total), DIFF_SEED (a number, or 'random'). By hand:

    python3 tests/differential/strings_and_keys_test.py --seed 7 --ops 300 --proto 3 --trace
    python3 tests/differential/strings_and_keys_test.py --script failing.txt --proto 2
"""

import argparse
import os
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support/python'))

import pools  # noqa: E402
import servers  # noqa: E402
from engine import Engine, read_script, script_of, shrink  # noqa: E402
from generator import Generator  # noqa: E402

MISMATCHES_MAX = 5  # of one run, before it gives up
EPISODE_OPS = 300
DEFAULT_OPS = 100000
DEFAULT_SEED = 1


def base_seed():
    text = os.environ.get('DIFF_SEED', str(DEFAULT_SEED))
    return random.SystemRandom().randrange(1 << 31) if text == 'random' else int(text)


def report(engine, ops, mismatch, seed, proto, program):
    """Shrinks a failure and returns the text that lets somebody replay it."""
    short, last = shrink(engine, ops, mismatch, seed, proto)
    return '\n'.join((
        f'replies differ at command {mismatch.index} of the episode with seed {seed}, RESP{proto}',
        f'  command   {last.op.args}',
        f'  reference {str(last.expected)[:600]}',
        f'  subject   {str(last.got)[:600]}',
        f'replay: python3 {program} --seed {seed} --ops {len(ops)} --proto {proto}',
        f'shrunk to {len(short)} of {len(ops)} commands (save for --script):',
        script_of(short)))


class DifferentialTest(unittest.TestCase):
    """Plays generated commands to a real Redis and to Terrace; every reply must be the same."""

    tables = []
    generators = pools.GENERATORS
    program = ''

    @classmethod
    def setUpClass(cls):
        if not cls.tables:
            raise unittest.SkipTest('a base class')
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)
        cls.subject = cls.make_subject().start()
        cls.addClassCleanup(cls.subject.close)
        cls.version = servers.version_of(cls.reference)
        cls.prepare(cls.version)

    @classmethod
    def prepare(cls, version):
        """Chooses what this version of the reference can be compared in."""

    @classmethod
    def make_subject(cls):
        return servers.TerraceServer()

    @classmethod
    def sequence(cls, seed, count):
        """Returns the commands of the episode with this seed."""
        return Generator(cls.tables, seed, cls.generators).sequence(count)

    def play_share(self, proto, share):
        """Plays this protocol's share of the commands in episodes of consecutive seeds."""
        first = base_seed() + (1000000 if proto == 3 else 0)
        episodes = max(1, int(int(os.environ.get('DIFF_OPS', DEFAULT_OPS)) * share) // EPISODE_OPS)
        print(f'{self.id()}: seeds {first} to {first + episodes - 1}, {EPISODE_OPS} commands each')
        mismatches = 0
        with Engine(self.reference, self.subject, self.version) as engine:
            for seed in range(first, first + episodes):
                ops = self.sequence(seed, EPISODE_OPS)
                mismatch = engine.play(ops, seed, proto)
                if mismatch is None:
                    continue
                # A long run goes on: what it finds next may be something else.
                print(report(engine, ops, mismatch, seed, proto, self.program), flush=True)
                mismatches += 1
                if mismatches == MISMATCHES_MAX:
                    break
        self.assertEqual(mismatches, 0, 'episodes in which replies differ; see above')

    def test_replies_equal_redis_in_resp2(self):
        self.play_share(2, 0.5)

    def test_replies_equal_redis_in_resp3(self):
        self.play_share(3, 0.5)


def main(test_class):
    """Runs unittest, or one episode when the command line asks for it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--ops', type=int, default=EPISODE_OPS)
    parser.add_argument('--proto', type=int, choices=(2, 3), default=2)
    parser.add_argument('--trace', action='store_true')
    parser.add_argument('--script')
    parser.add_argument('--redis', help='a second redis-server instead of Terrace')
    options, rest = parser.parse_known_args()
    if options.seed is None and options.script is None:
        unittest.main(argv=[sys.argv[0], *rest])
        return
    seed = options.seed or 0
    subject = (servers.RedisServer(binary=options.redis) if options.redis
               else servers.TerraceServer())
    trace = _print_step if options.trace else None
    with (servers.RedisServer() as reference, subject,
          Engine(reference, subject, servers.version_of(reference), trace) as engine):
        test_class.prepare(engine.version)
        if options.script:
            ops = read_script(pathlib.Path(options.script).read_text())
        else:
            ops = test_class.sequence(seed, options.ops)
        mismatch = engine.play(ops, seed, options.proto)
        if mismatch is None:
            print(f'{len(ops)} commands, all replies equal')
            return
        engine.trace = None
        print(report(engine, ops, mismatch, seed, options.proto, test_class.program))
        sys.exit(1)


def _print_step(index, op, expected, got):
    mark = ' ' if expected == got else '!'
    print(f'{mark}{index:5} {op.args}\n       {str(expected)[:300]}')
    if expected != got:
        print(f'       {str(got)[:300]}')
