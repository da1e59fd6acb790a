"""scripts: scripts that play generated commands, and which commands a script's arguments hold.

A packed script takes 'count argument ...' for each of its commands and returns an array with the
reply of each, errors included. The others play one command and return its reply as it is.
"""

import collections

from generator import Generator

# As much of a generator.Op as a comparison asks for.
Inner = collections.namedtuple('Inner', 'args')

PACKED = (b"local out, i = {}, 1 while i <= #ARGV do local n = tonumber(ARGV[i]) "
          b"out[#out + 1] = redis.pcall(unpack(ARGV, i + 1, i + n)) i = i + n + 1 end return out")
SINGLE = [b'return redis.call(unpack(ARGV))',
          b'return redis.pcall(unpack(ARGV))',
          b"local r = redis.call(unpack(ARGV)) return r",
          b'redis.setresp(3) return redis.call(unpack(ARGV))',
          b"redis.setresp(3) local r = redis.pcall(unpack(ARGV)) return r"]
NAMES = (b'EVAL', b'EVAL_RO')
COMMANDS_MAX = 4


def commands_of(args):
    """Returns (is one reply for each, commands) of a script made here, else None."""
    if args[0].upper() not in NAMES or len(args) < 4 or not args[2].isdigit():
        return None
    rest = list(args[3 + int(args[2]):])
    if args[1] in SINGLE:
        return False, [Inner(tuple(rest))] if rest else []
    if args[1] != PACKED:
        return None
    commands = []
    while rest:
        count = int(rest[0])
        commands.append(Inner(tuple(rest[1:count + 1])))
        rest = rest[count + 1:]
    return True, commands


def generator_of(tables, generators):
    """Returns a generator of 'script numkeys key ... argument ...' over commands of the tables.

    Short lifetimes stay outside: time stands still while a script runs."""
    rows = [row for table in tables for row in table
            if len(row) < 3 or row[2] == 0]
    plain = Generator([[row for row in rows if row[1][0] != '@']], 0, generators)

    def draw(rng):
        plain.rng = rng
        keys = generators['key'](rng) if rng.random() < 0.5 else []
        head = [b'%d' % len(keys), *keys]
        if rng.random() < 0.4:
            return [rng.choice(SINGLE), *head, *plain.sequence(1)[0].args]
        args = []
        for op in plain.sequence(rng.randint(1, COMMANDS_MAX)):
            args += [b'%d' % len(op.args), *op.args]
        return [PACKED, *head, *args]
    return draw
