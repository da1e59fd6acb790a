"""Keyspace notifications: the same commands on Redis and on Terrace publish the same events, in the
same order. Events of a command that touches several keys are compared as Redis orders them."""

import time
import unittest

import harness  # noqa: F401  (sets the path of the helpers)
import servers

# One command a line. {f} is a Unix time in the future.
COMMANDS = '''
set k v
set k v ex 100
set k v px 100000
set k v keepttl
set k v xx get
set k v nx
setnx k v
setnx k2 v
setex k3 100 v
psetex k3 100000 v
getset k v2
getset new1 v
getdel new1
getex k ex 50
getex k persist
getex k
get missing
append k more
append k4 x
setrange k 2 zz
setrange k5 3 zz
setrange missing 0 ""
incr n
incrby n 5
decr n
decrby n 2
incrbyfloat n 1.5
mset a 1 b 2
msetnx a 1 c 3
msetnx c 3 d 4
del a b missing
unlink c d
setbit bits 3 1
bitop or bits2 bits bits
bitop or bits2 missing missing
bitfield bf set u8 0 5 incrby u8 0 1 get u8 0
bitfield_ro bf get u8 0
pfadd hll a b
pfadd hll a
pfadd hll2 c
pfmerge hll3 hll hll2
pfcount hll hll2
expire k 100
expire k 200 nx
expire k -1
expire missing 10
set k v
pexpire k 100000
expireat k {f}
pexpireat k {f}000
persist k
persist k
expiretime k
rename k r
rename r k
renamenx k r
renamenx missing r
set other x
rename r other
copy other copied
copy other copied
copy other copied replace
move copied 1
set moved v
move moved 1
move moved 1
exists k missing
type missing
touch other missing
object encoding other
dump other
set victim v
getdel victim
lpush l a b c
rpush l d e
lpushx l z
rpushx missing z
lpop l
rpop l
lpop l 2
linsert l before d x
linsert l before none x
lset l 0 y
lrem l 1 y
lrem l 1 none
ltrim l 0 0
ltrim l 5 6
rpush l2 a b c
lmove l2 l3 left right
rpoplpush l2 l3
rpoplpush l3 l3
lmpop 2 none l3 left
lmpop 1 l3 right count 10
lmove l2 l3 left right
lrange l2 0 -1
blpop l3 1
rpush l4 1 2
blmove l4 l5 left left 1
brpoplpush l4 l5 1
blmpop 1 1 l5 left
brpop l5 1
sadd s a b c d
sadd s a
srem s a
srem s none
smove s s2 b
smove s s2 none
smove s s c
spop s
spop s 10
sadd s1 a b c
sadd s2 b c d
sinterstore si s1 s2
sinterstore si s1 missing
sunionstore su s1 s2
sdiffstore sd s1 s2
sdiffstore sd s1 s1
sinter s1 s2 missing
srandmember s1
hset h f v g w
hset h f v2
hsetnx h f v
hsetnx h x v
hmset h a b
hincrby h n 1
hincrbyfloat h n 1.5
hdel h f
hdel h none
hdel h g x a n
hget missing f
zadd z 1 a 2 b 3 c
zadd z 1 a
zadd z xx 5 a
zadd z incr 1 a
zadd z nx 9 a
zincrby z 1 b
zrem z a
zrem z none
zremrangebyscore z -inf 3
zremrangebyrank z 0 -1
zadd z 1 a 2 b 3 c 4 d
zremrangebylex z [a [a
zpopmin z
zpopmax z 5
zadd z1 1 a 2 b
zadd z2 2 b 3 c
zunionstore zu 2 z1 z2
zinterstore zi 2 z1 z2
zinterstore zi 2 z1 missing
zdiffstore zd 2 z1 z2
zdiffstore zd 2 z1 z1
zrangestore zr z1 0 -1
zrangestore zr z1 5 6
zmpop 1 z1 min
bzpopmin z1 1
zadd z1 1 a 2 b
bzpopmax z1 1
bzmpop 1 1 z1 min
geoadd geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
geosearchstore near geo fromlonlat 15 37 byradius 200 km
geosearchstore near geo fromlonlat 0 0 byradius 1 km
georadius geo 15 37 200 km store near
georadius geo 15 37 200 km storedist near2
rpush tosort 3 1 2
sort tosort store sorted
sort missing store sorted
sort tosort
xadd x 1-1 f v
xadd x 2-1 f v
xadd x maxlen 1 3-1 f v
xadd x nomkstream 4-1 f v
xtrim x maxlen 1
xtrim x maxlen 0
xadd x 5-1 f v
xdel x 5-1
xdel x 5-1
xsetid x 10-1
xgroup create x g $
xgroup create y g $ mkstream
xgroup createconsumer x g c
xgroup createconsumer x g c
xadd x 11-1 f v
xreadgroup group g c2 count 1 streams x >
xreadgroup group g c2 count 1 streams x >
xclaim x g c3 0 11-1
xautoclaim x g c4 0 0
xack x g 11-1
xack nokey g 11-1
xclaim nokey g c 0 11-1
xautoclaim nokey g c 0 0
xgroup setid x g 0
xgroup delconsumer x g c
xgroup delconsumer x g none
xgroup destroy x g
xgroup destroy x g
restore restored 0 "\\x00\\xc0\\x01\\x0b\\x00\\x3c\\x7b\\x9c\\x6a\\x58\\x8c\\x0e\\xee"
restore restored 0 "\\x00\\xc0\\x01\\x0b\\x00\\x3c\\x7b\\x9c\\x6a\\x58\\x8c\\x0e\\xee" replace
set over v
rename restored over
set over2 v ex 100
rename over over2
set short2 v px 1
set over3 v
rename over3 short2
flushdb
set short v px 1
get short
set short v px 1
del short
set short v px 1
set short w
hset gone f v
pexpire gone 1
hget gone f
set short v px 1
rename short elsewhere
set gone2 v
expireat gone2 1
set gone3 v
getex gone3 exat 1
set gone4 v exat 1
swapdb 0 1
get other
select 1
set in1 v
lpush in1l a
select 0
flushall
'''


