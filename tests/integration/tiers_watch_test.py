"""WATCH of keys of forward routes: the regional tier watches, over a leased connection."""

import threading
import time
import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import Answer, info, origin, regional, route

assert black_box


def array(*replies):
    return '*', replies


def run(client, *commands):
    return client.pipeline([('MULTI',), *commands, ('EXEC',)])[-1]


class WatchTest(tiers_world.World):

    def start(self, *more, **settings):
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis, reconnect_delay_max='100ms', **settings),
                            route('f:', regional='near', regional_timeout='500ms'),
                            route('g:', regional='near', regional_timeout='500ms'), *more],
                           '--threads', '2')
        client = self.client()
        self.eventually(lambda: client.command('SET', 'f:a', '1') == resp_wire.OK)
        return client

    def in_use(self, client):
        return info(client)['leases0']['in_use']

    def test_exec_does_nothing_when_a_key_was_changed_by_whomever(self):
        client, other, below = self.start(), self.client(), self.client(self.redis)
        changes = (lambda: other.call('SET', 'f:a', 'x'), lambda: below.call('SET', 'f:a', 'x'),
                   lambda: client.call('SET', 'f:a', 'x'), lambda: below.call('DEL', 'f:a'),
                   lambda: below.call('SET', 'g:b', 'x'), lambda: run(other, ('SET', 'g:b', 'y')),
                   lambda: below.call('FLUSHALL'))
        for change in changes:
            client.call('SET', 'f:a', '1')
            self.assertEqual(client.command('WATCH', 'f:a', 'g:b'), resp_wire.OK)
            change()
            self.assertEqual(run(client, ('SET', 'f:a', 'mine')), resp_wire.NIL_ARRAY)
            self.assertNotEqual(client.call('GET', 'f:a'), b'mine')
        self.assertEqual(run(client, ('SET', 'f:a', 'mine')), array(resp_wire.OK))
        self.assertEqual(self.in_use(client), 0)

    def test_exec_executes_when_none_was(self):
        client, below = self.start(), self.client(self.redis)
        for _ in range(3):
            self.assertEqual(client.command('WATCH', 'f:a'), resp_wire.OK)
            self.assertEqual(client.command('WATCH', 'g:b'), resp_wire.OK)
            self.assertEqual(self.in_use(client), 1)
            value = int(client.call('GET', 'f:a'))
            below.call('SET', 'f:other', 'x')
            self.assertEqual(run(client, ('SET', 'f:a', value + 1), ('PING',)),
                             array(resp_wire.OK, ('+', b'PONG')))
        self.assertEqual(client.call('GET', 'f:a'), b'4')
        self.assertEqual(info(client)['leases0']['opened'], 1)

    def test_what_is_read_under_a_watch_is_no_older_than_it(self):
        client, below = self.start(), self.client(self.redis)
        self.assertEqual(client.call('GET', 'f:a'), b'1')
        below.call('SET', 'f:a', '50')
        self.assertEqual(client.call('GET', 'f:a'), b'1')
        client.command('WATCH', 'f:a')
        self.assertEqual(client.call('GET', 'f:a'), b'50')

    def test_many_who_count_up_by_watching_lose_no_count(self):
        client = self.start()
        wins, failures = [], []

        def count_up():
            one = self.client()
            for _ in range(40):
                one.command('WATCH', 'f:a')
                value = int(one.call('GET', 'f:a'))
                reply = run(one, ('SET', 'f:a', value + 1))
                if reply == array(resp_wire.OK):
                    wins.append(1)
                elif reply != resp_wire.NIL_ARRAY:
                    failures.append(reply)

        threads = [threading.Thread(target=count_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures[:3], [])
        self.assertEqual(client.call('GET', 'f:a'), b'%d' % (1 + len(wins)))
        self.assertGreater(len(wins), 10)

    def test_unwatch_discard_reset_and_the_end_of_the_client_end_it(self):
        client, below = self.start(), self.client(self.redis)
        for end in (('UNWATCH',), ('DISCARD',), ('RESET',)):
            client.command('WATCH', 'f:a')
            self.assertEqual(self.in_use(client), 1)
            if end[0] == 'DISCARD':
                client.command('MULTI')
            self.assertEqual(client.command(*end)[0], '+')
            below.call('INCR', 'f:a')
            self.assertEqual(run(client, ('GET', 'f:none')), array(resp_wire.NIL_BULK))
            self.eventually(lambda: self.in_use(client) == 0)
        other = self.client()
        other.command('WATCH', 'f:a')
        other.close()
        self.eventually(lambda: self.in_use(client) == 0)
        # Whoever gets the connection next watches nothing of those before.
        client.command('WATCH', 'g:b')
        below.call('INCR', 'f:a')
        self.assertEqual(run(client, ('GET', 'f:none')), array(resp_wire.NIL_BULK))
        self.assertEqual(info(client)['leases0']['opened'], 1)

    def test_a_transaction_without_keys_looks_at_the_watches_too(self):
        client, below = self.start(), self.client(self.redis)
        for commands in ((), (('PING',),)):
            client.command('WATCH', 'f:a')
            below.call('INCR', 'f:a')
            self.assertEqual(run(client, *commands), resp_wire.NIL_ARRAY)
        client.command('WATCH', 'f:a')
        self.assertEqual(run(client), array())

    def test_other_databases(self):
        client, below = self.start(), self.client(self.redis)
        client.command('SELECT', 2)
        client.command('WATCH', 'f:a')
        below.call('INCR', 'f:a')
        self.assertEqual(run(client, ('SET', 'f:a', '1')), array(resp_wire.OK))
        client.command('WATCH', 'f:a')
        below.command('SELECT', 2)
        below.call('INCR', 'f:a')
        self.assertEqual(run(client, ('SET', 'f:a', '1')), resp_wire.NIL_ARRAY)

    def test_keys_of_other_routes_are_refused_beside_them(self):
        web = self.start_origin(lambda path: Answer('v'))
        client = self.start(origin(web), route('o:', origin='api'))
        self.assert_error(client.command('WATCH', 'f:a', 'plain'), b'CROSSROUTE')
        self.assert_error(client.command('WATCH', 'o:a'), b'TIER')
        client.command('WATCH', 'f:a')
        self.assert_error(client.command('WATCH', 'plain'), b'CROSSROUTE')
        replies = client.pipeline([('MULTI',), ('SET', 'plain', 'v'), ('EXEC',)])
        self.assert_error(replies[1], b'CROSSROUTE')
        self.assert_error(replies[2], b'EXECABORT')
        client.command('WATCH', 'plain')
        self.assert_error(client.command('WATCH', 'f:a'), b'CROSSROUTE')
        client.command('UNWATCH')
        self.assertEqual(client.pipeline([('MULTI',), ('WATCH', 'f:a'), ('DISCARD',)])[1],
                         ('-', b'ERR WATCH inside MULTI is not allowed'))
        self.assertEqual(self.in_use(client), 0)

    def test_keys_that_only_the_origin_has_can_be_watched(self):
        web = self.start_origin(lambda path: Answer('7'))
        client = self.start(origin(web), route('p:', regional='near', origin='api'))
        client.command('WATCH', 'p:1')
        self.assertEqual(client.call('GET', 'p:1'), b'7')
        self.assertEqual(run(client, ('INCR', 'p:1')), array((':', 8)))

    def test_who_watches_for_too_long_finds_its_keys_changed(self):
        client = self.start(watch_max='300ms')
        client.command('WATCH', 'f:a')
        self.eventually(lambda: self.in_use(client) == 0, timeout_s=3)
        self.assertEqual(client.command('WATCH', 'g:b'), resp_wire.OK)
        self.assertEqual(run(client, ('SET', 'f:a', 'mine')), resp_wire.NIL_ARRAY)
        client.command('WATCH', 'f:a')
        self.assertEqual(run(client, ('SET', 'f:a', 'mine')), array(resp_wire.OK))

    def test_a_lost_tier_loses_the_watch_and_says_so(self):
        client = self.start()
        client.command('WATCH', 'f:a')
        self.redis.restart(hard=True)
        self.eventually(lambda: self.client().command('SET', 'f:b', 'v') == resp_wire.OK)
        self.assertEqual(run(client, ('SET', 'f:a', 'mine')), resp_wire.NIL_ARRAY)
        self.assertEqual(client.call('GET', 'f:a'), None)
        self.redis.kill()
        self.eventually(lambda: client.command('GET', 'f:none')[0] == '-')
        self.assert_tier_error(client.command('WATCH', 'f:a'), b'near', b'f:')
        self.redis.start()
        self.eventually(lambda: client.command('WATCH', 'f:a') == resp_wire.OK)
        time.sleep(0.1)
        self.assertEqual(run(client, ('SET', 'f:a', 'mine')), array(resp_wire.OK))


if __name__ == '__main__':
    unittest.main()
