"""compare: when two replies to the same command count as equal.

The default is exact: same wire types, same bytes. COMPARATORS names the commands whose replies may
differ by nature (time, chance, unordered sets). DIFFERENCES is the only list of deliberate or
version-bound deviations, each with its reason; everything else is a bug.
"""

import collections

import scripts

# Expired keys count until somebody meets them, and RANDOMKEY and SCAN do not meet the same ones.
UNMET_EXPIRED_KEYS = 3
TTL_TOLERANCE_S = 2
TTL_TOLERANCE_MS = 2000
IDLE_TOLERANCE_S = 60
LAST_DEADLINE_S = 279000000000  # a little less than the longest life a Terrace key can have


def exact(expected, got):
    return expected == got


def same_shape(expected, got):
    """Equal wire types at every level; contents are free. Errors must still be the same text."""
    if expected[0] == '-' or got[0] == '-':
        return expected == got
    if expected[0] != got[0]:
        return False
    if expected[0] in '*~>':
        return len(expected[1]) == len(got[1]) and all(map(same_shape, expected[1], got[1]))
    return True


def same_kind(expected, got):
    """Only the outermost wire type counts: COMMAND lists what each server happens to have."""
    return expected == got if '-' in (expected[0], got[0]) else expected[0] == got[0]


def scan_page(expected, got):
    """One page of an iteration: cursor and keys are free, their types are not."""
    if expected[0] != '*' or got[0] != '*':
        return expected == got
    return [item[0] for item in expected[1]] == [item[0] for item in got[1]]


def near(tolerance):
    """Integers may differ by `tolerance`, but not in sign: -1 and -2 have meanings."""
    def compare(expected, got):
        if expected[0] != ':' or got[0] != ':':
            return expected == got
        if expected[1] < 0 or got[1] < 0:
            return expected == got
        return abs(expected[1] - got[1]) <= tolerance
    return compare


def all_near(tolerance):
    """Arrays of such integers."""
    compare_one = near(tolerance)

    def compare(expected, got):
        if expected[0] != '*' or got[0] != '*':
            return expected == got
        return len(expected[1]) == len(got[1]) and all(map(compare_one, expected[1], got[1]))
    return compare


def unordered(expected, got):
    """Arrays and sets as multisets."""
    if expected[0] != got[0] or expected[0] not in '*~':
        return expected == got
    return sorted(map(repr, expected[1])) == sorted(map(repr, got[1]))


def unordered_pairs(expected, got):
    """Maps, and RESP2's flat field/value arrays, as sets of pairs."""
    if expected[0] == '*' and got[0] == '*' and len(expected[1]) % 2 == 0:
        return (len(expected[1]) == len(got[1])
                and _flat_pairs(expected[1]) == _flat_pairs(got[1]))
    if expected[0] == '%' and got[0] == '%':
        return sorted(map(repr, expected[1])) == sorted(map(repr, got[1]))
    return expected == got


def unordered_maps(expected, got):
    """Lists of maps, with lists of maps in them, in any order."""
    return _sorted_maps(expected) == _sorted_maps(got)


def _sorted_maps(reply):
    if isinstance(reply, tuple):
        reply = tuple(map(_sorted_maps, reply))
        if reply and all(isinstance(item, tuple) and item[:1] in (('*',), ('%',))
                         for item in reply):
            return tuple(sorted(reply, key=repr))
    return reply


def _flat_pairs(items):
    return sorted(repr(pair) for pair in zip(items[::2], items[1::2]))


COMPARATORS = {
    b'TTL': near(TTL_TOLERANCE_S),
    b'EXPIRETIME': near(TTL_TOLERANCE_S),
    b'PTTL': near(TTL_TOLERANCE_MS),
    b'PEXPIRETIME': near(TTL_TOLERANCE_MS),
    b'HTTL': all_near(TTL_TOLERANCE_S),
    b'HEXPIRETIME': all_near(TTL_TOLERANCE_S),
    b'HPTTL': all_near(TTL_TOLERANCE_MS),
    b'HPEXPIRETIME': all_near(TTL_TOLERANCE_MS),
    b'OBJECT IDLETIME': near(IDLE_TOLERANCE_S),
    b'RANDOMKEY': same_shape,
    b'DBSIZE': near(UNMET_EXPIRED_KEYS),
    b'TIME': same_shape,
    b'COMMAND': same_kind,
    b'COMMAND COUNT': same_kind,
    b'DUMP': same_shape,
    b'FUNCTION DUMP': same_shape,
    b'FUNCTION LIST': unordered_maps,
    b'SCAN': scan_page,
    b'HSCAN': scan_page,
    b'SSCAN': scan_page,
    b'ZSCAN': scan_page,
    b'KEYS': unordered,
    b'@SCAN': unordered,
    b'SMEMBERS': unordered,
    b'SINTER': unordered,
    b'SUNION': unordered,
    b'SDIFF': unordered,
    b'HKEYS': unordered,
    b'HVALS': unordered,
    b'HGETALL': unordered_pairs,
    b'XPENDING': same_shape,  # idle times
    b'XINFO STREAM': same_kind,  # the number of tree nodes is each server's own
    b'XINFO CONSUMERS': same_kind,  # idle times
    b'SPOP': same_shape,
    b'SRANDMEMBER': same_shape,
    b'HRANDFIELD': same_shape,
    b'ZRANDMEMBER': same_shape,
}


