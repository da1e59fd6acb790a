"""All data commands, alone, in transactions and in scripts, with other clients beside them and
encodings that change at random points, answer as Redis does."""

import random
import unittest

import collection_pools
import families
import harness
import mixed_families as mixed
import pools
import scripts
import servers

# An episode draws a few of them, so that its commands meet.
FAMILIES = [mixed.LISTS, mixed.HASHES, mixed.SETS, mixed.ZSETS, mixed.HYPERLOGLOGS, mixed.GEO,
            mixed.STREAMS, mixed.WAITING, families.STRINGS, families.BITS, families.KEYS,
            mixed.FUNCTIONS, families.SERVER, families.OTHER_TYPES]
FAMILIES_72 = [mixed.STREAMS_72]
FAMILIES_PER_EPISODE = 4
BETWEEN = [mixed.TRANSACTIONS, mixed.OTHERS]

# Top-level commands (with all their subcommands) and single subcommands that no table generates.
NOT_GENERATED = {
    'acts on the server or on connections': (
        'acl auth bgrewriteaof bgsave client cluster config|get config|help config|reload '
        'config|resetstat config|rewrite debug failover hello info lastsave '
        'latency memory module monitor psync quit replconf replicaof reset role save shutdown '
        'slaveof slowlog sync tier asking readonly readwrite restore-asking'),
    'messages and their subscribers, which have tests of their own': (
        'psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe '
        'unsubscribe'),
    'describes the commands; integration/command_table_test.py compares that': (
        'command|docs command|getkeysandflags command|help command|info command|list'),
    'since Redis 7.4; hash_deadlines_test.py compares them with a model': (
        'hexpire hpexpire hexpireat hpexpireat hexpiretime hpexpiretime httl hpttl hpersist'),
    'waits for replicas or the disk': 'wait waitaof',
    'tests or debugs the server itself': 'pfdebug pfselftest script|debug',
    'needs another server': 'migrate',
    'of Valkey alone': 'script|show',
    'draws a picture of its own': 'lolwut',
}
# The version whose tables are all tables.
NEWEST = (7, 2, 0)
# So many that even the rarest row is drawn.
EPISODES_DRAWN = 400


def name_of(op):
    """Returns the lower-case name of a command, with its subcommand where there is one."""
    args = op.args[1:] if op.args[0] in (b'@scan', b'@other') else op.args
    return [arg.decode('latin-1').lower() for arg in args[:2]]


def names_in(ops, containers):
    names = set()
    for op in ops:
        name, *subcommand = name_of(op)
        if name in ('@transplant', '@transplant_functions'):
            names |= ({'dump', 'restore'} if name == '@transplant'
                      else {'function', 'function|dump', 'function|restore'})
            continue
        names.add(name)
        if name in containers and subcommand:
            names.add(f'{name}|{subcommand[0]}')
    return names


class EverythingTest(harness.DifferentialTest):
    tables = FAMILIES  # which prepare() completes
    generators = {**pools.GENERATORS, **collection_pools.GENERATORS}
    program = 'tests/differential/everything_test.py'

    @classmethod
    def prepare(cls, version):
        is_new = version >= NEWEST
        cls.tables = FAMILIES + (FAMILIES_72 if is_new else [])
        cls.thresholds = mixed.THRESHOLDS + (mixed.THRESHOLDS_72 if is_new else [])
        # Before Redis 7.2, scripts may not contain what can wait.
        cls.unscripted = [] if is_new else [mixed.WAITING]

    @classmethod
    def sequence(cls, seed, count):
        rng = random.Random(seed)
        tables = rng.sample(cls.tables, FAMILIES_PER_EPISODE) + [families.STRINGS_BETWEEN]
        generators = dict(cls.generators)
        generators.update(scripts.generators_of(
            [table for table in tables if table not in cls.unscripted], generators))
        tables += BETWEEN + [mixed.SCRIPTS]
        if rng.random() < 0.5:
            tables.append(cls.thresholds)
        return harness.Generator(tables, seed, generators).sequence(count)

    def test_every_data_command_is_drawn(self):
        with self.subject.client() as client:
            known = {name.decode() for name in client.call('COMMAND', 'LIST')}
        containers = {name.partition('|')[0] for name in known if '|' in name}
        drawn = set()
        self.prepare(NEWEST)
        for seed in range(EPISODES_DRAWN):
            drawn |= names_in(self.sequence(seed, harness.EPISODE_OPS), containers)
        self.prepare(self.version)
        excused = {name for names in NOT_GENERATED.values() for name in names.split()}
        forgotten = {name for name in known - drawn - excused
                     if name.partition('|')[0] not in excused}
        self.assertEqual(forgotten, set())
        self.assertEqual(drawn & excused, set(), 'generated after all')


del harness.DifferentialTest  # unittest would collect the base class, too.

if __name__ == '__main__':
    harness.main(EverythingTest)
