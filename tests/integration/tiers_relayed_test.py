"""Replies of relayed commands, in RESP2 and RESP3: the same bytes as from the regional Redis."""

import unittest

import black_box  # for the path to the helpers
import servers
import tiers_world
from tiers_world import regional, route

assert black_box

# Each runs against both servers in turn; {k} is the key, another one for each protocol.
SCRIPT = [line.split() for line in '''
SADD {k}s a
SPOP {k}s
SPOP {k}s
SADD {k}s a
SPOP {k}s 5
SPOP {k}s 5
ZADD {k}z 1.5 a 2 b inf c -inf d 3 e 1e300 f 0.1 g
ZADD {k}z INCR 1.25 a
ZADD {k}z NX INCR 1.25 a
ZADD {k}z XX CH 7 a
ZINCRBY {k}z 0.3 a
ZINCRBY {k}z 1 n
ZPOPMIN {k}z
ZPOPMAX {k}z
ZPOPMIN {k}z 1
ZPOPMAX {k}z 2
ZPOPMIN {k}z 0
ZPOPMIN {k}none
ZPOPMAX {k}none 2
ZMPOP 1 {k}none MIN
ZMPOP 1 {k}z MIN
ZMPOP 1 {k}z MAX COUNT 9
RPUSH {k}l a b c d e
LPOP {k}l
LPOP {k}l 2
RPOP {k}l 0
LPOP {k}none
LPOP {k}none 2
LMPOP 1 {k}l LEFT COUNT 2
LMPOP 1 {k}none LEFT
LMOVE {k}none {k}l LEFT RIGHT
RPOPLPUSH {k}l {k}l
SET {k}v 10
SET {k}v 11 GET
SET {k}v 11 NX
SET {k}none 11 XX GET
GETSET {k}v 12
GETDEL {k}v
GETDEL {k}v
INCR {k}v
INCRBYFLOAT {k}v 0.5
GETEX {k}v PERSIST
GETEX {k}none PERSIST
HINCRBYFLOAT {k}h f 1.25
HINCRBY {k}h n 3
HSETNX {k}h n 3
BITFIELD {k}b OVERFLOW FAIL INCRBY u2 0 9 GET u8 0
BITFIELD {k}b SET u8 0 7 GET u8 0
XADD {k}x 1-1 f v
XADD {k}x 1-2 f v g w
XADD {k}none NOMKSTREAM * f v
XGROUP CREATE {k}x g 0
XREADGROUP GROUP g c COUNT 1 STREAMS {k}x >
XREADGROUP GROUP g c STREAMS {k}x >
XREADGROUP GROUP g c STREAMS {k}x >
XDEL {k}x 1-1
XREADGROUP GROUP g c STREAMS {k}x 0
XREADGROUP GROUP g c STREAMS {k}x 9
XCLAIM {k}x g d 0 1-1 1-2
XCLAIM {k}x g d 0 1-2 JUSTID
XAUTOCLAIM {k}x g e 0 0
GEOADD {k}g 13.361389 38.115556 p 15.087269 37.502669 q
GEORADIUS {k}g 15 37 200 km
GEORADIUS {k}g 15 37 200 km WITHCOORD WITHDIST WITHHASH ASC
GEORADIUS {k}g 15 37 200 km WITHCOORD ASC
GEORADIUS {k}g 15 37 200 km WITHDIST ASC
GEORADIUS {k}g 15 37 1 km WITHCOORD
GEORADIUSBYMEMBER {k}g p 200 km WITHCOORD ASC
GEORADIUSBYMEMBER {k}none p 200 km WITHCOORD
RPUSH {k}n 1 2 3
SORT {k}n GET nothing_* GET # DESC
EXPIRE {k}n 100
PERSIST {k}n
COPY {k}n {k}m
RENAME {k}m {k}o
ZADD {k}n 1 a
SPOP {k}n 2
ZPOPMIN {k}n 2
INCR {k}n x
'''.strip().splitlines()]


