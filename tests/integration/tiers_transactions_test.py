"""MULTI/EXEC over forward routes: the regional tier runs it as one, and says what it says."""

import os
import signal
import threading
import time
import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import Answer, info, origin, regional, route

assert black_box

QUEUED = ('+', b'QUEUED')


def array(*replies):
    return '*', replies


def run(client, *commands):
    """The replies of a transaction, sent in one piece as libraries do; the last is EXEC's."""
    return client.pipeline([('MULTI',), *commands, ('EXEC',)])


class TransactionTest(tiers_world.World):

    def start(self, *more, **settings):
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis), route('f:', regional='near', **settings),
                            route('g:', regional='near', ttl='30s'), *more], '--threads', '2')
        client = self.client()
        self.eventually(lambda: client.command('SET', 'f:ready', 'v') == resp_wire.OK)
        return client

    def test_it_runs_on_the_regional_tier_as_one_and_copies_of_what_it_wrote_are_gone(self):
        client, other = self.start(), self.client()
        below = self.client(self.redis)
        self.assertEqual(client.command('GET', 'f:a'), resp_wire.NIL_BULK)
        self.assertEqual(other.command('GET', 'g:b'), resp_wire.NIL_BULK)
        monitor = self.client(self.redis)
        self.assertEqual(monitor.command('MONITOR'), resp_wire.OK)
        replies = run(client, ('SET', 'f:a', '1'), ('INCRBY', 'f:a', 9), ('LPUSH', 'g:b', 'x', 'y'),
                      ('GET', 'f:a'), ('INCR', 'g:b'))
        self.assertEqual(replies[:6], [resp_wire.OK] + [QUEUED] * 5)
        self.assertEqual(replies[6][1][:4], (resp_wire.OK, (':', 10), (':', 2), ('$', b'10')))
        self.assert_error(replies[6][1][4], b'WRONGTYPE')
        seen = []
        while not seen or b'"EXEC"' not in seen[-1]:
            seen.append(monitor.read()[1])
        names = [line.split(b'"')[1] for line in seen if b'TIME' not in line]
        self.assertEqual(names, [b'MULTI', b'SET', b'INCRBY', b'LPUSH', b'GET', b'INCR', b'EXEC'])
        self.assertEqual(other.call('GET', 'f:a'), b'10')
        self.assertEqual(other.call('LRANGE', 'g:b', 0, -1), [b'y', b'x'])
        self.assertEqual(below.call('GET', 'f:a'), b'10')

    def test_nobody_sees_half_of_one(self):
        client = self.start()
        run(client, ('SET', 'f:x', '0'), ('SET', 'f:y', '0'))
        over, torn = threading.Event(), []

        def read():
            reader = self.client()
            while not over.is_set():
                replies = run(reader, ('GET', 'f:x'), ('GET', 'f:y'))[-1][1]
                if replies[0] != replies[1]:
                    torn.append(replies)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for i in range(300):
            self.assertEqual(run(client, ('SET', 'f:x', i), ('SET', 'f:y', i))[-1],
                             array(resp_wire.OK, resp_wire.OK))
        over.set()
        for reader in readers:
            reader.join()
        self.assertEqual(torn[:3], [])

    def test_other_databases_and_pipelines_behind_it(self):
        client = self.start()
        client.command('SELECT', 3)
        replies = client.pipeline([('MULTI',), ('SET', 'f:n', 1), ('EXEC',), ('GET', 'f:n'),
                                   ('MULTI',), ('INCR', 'f:n'), ('EXEC',), ('GET', 'f:n')])
        self.assertEqual([replies[i] for i in (3, 6, 7)],
                         [('$', b'1'), array((':', 2)), ('$', b'2')])
        below = self.client(self.redis)
        self.assertEqual(below.call('GET', 'f:n'), None)
        below.command('SELECT', 3)
        self.assertEqual(below.call('GET', 'f:n'), b'2')

    def test_keys_that_one_regional_tier_cannot_run_are_refused_when_queued(self):
        other = self.start_redis()
        web = self.start_origin(lambda path: Answer('v'))
        client = self.start(regional(other, 'far'), route('far:', regional='far'), origin(web),
                            route('s:', regional='far', write='spill'), route('o:', origin='api'))
        for first, second in (('f:a', 'plain'), ('plain', 'f:a'), ('f:a', 's:a'), ('s:a', 'f:a'),
                              ('f:a', 'far:a'), ('o:a', 'f:a')):
            replies = run(client, ('SET', first, 'v'), ('SET', second, 'v'), ('PING',))
            self.assertEqual(replies[1], QUEUED)
            self.assert_error(replies[2], b'CROSSROUTE')
            self.assertEqual(replies[3], QUEUED)
            self.assert_error(replies[4], b'EXECABORT')
            self.assertEqual(client.call('EXISTS', 'f:a'), 0)
        for command in (('DEL', 'f:a', 'plain'), ('MGET', 's:a', 'f:a'), ('RENAME', 'f:a', 'far:b'),
                        ('EVAL', 'return 1', 2, 'f:a', 'plain')):
            replies = run(client, command)
            self.assert_error(replies[1], b'CROSSROUTE')
            self.assert_error(replies[2], b'EXECABORT')
        # A watch of a key here counts as well; without it the same is right.
        client.command('WATCH', 'plain')
        self.assert_error(run(client, ('SET', 'f:a', 'v'))[1], b'CROSSROUTE')
        self.assertEqual(run(client, ('SET', 'f:a', 'v'))[2], array(resp_wire.OK))
        self.assertEqual(run(client, ('SET', 'plain', 'v'), ('GET', 's:a'))[3],
                         array(resp_wire.OK, resp_wire.NIL_BULK))
        self.assert_error(run(client, ('SELECT', 1), ('SET', 'f:a', 'v'))[2], b'TIER', b'SELECT')
        self.assert_error(run(client, ('SET', 'f:a', 'v'), ('SELECT', 1))[2], b'TIER', b'SELECT')

    def test_what_has_no_keys_runs_here_and_in_its_place(self):
        client = self.start()
        subscriber = self.client()
        subscriber.command('SUBSCRIBE', 'news')
        replies = run(client, ('PING',), ('SET', 'f:a', 'v'), ('PUBLISH', 'news', 'a'),
                      ('GET', 'f:a'), ('EVAL', 'return 7', 0), ('DBSIZE',))
        self.assertEqual(replies[-1], array(('+', b'PONG'), resp_wire.OK, (':', 1), ('$', b'v'),
                                             (':', 7), (':', 0)))
        self.assertEqual(subscriber.read()[1][2], ('$', b'a'))

    def test_errors_of_queueing_are_those_of_redis(self):
        client, direct = self.start(), self.client(self.redis)
        for commands in ((('SET', 'f:a'), ('GET', 'f:a')), (('NONSENSE', 'f:a'),),
                         (('SET', 'f:a', 'v'), ('MULTI',)), (('SET', 'f:a', 'v'), ('DISCARD',)),
                         (('SET', 'f:a', 'v', 'nonsense'), ('GET', 'f:a'))):
            self.assertEqual(run(client, *commands), run(direct, *commands), commands)

    def test_what_the_regional_tier_does_not_queue_discards_all(self):
        client, below = self.start(), self.client(self.redis)
        below.command('ACL', 'SETUSER', 'default', '-incr')
        replies = run(client, ('SET', 'f:a', 'v'), ('INCR', 'f:n'))
        self.assert_error(replies[-1], b'EXECABORT', b'NOPERM')
        below.command('ACL', 'SETUSER', 'default', '+incr', '-multi')
        self.assertEqual(client.call('GET', 'f:a'), None)
        # Without MULTI they were executed one after the other: not what was asked for.
        self.assert_error(run(client, ('SET', 'f:a', 'v'), ('DEL', 'f:b'))[-1], b'TIER', b'MULTI',
                          b'may or may not have happened')
        below.command('ACL', 'SETUSER', 'default', '+multi')
        self.assertEqual(run(client, ('GET', 'f:a'))[-1], array(('$', b'v')))

    def test_blocking_commands_do_not_block_in_it(self):
        client = self.start()
        replies = run(client, ('BLPOP', 'f:l', 0), ('RPUSH', 'f:l', 'a'), ('BLPOP', 'f:l', 0),
                      ('XREAD', 'BLOCK', 0, 'STREAMS', 'f:x', '$'))
        self.assertEqual(replies[-1], array(resp_wire.NIL_ARRAY, (':', 1),
                                            array(('$', b'f:l'), ('$', b'a')),
                               resp_wire.NIL_ARRAY))

    def test_reads_see_what_the_origin_has(self):
        web = self.start_origin(lambda path: Answer('value of ' + path))
        client = self.start(origin(web), route('p:', regional='near', origin='api'))
        replies = run(client, ('GET', 'p:1'), ('GET', 'p:2'), ('SET', 'p:3', 'v'), ('GET', 'f:a'))
        self.assertEqual(replies[-1], array(('$', b'value of /p%3A1'), ('$', b'value of /p%3A2'),
                                             resp_wire.OK, resp_wire.NIL_BULK))
        web.script = lambda path: Answer(status=500)
        reply = run(client, ('SET', 'p:3', 'w'), ('GET', 'p:4'))[-1]
        self.assert_tier_error(reply, b'api', b'p:')
        self.assertEqual(client.call('GET', 'p:3'), b'v')
        self.assertEqual(run(client, ('SET', 'p:3', 'w'), ('GET', 'p:3'))[-1],
                         array(resp_wire.OK, ('$', b'w')))

    def test_a_tracking_client_caches_nothing_that_it_has_read_so(self):
        client = self.start()
        tracker = self.client(proto=3)
        tracker.command('CLIENT', 'TRACKING', 'ON')
        client.command('SET', 'f:a', 'v')
        for command in (('MULTI',), ('GET', 'f:a')):
            tracker.command(*command)
        self.assertEqual(tracker.command('EXEC'), array(('$', b'v')))
        self.assertEqual(tracker.read(), ('>', (('$', b'invalidate'), array(('$', b'f:a')))))

    def test_a_tier_that_is_down_or_silent_is_named_within_a_bounded_time(self):
        client = self.start(regional_timeout='400ms')
        os.kill(self.redis.pid, signal.SIGSTOP)
        began = time.monotonic()
        reply = run(client, ('SET', 'f:a', 'v'), ('SET', 'f:b', 'v'))[-1]
        os.kill(self.redis.pid, signal.SIGCONT)
        self.assertLess(time.monotonic() - began, 2.0)
        self.assert_tier_error(reply, b'near', b'f:')
        self.assert_error(reply, b'the transaction may or may not have happened')
        self.redis.kill()
        self.eventually(lambda: b'unreachable' in run(client, ('SET', 'f:a', 'v'))[-1][1])
        self.assertEqual(client.command('EXEC'), ('-', b'ERR EXEC without MULTI'))
        self.redis.start()
        self.eventually(lambda: run(client, ('SET', 'f:a', 'v'))[-1] == array(resp_wire.OK))
        lines = info(client)
        self.assertEqual((lines['parked_requests'], lines['route0']['relays_in_flight']), (0, 0))


