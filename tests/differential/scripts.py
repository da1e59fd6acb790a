"""scripts: scripts and functions that play generated commands, and which commands their arguments
hold.

A packed script takes 'count argument ...' for each of its commands and returns an array with the
reply of each, errors included. The others play one command and return its reply as it is.
"""

import collections
import hashlib

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
# Functions play commands likewise.
LIBRARY = (b"#!lua name=player\nlocal function packed(KEYS, ARGV) " + PACKED + b" end\n"
           b"redis.register_function('packed', packed)\n"
           b"redis.register_function('single', function(KEYS, ARGV) " + SINGLE[0] + b" end)\n"
           b"redis.register_function{function_name='packed_reads', callback=packed, "
           b"flags={'no-writes', 'allow-stale'}, description='packed, but only reads'}\n")
FUNCTIONS = {b'packed': PACKED, b'packed_reads': PACKED, b'single': SINGLE[0]}
COMMANDS_MAX = 4


def sha_of(text):
    return hashlib.sha1(text).hexdigest().encode()


BY_SHA = {sha_of(text): text for text in [PACKED, *SINGLE]}


def _text_of(args):
    """Returns the text of the script that the command runs if it was made here, else None."""
    name = args[0].upper().removesuffix(b'_RO')
    if name == b'EVAL':
        return args[1]
    if name == b'EVALSHA':
        return BY_SHA.get(args[1].lower())
    return FUNCTIONS.get(args[1]) if name == b'FCALL' else None


def commands_of(args):
    """Returns (is one reply for each, commands) of a script made here, else None."""
    if len(args) < 4 or not args[2].isdigit():
        return None
    text = _text_of(args)
    rest = list(args[3 + int(args[2]):])
    if text in SINGLE:
        return False, [Inner(tuple(rest))] if rest else []
    if text != PACKED:
        return None
    commands = []
    while rest:
        count = int(rest[0])
        commands.append(Inner(tuple(rest[1:count + 1])))
        rest = rest[count + 1:]
    return True, commands


def generators_of(tables, generators):
    """Returns the generators of commands and of scripts over commands of the tables, by name.

    script, script_by_sha and function draw 'script numkeys key ... argument ...', command a whole
    command without damage. Short lifetimes stay outside: time stands still while a script runs."""
    rows = [row for table in tables for row in table
            if len(row) < 3 or row[2] == 0]
    rows = [row for row in rows if row[1][0] != '@']
    plain = Generator([rows], 0, generators)
    sound = Generator([[(*row[:2], 0, 0.0) for row in rows]], 0, generators)

    def commands(rng, count, generator=plain):
        generator.rng = rng
        return [op.args for op in generator.sequence(count)]

    def draw(rng, packed, single):
        keys = generators['key'](rng) if rng.random() < 0.5 else []
        head = [b'%d' % len(keys), *keys]
        if rng.random() < 0.4:
            return [rng.choice(single), *head, *commands(rng, 1)[0]]
        args = []
        for words in commands(rng, rng.randint(1, COMMANDS_MAX)):
            args += [b'%d' % len(words), *words]
        return [rng.choice(packed), *head, *args]

    def script_by_sha(rng):
        text, *rest = draw(rng, [PACKED], SINGLE)
        sha = sha_of(text)
        return [sha if rng.random() < 0.8 else sha.upper(), *rest]

    # Before Redis 7.2, COMMAND GETKEYS takes no other.
    def command_with_arguments(rng):
        while True:
            words = list(commands(rng, 1, sound)[0])
            if len(words) > 1:
                return words

    return {
        'command': command_with_arguments,
        'script': lambda rng: draw(rng, [PACKED], SINGLE),
        'script_by_sha': script_by_sha,
        'function': lambda rng: draw(rng, [b'packed', b'packed_reads'], [b'single']),
    }
