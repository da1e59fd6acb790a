"""generator: turns the tables of families.py into seeded sequences of commands.

A table row is (weight, template[, pause_ms[, damage_share]]). A template is a command line in
which {name} stands for arguments drawn by the generator of that name (pools.GENERATORS), 'A|B' for
one of several words, and everything else for itself. A row with a pause is followed by one, so
that what it made expire has expired on both servers before the next command.

A small share of the commands is damaged on purpose (an argument dropped, added, replaced, or in
another letter case), which exercises arity, syntax and type errors of every row for free.
"""

import collections
import random

import pools

# One step of a sequence. `args` are bytes; an args[0] of '@scan' or '@transplant' is a step that
# the engine plays with several commands.
Op = collections.namedtuple('Op', 'args pause_ms inline')

DAMAGE_SHARE = 0.06
INLINE_SHARE = 0.03
LOWER_CASE_SHARE = 0.15


class Row:
    """A parsed template."""

    def __init__(self, generators, template, pause_ms=0, damage_share=DAMAGE_SHARE):
        self.pause_ms = pause_ms
        self.damage_share = damage_share
        self.parts = [self._part(generators, word) for word in template.split()]

    @staticmethod
    def _part(generators, word):
        if word.startswith('{'):
            return generators[word[1:-1]]
        words = [choice.encode() for choice in word.split('|')]
        return lambda rng: [rng.choice(words)]

    def draw(self, rng):
        args = []
        for part in self.parts:
            args += part(rng)
        return args


class Generator:
    """Draws commands from the given tables; the same seed gives the same sequence."""

    def __init__(self, tables, seed, generators=pools.GENERATORS):
        self.rng = random.Random(seed)
        rows = [row for table in tables for row in table]
        self.rows = [Row(generators, *row[1:]) for row in rows]
        self.cumulative = []
        total = 0
        for row in rows:
            total += row[0]
            self.cumulative.append(total)

    def sequence(self, count):
        ops, pause_ms = [], 0
        for _ in range(count):
            op = self._op()
            pause_ms = max(pause_ms, op.pause_ms)
            if op.args[0].upper() == b'EXEC':
                # What was queued with a pause runs only now.
                op, pause_ms = op._replace(pause_ms=pause_ms), 0
            ops.append(op)
        return ops

    def _op(self):
        rng = self.rng
        row = rng.choices(self.rows, cum_weights=self.cumulative)[0]
        args = row.draw(rng)
        if args[0].startswith(b'@'):
            return Op(tuple(args), 0, False)
        if rng.random() < LOWER_CASE_SHARE:
            position = rng.randrange(len(args)) if rng.random() < 0.5 else 0
            args[position] = args[position].swapcase() if position == 0 else args[position].lower()
        if rng.random() < row.damage_share:
            self._damage(args)
        return Op(tuple(args), row.pause_ms, rng.random() < INLINE_SHARE and _fits_inline(args))

    def _damage(self, args):
        rng = self.rng
        kind = rng.randrange(4)
        position = rng.randrange(1, len(args)) if len(args) > 1 else 0
        if kind == 0 and position > 0:
            del args[position]
        elif kind == 1:
            args.insert(rng.randrange(1, len(args) + 1), rng.choice(pools.JUNK))
        elif kind == 2 and position > 0:
            args[position] = rng.choice(pools.JUNK)
        elif position > 0:
            args.append(args[position])


def _fits_inline(args):
    """An inline request may not be longer than 64 KiB, and not start with an array's mark."""
    return sum(len(arg) for arg in args) < 10000 and args[0][:1] not in (b'', b'*')
