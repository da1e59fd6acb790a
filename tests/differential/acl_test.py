"""ACL beside a real Redis: categories, generated rules and what they allow, and what users of few
rights are told. By hand: DIFF_SEED=7 DIFF_OPS=2000 python3 tests/differential/acl_test.py"""

import os
import random
import unittest

import harness
import resp_wire
import servers

RULE_CHANGES = 6     # of a user, then questions are asked
QUESTIONS = 25
KEYS = ('a', 'a:1', 'b:2', 'ab', 'key*', 'x[1]', '')
CHANNELS = ('news', 'news:1', 'n?ws', 'other')
KEY_PATTERNS = ('*', 'a*', 'b:?', 'a:[0-9]', 'key\\*', '')
CHANNEL_PATTERNS = ('*', 'news', 'n?ws', 'news:*')
NAMES = ('ann', 'bob', 'default2')
COMMAND_RULES = ('get', 'set', 'GET', 'config', 'config|get', 'CONFIG|SET', 'client|id', 'client',
                 'select|0', 'select|1', 'memory|usage', 'object|encoding', 'xadd', 'eval',
                 'nosuch', 'config|nosuch', 'get|', 'config|get|x', 'debug|sleep', 'publish',
                 'subscribe', 'psubscribe', 'ping', 'auth', '')
CATEGORIES = ('all', 'read', 'write', 'string', 'hash', 'keyspace', 'fast', 'slow', 'dangerous',
              'admin', 'pubsub', 'connection', 'scripting', 'stream', 'set', 'sortedset', 'geo',
              'blocking', 'transaction', 'bitmap', 'hyperloglog', 'list', 'nosuch', '')
HASH = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'  # of "password"
# K: a key, C: a channel, other words as they are.
QUESTIONS_ASKED = '''
get K|set K v|set K v get|set K v ex 10|setex K 10 v|mget K K|mset K v K v|msetnx K v K v
append K v|getset K v|getdel K|getex K|getrange K 0 1|setrange K 0 v|strlen K|incr K|incrby K 2
lcs K K|substr K 0 1|del K K|unlink K|exists K K|touch K|type K|rename K K|renamenx K K|copy K K
move K 1|expire K 10|pexpireat K 10|ttl K|persist K|expiretime K|dump K|restore K 0 v
object encoding K|object help|memory usage K|keys *|scan 0|randomkey|dbsize|flushall|sort K
sort K by w_* get o_*|sort K store K|sort K limit 0 1 store K desc|sort_ro K by nosort
setbit K 1 1|getbit K 1|bitcount K|bitop and K K K|bitpos K 1|bitfield K get u8 0
bitfield K set u8 0 1|bitfield K incrby u8 0 1|bitfield_ro K get u8 0|hset K f v|hget K f|hdel K f
hgetall K|hlen K|hstrlen K f|hrandfield K|hincrby K f 1|hsetnx K f v|hexists K f|lpush K v
lpushx K v|rpop K|llen K|lrange K 0 1|lrem K 1 v|ltrim K 0 1|linsert K before a b
lmove K K left right|rpoplpush K K|blmove K K left right 1|blpop K K 1|lmpop 2 K K left
blmpop 1 2 K K left|lmpop 9 K left|lmpop x K left|lpos K v|lset K 0 v|sadd K v|srem K v
smove K K v|spop K|sismember K v|smismember K v|scard K|sinter K K|sintercard 2 K K
sinterstore K K K|sunion K K|sunionstore K K K|sdiff K K|sdiffstore K K K|srandmember K|sscan K 0
zadd K 1 a|zadd K incr 1 a|zincrby K 1 a|zscore K a|zcard K|zcount K 0 1|zlexcount K - +
zrange K 0 1|zrangestore K K 0 1|zunion 2 K K|zunionstore K 2 K K|zinterstore K 1 K|zinter 2 K K
zintercard 2 K K|zdiff 2 K K|zdiffstore K 2 K K|zpopmin K|bzpopmin K K 1|zmpop 2 K K min
bzmpop 1 1 K max|zrem K a|zremrangebyscore K 0 1|zrandmember K|zmscore K a|zunionstore K 9 K
geoadd K 1 1 a|geodist K a b|geosearch K fromlonlat 1 1 byradius 1 m
geosearchstore K K fromlonlat 1 1 byradius 1 m|georadius K 1 1 1 m|georadius K 1 1 1 m store K
georadius K 1 1 1 m storedist K|georadius_ro K 1 1 1 m|georadiusbymember K a 1 m store K|pfadd K a
pfcount K K|pfmerge K K K|xadd K * f v|xlen K|xrange K - +|xread streams K K 0 0
xread count 1 block 1 streams K 0|xread streams|xreadgroup group g c streams K >
xgroup create K g 0|xgroup destroy K g|xgroup createconsumer K g c|xgroup delconsumer K g c
xgroup setid K g 0|xinfo stream K|xinfo groups K|xack K g 1-1|xclaim K g c 0 1-1
xautoclaim K g c 0 0|xdel K 1-1|xtrim K maxlen 1|xsetid K 1-1|xpending K g|eval x 0|eval x 2 K K a
eval x 9 K|evalsha x 1 K|eval_ro x 1 K|fcall f 1 K|fcall_ro f 0|script load x|script exists x
function list|publish C m|spublish C m|subscribe C C|psubscribe C|ssubscribe C C|unsubscribe C
punsubscribe C|pubsub channels|pubsub numsub C|ping|echo x|select 0|select 1|auth x|hello 3|reset
quit|client id|client list|client setname x|client kill x|config get x|config set x y|info|command
command getkeys get x|multi|exec|discard|watch K|unwatch|acl whoami|acl list|acl setuser x|acl cat
debug sleep 0|monitor|slowlog get|latency latest|time|lastsave|role|shutdown|swapdb 0 1|wait 0 0
waitaof 0 0 0|object freq K|zrevrange K 0 1|zrevrank K a|setnx K v|psetex K 10 v|decr K
incrbyfloat K 1|hmset K f v|hmget K f|hkeys K|hvals K|hscan K 0|get|nosuch K|config nosuch
xinfo help|client no-evict on
'''.replace('\n', '|').strip('|').split('|')
# Played by the users themselves. What they have to say must not depend on the server.
PLAYED_COMMANDS = set(
    'get set mget mset del exists append incr sort lpush rpop lmove sadd sinter zadd zunionstore '
    'hset hget publish xread bitfield getex copy rename expire eval ping echo nosuch strlen'
    .split())