# Reads are relayed in transactions only. What they find is there from the lines above.
READS = [line.split() for line in '''
HSET {k}h a 1 b 2
HGETALL {k}h
HGETALL {k}none
HRANDFIELD {k}h 0
HSET {k}h1 a 1
HRANDFIELD {k}h1 9 WITHVALUES
HRANDFIELD {k}h1 -2
HRANDFIELD {k}none
HRANDFIELD {k}none 2 WITHVALUES
HMGET {k}h a none
HGET {k}none a
HSCAN {k}h 0
SADD {k}t a
SADD {k}u a b
SMEMBERS {k}t
SMEMBERS {k}none
SINTER {k}t {k}u
SUNION {k}t {k}none
SDIFF {k}u {k}t
SRANDMEMBER {k}t
SRANDMEMBER {k}t 2
SRANDMEMBER {k}none
SISMEMBER {k}t a
SMISMEMBER {k}t a b
SSCAN {k}t 0
DEL {k}z
ZADD {k}z 1.5 a 2 b inf c -inf d 1e300 f 0.1 g
ZADD {k}y 1 a 7 withscores
ZRANGE {k}z 0 -1
ZRANGE {k}z 0 -1 WITHSCORES
ZRANGE {k}z -inf +inf BYSCORE LIMIT 1 2 WITHSCORES
ZRANGEBYSCORE {k}z -inf 2 WITHSCORES
ZRANGEBYSCORE {k}z -inf 2
ZREVRANGE {k}z 0 1 WITHSCORES
ZREVRANGEBYSCORE {k}z +inf 2 withscores
ZRANGE {k}none 0 -1 WITHSCORES
ZSCORE {k}z a
ZSCORE {k}z none
ZMSCORE {k}z a none c
ZRANK {k}z a
ZRANK {k}z a WITHSCORE
ZREVRANK {k}z a WITHSCORE
ZREVRANK {k}z none WITHSCORE
ZADD {k}z1 1 a
ZRANDMEMBER {k}z1
ZRANDMEMBER {k}z1 9
ZRANDMEMBER {k}z1 9 WITHSCORES
ZINTER 2 {k}z {k}y WITHSCORES
ZUNION 2 {k}z {k}y WEIGHTS 1 2 WITHSCORES
ZUNION 2 {k}z {k}y
ZDIFF 2 {k}z {k}y WITHSCORES
ZDIFF 1 withscores{k}
ZSCAN {k}y 0
GEOPOS {k}g p none
GEODIST {k}g p q km
GEOHASH {k}g p
GEOSEARCH {k}g FROMMEMBER p BYRADIUS 300 km ASC WITHCOORD WITHDIST
GEORADIUS_RO {k}g 15 37 200 km WITHCOORD
GEORADIUSBYMEMBER_RO {k}g p 200 km WITHDIST
SET {k}v abcdef
SET {k}w abxdef
LCS {k}v {k}w
LCS {k}v {k}w IDX
LCS {k}v {k}w IDX WITHMATCHLEN
XRANGE {k}x - +
XREAD COUNT 9 STREAMS {k}x 0
XREAD STREAMS {k}x $
XINFO STREAM {k}x
XINFO GROUPS {k}x
XINFO CONSUMERS {k}x none
XPENDING {k}x g
BLPOP {k}none 0
BLPOP {k}l 0
RPUSH {k}l a b c
BLPOP {k}l 0
BLMPOP 0 1 {k}l LEFT
BLMPOP 0 1 {k}none LEFT
BLMOVE {k}none {k}l LEFT LEFT 0
BZPOPMIN {k}z 0
BZPOPMAX {k}none 0
BZMPOP 0 1 {k}z MIN COUNT 2
BZMPOP 0 1 {k}none MIN
LRANGE {k}l 0 -1
LPOS {k}l b
LPOS {k}l b COUNT 0
GETRANGE {k}v 0 1
MGET {k}v {k}none
TYPE {k}v
TTL {k}v
OBJECT ENCODING {k}v
DUMP {k}none
EXISTS {k}v
EVAL return{1,'a',false,{ok='OK'},{}} 1 {k}v
'''.strip().splitlines()]


def without_times(reply):
    """Without what two servers may disagree on."""
    if isinstance(reply, tuple):
        items = [without_times(item) for item in reply]
        times = [i for i, item in enumerate(items)
                 if item in (('$', b'idle'), ('$', b'inactive'), ('$', b'seen-time'))]
        return tuple(item for i, item in enumerate(items) if i - 1 not in times)
    return reply


class RelayedTest(tiers_world.World):

    def test_replies_are_what_the_server_itself_says_in_either_protocol(self):
        through, direct = self.start_redis(), self.start_redis()
        self.start_terrace([regional(through), route('', regional='near')])
        for proto in (2, 3):
            client = self.client(proto=proto)
            reference = self.client(direct, proto=proto)
            self.eventually(lambda: client.command('SET', f'ready{proto}', 'v')[0] == '+')
            for line in SCRIPT:
                command = [word.replace('{k}', f'{{{proto}}}') for word in line]
                with self.subTest(proto=proto, command=' '.join(command)):
                    self.assertEqual(client.command(*command), reference.command(*command))

    def test_replies_in_a_transaction_are_too(self):
        through, direct = self.start_redis(), self.start_redis()
        self.start_terrace([regional(through), route('', regional='near')])
        for proto in (2, 3):
            client = self.client(proto=proto)
            reference = self.client(direct, proto=proto)
            self.eventually(lambda: client.command('SET', f'ready{proto}', 'v')[0] == '+')
            for line in SCRIPT + READS:
                if line[-1] == 'WITHSCORE' and servers.version_of(direct) < (7, 2):
                    continue
                command = [word.replace('{k}', f'{{{proto}}}') for word in line]
                replies = [one.pipeline([('MULTI',), command, ('EXEC',)])[-1]
                           for one in (client, reference)]
                if line[0] == 'XINFO':
                    replies = [without_times(reply) for reply in replies]
                with self.subTest(proto=proto, command=' '.join(command)):
                    self.assertEqual(*replies)

    def test_every_reply_of_a_pipeline_is_translated(self):
        redis = self.start_redis()
        self.start_terrace([regional(redis), route('f:', regional='near')])
        client = self.client(proto=3)
        self.eventually(lambda: client.command('SADD', 'f:s', 'a')[0] == ':')
        replies = client.pipeline([('ZINCRBY', 'f:z', 1, 'a'), ('SPOP', 'f:s', 2), ('PING',),
                                   ('ZPOPMIN', 'f:z', 1), ('LPOP', 'f:none', 2)])
        self.assertEqual([reply[0] for reply in replies], [',', '~', '+', '*', '_'])


if __name__ == '__main__':
    unittest.main()
