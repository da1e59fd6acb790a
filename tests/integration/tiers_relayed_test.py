"""Replies of relayed commands, in RESP2 and RESP3: the same bytes as from the regional Redis."""

import unittest

import black_box  # for the path to the helpers
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