PLAYED = [line for line in QUESTIONS_ASKED
          if line.split()[0] in PLAYED_COMMANDS and 'block' not in line]


def text(reply):
    return reply[1].decode() if isinstance(reply[1], bytes) else reply[1]


class Pair:
    """A connection to each server; what is sent to both must be answered the same."""

    def __init__(self, test, proto):
        self.test = test
        self.clients = [server.client(proto=proto) for server in (test.reference, test.subject)]
        self.history = []

    def close(self):
        for client in self.clients:
            client.close()

    def ask(self, *command):
        return [client.command(*command) for client in self.clients]

    def same(self, *command, key=lambda reply: reply):
        self.history.append(command)
        expected, got = self.ask(*command)
        if key(expected) != key(got):
            self.test.fail(f'seed {self.test.seed}, {command}\n  redis   {expected}\n'
                           f'  terrace {got}\nafter\n' +
                           '\n'.join(str(line) for line in self.history[-12:]))
        return expected


class AclTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)
        if servers.version_of(cls.reference)[:2] != (7, 2):
            raise unittest.SkipTest('rules and categories are those of Redis 7.2')
        cls.subject = servers.TerraceServer().start()
        cls.addClassCleanup(cls.subject.close)

    def pair(self, proto=2):
        pair = Pair(self, proto)
        self.addCleanup(pair.close)
        return pair

    seed = 0

    # ---- The command table -----------------------------------------------------------------------

    def rows(self, reply):
        """Name to arity, flags and categories, subcommands too."""
        found = {}
        for row in reply[1]:
            row = row[1]
            flags = {text(flag) for flag in row[2][1]}
            found[text(row[0])] = (row[1][1], flags, {text(name) for name in row[6][1]})
            found.update(self.rows(row[9]))
        return found

    def test_flags_and_categories_of_every_command(self):
        redis, terrace = (self.rows(reply) for reply in self.pair().ask('COMMAND'))
        shared = redis.keys() & terrace.keys()
        self.assertGreater(len(shared), 300)
        for name in sorted(shared):
            for what, of_redis, of_terrace in zip(('flags', 'categories'), redis[name][1:],
                                                  terrace[name][1:]):
                self.assertEqual(of_redis, of_terrace, f'{what} of {name}')

    def test_commands_of_every_category(self):
        pair = self.pair()
        names = pair.same('ACL', 'CAT')
        redis, terrace = (self.rows(reply).keys() for reply in pair.ask('COMMAND'))
        for category in names[1]:
            of_redis, of_terrace = (
                {text(name) for name in reply[1]}
                for reply in pair.ask('ACL', 'CAT', text(category).upper()))
            self.assertEqual(of_redis & terrace, of_terrace & redis, text(category))

    # ---- Rules -----------------------------------------------------------------------------------

    def rule(self, rng):
        pick = rng.choice
        kinds = [
            lambda: pick(('on', 'off', 'nopass', 'resetpass', 'ON', 'sanitize-payload',
                          'skip-sanitize-payload', 'clearselectors', 'nonsense', '')),
            lambda: pick('><') + pick(('password', 'secret', '')),
            lambda: pick('#!') + pick((HASH, HASH.upper(), HASH[1:], 'x')),
            lambda: pick(('~', '~', '%R~', '%W~', '%RW~', '%w~', '%RR~', '%X~', '%~')) +
            pick(KEY_PATTERNS),
            lambda: pick(('allkeys', 'resetkeys', 'resetkeys', 'resetchannels', 'allchannels')),
            lambda: '&' + pick(CHANNEL_PATTERNS),
            lambda: pick('+-') + pick(COMMAND_RULES),
            lambda: pick('+-') + pick(COMMAND_RULES),
            lambda: pick('+-') + '@' + pick(CATEGORIES),
            lambda: pick('+-') + '@' + pick(CATEGORIES),
            lambda: pick(('allcommands', 'nocommands', 'reset')) if rng.random() < .3 else '+@all',
            lambda: '(' + ' '.join(self.rule(rng) for _ in range(rng.randrange(4))) +
            pick((')', ')', ')', '')),
        ]
        return pick(kinds)()

    def question(self, rng, lines):
        words = rng.choice(lines).split()
        picked = {'K': KEYS, 'C': CHANNELS}
        return [rng.choice(picked[word]) if word in picked else word for word in words]

    def play_rules(self, proto):
        ops = int(os.environ.get('DIFF_OPS', 20000)) // 2
        first = harness.base_seed() + (1000000 if proto == 3 else 0)
        episodes = max(1, ops // (QUESTIONS * 8))
        print(f'{self.id()}: seeds {first} to {first + episodes - 1}')
        pair = self.pair(proto)
        for self.seed in range(first, first + episodes):
            rng = random.Random(self.seed)
            pair.history.clear()
            name = rng.choice(NAMES)
            for _ in range(8):
                for _ in range(rng.randrange(1, RULE_CHANGES)):
                    rules = [self.rule(rng) for _ in range(rng.randrange(1, 4))]
                    pair.same('ACL', 'SETUSER', name, *rules)
                pair.same('ACL', 'GETUSER', name)
                pair.same('ACL', 'LIST')
                for _ in range(QUESTIONS):
                    pair.same('ACL', 'DRYRUN', name, *self.question(rng, QUESTIONS_ASKED))
            if rng.random() < .3:
                pair.same('ACL', 'DELUSER', name, 'nobody')

    def test_generated_rules_in_resp2(self):
        self.play_rules(2)

    def test_generated_rules_in_resp3(self):
        self.play_rules(3)

    # ---- Users -----------------------------------------------------------------------------------

    def log_of(self, reply):
        """What both logs must say; ages, times and clients differ."""
        shown = []
        for entry in reply[1]:
            fields = resp_wire.plain(entry)
            fields = dict(zip(fields[::2], fields[1::2]))
            shown.append([fields[name] for name in (b'count', b'reason', b'context', b'object',
                                                    b'username')])
        return shown

    def test_what_users_of_few_rights_are_told(self):
        first, episodes = harness.base_seed(), 40
        print(f'{self.id()}: seeds {first} to {first + episodes - 1}')
        admin = self.pair()
        for self.seed in range(first, first + episodes):
            rng = random.Random(self.seed)
            admin.same('FLUSHALL')
            admin.same('ACL', 'LOG', 'RESET')
            admin.same('ACL', 'SETUSER', 'eve', 'reset', 'on', '>pw')
            for _ in range(4):
                admin.ask('ACL', 'SETUSER', 'eve', *(self.rule(rng) for _ in range(2)))
                admin.same('ACL', 'SETUSER', 'eve', 'on', '>pw', '+ping')
                admin.same('ACL', 'GETUSER', 'eve')
            user = Pair(self, 2)
            user.same('AUTH', 'eve', 'wrong')
            user.same('AUTH', 'eve', 'pw')
            for step in range(30):
                if step % 10 == 5:
                    user.same('MULTI')
                if step % 10 == 7:
                    rule = self.rule(rng)
                    admin.same('ACL', 'SETUSER', 'eve', rule)
                    admin.same('ACL', 'SETUSER', 'eve', 'on', '>pw', '+ping')
                if step % 10 == 8:
                    user.same('EXEC')
                user.same(*self.question(rng, PLAYED))
                line = self.question(rng, PLAYED)
                script = ('return redis.acl_check_cmd(unpack(ARGV))' if step % 2 else
                          'return redis.pcall(unpack(ARGV))')
                user.same('EVAL', script, '0', *line)
            user.same('EXEC')
            user.close()
            admin.same('ACL', 'LOG', '100', key=self.log_of)


if __name__ == '__main__':
    unittest.main()
