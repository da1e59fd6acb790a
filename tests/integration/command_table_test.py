"""COMMAND INFO, LIST and GETKEYSANDFLAGS describe every command that Redis has too as Redis does:
arity, flags, key positions, categories, tips and key specs. Where Redis keeps a set, its order is
its own."""

import unittest

import black_box
import servers

PARTS = ('name', 'arity', 'flags', 'first key', 'last key', 'step', 'categories', 'tips',
         'key specs')
# What Redis 7.2 says otherwise than 7.0, which is asked where there is no newer one.
CHANGED_IN_7_2 = {
    'of commands that write and wait, scripts may run more': {
        'flags': 'blmove blpop brpop brpoplpush bzpopmax bzpopmin wait'},
    'the cluster is described while data are loaded': {'flags': 'cluster|shards cluster|slots'},
    'commands without arguments may be asked about': {
        'arity': 'command|getkeys command|getkeysandflags'},
    'WITHSCORE was added': {'arity': 'zrank zrevrank'},
    'proxies were told of more commands, and of some otherwise': {
        'tips': 'acl|deluser acl|save acl|setuser client|setname config|resetstat config|rewrite '
                'latency|reset msetnx randomkey scan'},
}
# Command lines whose keys and flags are asked for.
LINES = '''
get k|set k v|set k v get|set k v ex 9 GET|set k get|bitfield k get u8 0
bitfield k get u8 0 set u8 0 1
bitfield k incrby u8 0 1|mset a 1 b 2|msetnx a 1|mget a b|del a b|exists a|touch a|rename a b
renamenx a b|copy a b db 1|move a 1|getex a|getdel a|getset a b|lcs a b|bitop and d a b
bitop not d a
pfcount a b|pfmerge d a b|pfadd a b|pfdebug getreg a|object encoding a|memory usage a|dump a
restore a 0 x|lmove a b left right|blmove a b left right 0|rpoplpush a b|brpoplpush a b 0
blpop a b 0|lmpop 2 a b left|lmpop 0 left x|lmpop 9 a left|blmpop 0 2 a b left|smove a b x
sdiff a b|sdiffstore d a b|sinterstore d a b|sunionstore d a|sintercard 2 a b|zadd a 1 b
zunion 2 a b|zunionstore d 2 a b|zinterstore d 1 a|zdiffstore d 1 a|zinterstore d 5 a|zinter 1 a
zdiff 1 a|zintercard 1 a|zmpop 1 a min|bzmpop 0 1 a min|zrangestore d a 0 1|bzpopmin a b 0
geosearchstore d a fromlonlat 1 1 byradius 1 m|georadius a 1 1 1 m|georadius a 1 1 1 m store d
georadius a 1 1 1 m storedist d|georadiusbymember a m 1 m store d|sort a|sort a store d
sort a by w_* get # store d|sort_ro a by w_*|xadd a * f v|xread streams a b 0 0
xread count 1 streams a 0|xreadgroup group g c streams a >
xreadgroup group g c noack streams a b > >
xgroup create a g 0|xgroup destroy a g|xinfo stream a|xautoclaim a g c 0 0|eval x 2 a b c|eval x 0
eval x 9 a|evalsha x 1 a|eval_ro x 1 a|evalsha_ro x 1 a|fcall f 1 a|fcall_ro f 1 a|watch a b
migrate h 1 a 0 9|migrate h 1 "" 0 9 keys a b|ping|spublish c m|ssubscribe c|sunsubscribe c
publish c m|config get x|nosuch a|get|config nosuch|xgroup help|hset a f v|hget a f|spop a
expire a 1
'''.strip().replace('\n', '|').split('|')


def sorted_sets(value):
    """Plain values; a set as a sorted list, a map as a dictionary."""
    tag = value[0]
    if tag == '~':
        return sorted((sorted_sets(item) for item in value[1]), key=repr)
    if tag == '*':
        return [sorted_sets(item) for item in value[1]]
    if tag == '%':
        return {sorted_sets(name): sorted_sets(item) for name, item in value[1]}
    return value[1].decode() if tag in '+$' else value[1:]