class KillTest(tiers_world.World):

    def test_kill_9_in_the_middle_leaves_all_or_nothing_and_says_that_it_may_be_either(self):
        redis = self.start_durable_redis()
        self.start_terrace([regional(redis, reconnect_delay_max='100ms',
                                     **{'breaker.open_ms': 100, 'breaker.open_max_ms': 200}),
                            route('f:', regional='near', regional_timeout='700ms')])
        client = self.client()
        filler = b'x' * 20000
        state, done, outcomes = None, 0, {'done': 0, 'unknown': 0, 'refused': 0}
        possible = {None}
        began = time.monotonic()
        killer_over = threading.Event()

        def has_seen_enough():
            return outcomes['done'] > 20 and outcomes['unknown'] > 0

        def goes_on():
            return time.monotonic() - began < (6 if has_seen_enough() else 60)

        def kill():
            while not killer_over.wait(0.25):
                redis.kill()
                redis.start()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            while goes_on():
                done += 1
                value = b'%d' % done
                reply = run(client, ('SET', 'f:x', value), ('SET', 'f:filler', filler),
                            ('SET', 'f:y', value))[-1]
                if reply[0] == '*':
                    possible = {value}
                    outcomes['done'] += 1
                elif b'may or may not have happened' in reply[1]:
                    possible.add(value)
                    outcomes['unknown'] += 1
                else:
                    outcomes['refused'] += 1
                    self.assert_error(reply, b'TIER ', b'nothing was written')
                state = run(client, ('GET', 'f:x'), ('GET', 'f:y'))[-1]
                if state[0] != '*':
                    continue
                x, y = (value for _, value in state[1])
                self.assertEqual(x, y)
                self.assertIn(x, possible)
                possible = {x}
        finally:
            killer_over.set()
            killer.join()
        self.assertTrue(has_seen_enough(), outcomes)


if __name__ == '__main__':
    unittest.main()