# What decides about encodings, as every episode finds it.
THRESHOLDS = {'hash-max-listpack-entries': 128, 'hash-max-listpack-value': 64,
              'list-max-listpack-size': -2, 'set-max-intset-entries': 512,
              'zset-max-listpack-entries': 128, 'zset-max-listpack-value': 64,
              'hll-sparse-max-bytes': 3000, 'stream-node-max-entries': 100}
THRESHOLDS_72 = {'set-max-listpack-entries': 128, 'set-max-listpack-value': 64}


def thresholds_of(version):
    """Returns the arguments of the CONFIG SET that sets all thresholds this version has."""
    names = {**THRESHOLDS, **({} if before_7_2(version) else THRESHOLDS_72)}
    return [arg for pair in names.items() for arg in pair]


# versions: a function of the reference's (major, minor, patch); matches: of op, expected, got.
Difference = collections.namedtuple('Difference', 'reason versions matches')


def before_7_2(version):
    return version < (7, 2, 0)


def _encoding(reference, subject):
    """Matches an OBJECT ENCODING that changed."""
    def matches(op, expected, got):
        return (command_name(op.args) == b'OBJECT ENCODING' and expected == ('$', reference)
                and got == ('$', subject))
    return matches


def _sort_with_ties(op, expected, got):
    """Matches SORT ALPHA and BY a constant; with LIMIT, ties decide which elements are shown."""
    words = [arg.upper() for arg in op.args]
    if words[0] not in (b'SORT', b'SORT_RO') or not (b'ALPHA' in words or b'BY' in words):
        return False
    return same_shape(expected, got) if b'LIMIT' in words else unordered(expected, got)


def _same_doubles(op, expected, got):
    """Matches replies of sorted sets that differ only in how the same doubles are written."""
    name = op.args[0].upper().lstrip(b'@')
    return (name[:1] in (b'Z', b'S') or name[:2] == b'BZ') and _numerically_equal(expected, got)


def _numerically_equal(expected, got):
    if expected == got:
        return True
    if isinstance(expected, bytes) and isinstance(got, bytes):
        try:
            return float(expected) == float(got)
        except ValueError:
            return False
    if isinstance(expected, tuple) and isinstance(got, tuple):
        return len(expected) == len(got) and all(map(_numerically_equal, expected, got))
    return False


def _empty_consumers(op, expected, got):
    """Matches what shows consumers without entries."""
    words = [arg.upper() for arg in op.args[:2]]
    if words == [b'XGROUP', b'CREATECONSUMER']:
        return expected == (':', 1) and got == (':', 0)
    return words == [b'XINFO', b'GROUPS'] and same_kind(expected, got)


def _beyond_the_last_deadline(op, expected, got):
    """Matches answers about lifetimes that end after the year 10889."""
    words = [arg.upper() for arg in op.args]
    if expected[0] != ':' or got[0] != ':':
        return False
    if words[0] in (b'TTL', b'EXPIRETIME'):
        return expected[1] > got[1] > LAST_DEADLINE_S
    if words[0] in (b'PTTL', b'PEXPIRETIME'):
        return got[1] > LAST_DEADLINE_S * 1000 and not 0 <= expected[1] <= got[1]
    return b'EXPIRE' in words[0] and (b'GT' in words or b'LT' in words) and len(words[2]) >= 15


def _library_exists(op, expected, got):
    return (command_name(op.args) == b'FUNCTION RESTORE' and expected[0] == '-' == got[0]
            and all(error[1].endswith(b' already exists') for error in (expected, got)))


def _several_destinations(op, expected, got):
    words = [arg.upper() for arg in op.args]
    return (words[1:2] == [b'GETKEYS'] and words[2].startswith(b'GEORADIUS')
            and words.count(b'STORE') + words.count(b'STOREDIST') > 1
            and same_shape(expected, got))


