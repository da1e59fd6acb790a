"""COMMAND DOCS: what Terrace says of a command is what a real redis-server says of it.

Compared are all fields of every command and subcommand that both have, but for what LEFT_OUT names,
in both protocols and down to the wire types. Summaries are Terrace's own words.

Redis 7.2 changed how it names arguments, and what it says of some commands. Beside a Redis 7.0 the
names are not compared, nor what the ..._CHANGED_IN_7_2 lists tell.
"""

import unittest

import black_box
import servers

# Texts, and the versions in which a command learnt its arguments.
LEFT_OUT = {b'summary', b'complexity', b'history'}
LEFT_OUT_OF_ARGUMENTS = {b'since', b'deprecated_since'}
# What is O(1) here: there are no modules; and what Redis 7.0 says otherwise than 7.2.
ONE_STEP_HERE = {b'module|list', b'geodist'}
# What Terrace understands beyond Redis 7.2, and is compared without: command: token.
UNDERSTOOD_MORE = {b'client|kill': b'MAXAGE', b'hscan': b'NOVALUES', b'zscan': b'NOSCORES'}

NAMES_IN_7_2 = {b'name', b'display_text'}
# Commands of which Redis 7.0 says something else than 7.2: of arguments, beyond their names ...
ARGUMENTS_CHANGED_IN_7_2 = {
    b'bitop', b'client|kill', b'client|list', b'command|getkeys', b'command|getkeysandflags',
    b'config|get', b'geohash', b'geopos', b'georadius', b'georadiusbymember', b'migrate',
    b'pfmerge', b'psubscribe', b'xinfo|stream', b'zrank', b'zrevrank'}
# ... and in the other fields: since when they exist, and whether they are deprecated.
FIELDS_CHANGED_IN_7_2 = {b'client|pause', b'psetex', b'quit', b'setex', b'setnx'}
VERSIONS = ((7, 0), (7, 2))
COMMON_MIN = 300  # commands and subcommands that both servers have, or something is wrong


def pairs_of(reply):
    """Returns [(name, value)] of a map, which RESP2 writes as a flat array."""
    if reply[0] == '%':
        return [(name[1], value) for name, value in reply[1]]
    return [(name[1], value) for name, value in zip(reply[1][::2], reply[1][1::2])]


def documents_of(reply):
    """Yields (name, document) of every command and subcommand."""
    for name, document in pairs_of(reply):
        yield name, document
        for field, value in pairs_of(document):
            if field == b'subcommands':
                yield from documents_of(value)


def fields_of(document):
    """Returns (wire type, {name: value}), without the trees and what is left out."""
    trees = {b'arguments', b'subcommands'}
    return (document[0], {name: value for name, value in pairs_of(document)
                          if name not in LEFT_OUT | trees})


def arguments_of(document, omitted, without_token=None):
    """Returns the tree of arguments as (wire type, [(wire type, {name: value})])."""
    tree = dict(pairs_of(document)).get(b'arguments')
    if tree is None:
        return None
    arguments = []
    for argument in tree[1]:
        fields = {name: value for name, value in pairs_of(argument) if name not in omitted}
        if without_token is not None and fields.get(b'token') == ('$', without_token):
            continue
        if b'arguments' in fields:
            fields[b'arguments'] = arguments_of(argument, omitted, without_token)
        arguments.append((argument[0], fields))
    return (tree[0], arguments)


class CommandDocsTest(black_box.TerraceTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)
        cls.version = servers.version_of(cls.reference)[:2]

    def common_documents(self, proto):
        """Yields (name, the reference's, Terrace's) of what both have."""
        if self.version not in VERSIONS:
            self.skipTest(f'the documentation of Redis {self.version} is not that of 7.2')
        with self.reference.client(proto=proto) as client:
            expected = dict(documents_of(client.command('COMMAND', 'DOCS')))
        got = dict(documents_of(self.client(proto=proto).command('COMMAND', 'DOCS')))
        common = sorted(expected.keys() & got.keys())
        self.assertGreater(len(common), COMMON_MIN)
        return [(name, expected[name], got[name]) for name in common]

    def test_fields_are_those_of_redis(self):
        for proto in (2, 3):
            for name, expected, got in self.common_documents(proto):
                if self.version < (7, 2) and name in FIELDS_CHANGED_IN_7_2:
                    continue
                with self.subTest(command=name, proto=proto):
                    self.assertEqual(fields_of(expected), fields_of(got))

    def test_arguments_are_those_of_redis(self):
        omitted = LEFT_OUT_OF_ARGUMENTS | (NAMES_IN_7_2 if self.version < (7, 2) else set())
        for proto in (2, 3):
            for name, expected, got in self.common_documents(proto):
                if self.version < (7, 2) and name in ARGUMENTS_CHANGED_IN_7_2:
                    continue
                with self.subTest(command=name, proto=proto):
                    self.assertEqual(arguments_of(expected, omitted),
                                     arguments_of(got, omitted, UNDERSTOOD_MORE.get(name)))

    def test_only_named_commands_are_described_and_unknown_ones_passed_over(self):
        reply = self.client(proto=3).command('COMMAND', 'DOCS', 'Get', 'nosuch', 'config|SET',
                                             'config|nosuch')
        self.assertEqual([name for name, _ in pairs_of(reply)], [b'get', b'config|set'])

    def test_every_command_has_a_summary_and_a_complexity(self):
        for name, document in documents_of(self.client().command('COMMAND', 'DOCS')):
            with self.subTest(command=name):
                self.assertTrue(dict(pairs_of(document))[b'summary'][1])
                self.assertTrue(dict(pairs_of(document))[b'complexity'][1])

    def test_what_is_one_step_in_redis_is_one_here_and_nothing_else(self):
        for name, expected, got in self.common_documents(2):
            _, theirs = dict(pairs_of(expected)).get(b'complexity', ('$', b''))
            _, ours = dict(pairs_of(got))[b'complexity']
            if name.startswith(b'cluster|') or name in ONE_STEP_HERE:
                continue
            with self.subTest(command=name, redis=theirs):
                if theirs == b'O(1)':
                    self.assertEqual(ours, b'O(1)')
                if theirs.startswith((b'O(N', b'O(log(N', b'O(L', b'O(K', b'Depends')):
                    self.assertNotEqual(ours, b'O(1)')


if __name__ == '__main__':
    unittest.main()