def rows_of(reply):
    """Name to parts, of subcommands too."""
    found = {}
    for row in reply[1]:
        parts = [sorted_sets(part) for part in row[1][:len(PARTS)]]
        found[parts[0]] = dict(zip(PARTS, parts))
        found.update(rows_of(row[1][len(PARTS)]))
    return found


def leaves_of(value):
    if value[0] != '*':
        return [value]
    return [leaf for item in value[1] for leaf in leaves_of(item)]


class CommandTableTest(black_box.TerraceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis = servers.RedisServer().start()
        cls.addClassCleanup(cls.redis.close)
        cls.servers = [cls.redis, cls.server]
        cls.version = servers.version_of(cls.redis)
        if cls.version < (7, 0):
            raise unittest.SkipTest('before Redis 7.0, COMMAND had no key specs')

    def setUp(self):
        # In RESP3 sets and maps show as such.
        self.clients = [server.client(proto=3) for server in self.servers]
        for client in self.clients:
            self.addCleanup(client.close)

    def ask(self, *command):
        return [client.command(*command) for client in self.clients]

    def names(self):
        redis, terrace = (rows_of(reply).keys() for reply in self.ask('COMMAND'))
        return sorted(redis & terrace)

    def changed(self, part):
        """Commands of which an older Redis says this otherwise."""
        if self.version >= (7, 2):
            return set()
        return {name for parts in CHANGED_IN_7_2.values() for name in parts.get(part, '').split()}

    def test_every_part_of_every_command(self):
        redis, terrace = (rows_of(reply) for reply in self.ask('COMMAND'))
        names = redis.keys() & terrace.keys()
        self.assertGreater(len(names), 300)
        different = [f'{part} of {name}\n  redis   {redis[name][part]}\n'
                     f'  terrace {terrace[name][part]}'
                     for part in PARTS for name in sorted(names - self.changed(part))
                     if redis[name][part] != terrace[name][part]]
        if different:
            self.fail('\n'.join(different))

    def test_info_is_the_same_as_the_row_of_all(self):
        names = self.names()
        for client in self.clients:
            rows = rows_of(client.command('COMMAND'))
            for name, reply in zip(names, client.command('COMMAND', 'INFO', *names)[1]):
                self.assertEqual(rows_of(('*', (reply,)))[name], rows[name])
        redis, terrace = self.ask('COMMAND', 'INFO', 'nosuch', 'GET')
        self.assertEqual(redis[1][0], terrace[1][0])

    def test_resp2_has_the_same_shape(self):
        for name in ('bitop', 'xread', 'eval', 'set', 'spublish'):
            replies = []
            for server in self.servers:
                with server.client(proto=2) as client:
                    replies.append(client.command('COMMAND', 'INFO', name))
            # Sets come as arrays: their order is not compared.
            redis, terrace = (sorted(map(repr, leaves_of(reply))) for reply in replies)
            self.assertEqual(redis, terrace, name)

    def test_list(self):
        redis, terrace = ({item[1].decode() for item in reply[1]}
                          for reply in self.ask('COMMAND', 'LIST'))
        shared = redis & terrace
        self.assertGreater(len(shared), 300)
        for category in ('read', 'write', 'scripting', 'pubsub', 'dangerous', 'nosuch'):
            redis, terrace = ({item[1].decode() for item in reply[1]} & shared for reply in
                              self.ask('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', category))
            self.assertEqual(redis, terrace, category)

    def test_keys_with_their_flags(self):
        for line in LINES:
            words = [word.strip('"') for word in line.split()]
            if self.version < (7, 2) and len(words) == 1:
                continue  # which asks for commands with an argument
            for subcommand in ('GETKEYS', 'GETKEYSANDFLAGS'):
                redis, terrace = self.ask('COMMAND', subcommand, *words)
                if redis[0] == '-':
                    self.assertEqual(redis, terrace, (subcommand, line))
                else:
                    self.assertEqual(sorted_sets(redis), sorted_sets(terrace), (subcommand, line))


if __name__ == '__main__':
    unittest.main()