def unescape(word):
    return word.encode().decode('unicode_escape').encode('latin-1') if '\\x' in word else word


def lines():
    far = str(int(time.time()) + 100000)
    for line in COMMANDS.replace('{f}', far).strip().splitlines():
        yield line, [unescape(word.strip('"')) for word in line.split(' ')]


class EventsTest(unittest.TestCase):

    def streams(self, server, classes, skip):
        """Returns, for each command, the reply's tag and the events that it published."""
        with server.client() as client, server.client() as listener:
            client.command('CONFIG', 'SET', 'notify-keyspace-events', classes)
            client.command('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
            listener.send('PSUBSCRIBE', '*')
            listener.read()
            result = []
            for line, command in lines():
                if command[0] in skip:
                    continue
                if 'short' in line or 'gone' in line:
                    time.sleep(0.005)
                reply = client.command(*command)
                client.command('PUBLISH', 'end', '')
                events = []
                while True:
                    _, channel, payload = self.message(listener.read())
                    if channel == b'end':
                        break
                    events.append((channel.decode(), payload.decode()))
                result.append((line, reply[0], events))
            return result

    @staticmethod
    def message(frame):
        return [item[1] for item in frame[1]][1:]

    def compare(self, classes, skip=()):
        with servers.RedisServer('--enable-debug-command', 'yes') as redis, \
                servers.TerraceServer('--threads', '4', '--enable-debug-command', 'yes') as terrace:
            lacking = [name for name in ('blpop', 'blmove', 'brpoplpush', 'blmpop', 'brpop',
                                         'bzpopmin', 'bzpopmax', 'bzmpop')
                       if not servers.has_command(terrace, name)]
            skip = (*skip, *lacking)
            expected = self.streams(redis, classes, skip)
            got = self.streams(terrace, classes, skip)
        different = [f'{line}\n  redis   {a} {x}\n  terrace {b} {y}'
                     for (line, a, x), (_, b, y) in zip(expected, got) if (a, x) != (b, y)]
        self.assertEqual(different, [], '\n' + '\n'.join(different))

    def test_any_set_of_classes_is_shown_as_redis_shows_it(self):
        letters = 'Ag$lshzxeKEtmdn'
        subsets = [''.join(letters[i] for i in range(len(letters)) if number >> i & 1)
                   for number in range(1 << len(letters))]

        def shown(server):
            with server.client() as client:
                replies = []
                for start in range(0, len(subsets), 512):
                    replies += client.pipeline(
                        [command for subset in subsets[start:start + 512] for command in (
                            ('CONFIG', 'SET', 'notify-keyspace-events', subset[::-1]),
                            ('CONFIG', 'GET', 'notify-keyspace-events'))])
                return replies

        with servers.RedisServer() as redis, servers.TerraceServer() as terrace:
            self.assertEqual(shown(terrace), shown(redis))

    def test_the_same_events_as_redis(self):
        self.compare('KEA')

    def test_the_same_events_as_redis_with_new_and_missed_keys(self):
        self.compare('KAnm')


if __name__ == '__main__':
    unittest.main()