DIFFERENCES = [
    Difference('of several libraries that exist already, Redis names any', lambda version: True,
               _library_exists),
    Difference('SORT leaves a sorted set as it is; Redis unpacks it to read it',
               lambda version: True, lambda op, expected, got: _encoding(
                   b'skiplist', b'listpack')(op, expected, got) or (
                       b'ZSCAN' in map(bytes.upper, op.args[:2])
                       and _numerically_equal(expected, got))),
    Difference('HSCAN can leave the values out, as since Redis 7.4',
               lambda version: version < (7, 4, 0),
               lambda op, expected, got: b'HSCAN' in map(bytes.upper, op.args[:2])
               and expected == ('-', b'ERR syntax error')
               and any(arg.upper() == b'NOVALUES' for arg in op.args)),
    Difference('XREAD can ask for the last entry, as since Redis 7.4',
               lambda version: version < (7, 4, 0),
               lambda op, expected, got: op.args[0].upper() == b'XREAD' and b'+' in op.args
               and expected[0] == '-' and expected[1].startswith(
                   b'ERR Invalid stream ID specified as stream command argument')),
    Difference('Terrace keeps deadlines in 48 bits: later ones become the last',
               lambda version: True, _beyond_the_last_deadline),
    Difference('Redis does not share the small integer of a key made by COPY',
               lambda version: True,
               lambda op, expected, got: command_name(op.args) == b'OBJECT REFCOUNT'
               and (expected, got) == ((':', 1), (':', 2147483647))),
    Difference('Redis counts the queued argument that became a value as a reference, too',
               lambda version: True,
               lambda op, expected, got: command_name(op.args) == b'OBJECT REFCOUNT'
               and (expected, got) == ((':', 2), (':', 1))),
    Difference('a set has no order, and strings that are equal up to a NUL byte sort as equal',
               lambda version: True, _sort_with_ties),
    Difference('Redis 7.2 keeps small sets of strings as a listpack',
               before_7_2, _encoding(b'hashtable', b'listpack')),
    Difference('Redis 7.2 chooses the encoding by all members that come at once',
               before_7_2, lambda op, expected, got: any(
                   _encoding(by_each, by_all)(op, expected, got) for by_each, by_all in (
                       (b'intset', b'hashtable'), (b'listpack', b'hashtable'),
                       (b'listpack', b'skiplist')))),
    Difference('Redis 7.2 keeps short lists as a listpack',
               before_7_2, _encoding(b'quicklist', b'listpack')),
    Difference('Redis 7.2 writes doubles in the shortest form that reads back the same',
               before_7_2, _same_doubles),
    Difference('Redis 7.2 refuses the lowest integer as a rank of LPOS',
               before_7_2, lambda op, expected, got: op.args[0].upper() == b'LPOS'
               and got[1].startswith(b'ERR value is out of range, value must between')),
    Difference('Redis 7.2 creates a consumer even if it then gets no entry',
               before_7_2, _empty_consumers),
    Difference('Redis finds no key in a PFMERGE without sources, which is allowed',
               lambda version: True, lambda op, expected, got: len(op.args) == 4
               and [arg.upper() for arg in op.args[1:3]] == [b'GETKEYS', b'PFMERGE']
               and expected == ('-', b'ERR Invalid arguments specified for command')),
    Difference('Redis writes to the last of several destinations, but names the first as a key',
               lambda version: True, _several_destinations),
    Difference('Redis 7.2 names the command that lacks an id for a stream',
               before_7_2, lambda op, expected, got: expected[0] == '-' == got[0]
               and expected[1].startswith(b'ERR Unbalanced')
               and got[1].startswith(b'ERR Unbalanced')),
    Difference('HELP describes the same subcommands in words of its own',
               lambda version: True, lambda op, expected, got: len(op.args) == 2
               and op.args[1].upper() == b'HELP' and same_kind(expected, got)),
]


def command_name(args):
    """Returns the upper-case name, with the subcommand where COMPARATORS distinguishes it."""
    name = args[0].upper()
    if len(args) > 1 and name in (b'OBJECT', b'COMMAND', b'XINFO', b'FUNCTION', b'SCRIPT'):
        return name + b' ' + args[1].upper()
    return name


def equal(op, expected, got, reference_version):
    """True if `got` is an acceptable answer where the reference server answered `expected`."""
    if expected == got:
        return True
    script = scripts.commands_of(op.args)
    if script is not None and script[1]:
        # Maps have been tables of Lua on their way, which know no order.
        return _equal_script(*script, _sorted_pairs(expected), _sorted_pairs(got),
                             reference_version)
    if COMPARATORS.get(command_name(op.args), exact)(expected, got):
        return True
    return any(difference.versions(reference_version) and difference.matches(op, expected, got)
               for difference in DIFFERENCES)


def _sorted_pairs(reply):
    if not isinstance(reply, tuple):
        return reply
    if reply[:1] == ('%',):
        return ('%', tuple(sorted(map(_sorted_pairs, reply[1]), key=repr)))
    return tuple(map(_sorted_pairs, reply))


def _equal_script(is_packed, commands, expected, got, reference_version):
    """Judges the replies that a script passed on by the commands that gave them."""
    if not is_packed:
        return equal(commands[0], expected, got, reference_version)
    if expected[0] != '*' or got[0] != '*':
        return False
    return len(expected[1]) == len(got[1]) == len(commands) and all(
        equal(command, left, right, reference_version)
        for command, left, right in zip(commands, expected[1], got[1]))
