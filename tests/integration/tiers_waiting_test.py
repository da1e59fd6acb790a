"""Blocking commands on forward routes: the regional tier keeps the line."""

import os
import signal
import threading
import time
import unittest

import black_box  # for the path to the helpers
import fault_proxy
import resp_wire
import tiers_world
from tiers_world import info, regional, route

assert black_box


def array(*replies):
    return '*', replies


def bulk(text):
    return '$', text.encode()


class WaitingTest(tiers_world.World):

    def start(self, *more, proxied=False, **settings):
        self.redis = self.start_redis()
        port = self.redis
        if proxied:
            self.proxy = fault_proxy.FaultProxy(self.redis.port)
            self.addCleanup(self.proxy.close)
            port = self.proxy.port
        self.start_terrace([regional(port, reconnect_delay_max='100ms', **settings),
                            route('f:', regional='near', regional_timeout='500ms'),
                            route('g:', regional='near', regional_timeout='500ms'), *more],
                           '--threads', '2')
        client = self.client()
        self.eventually(lambda: client.command('SET', 'f:ready', 'v') == resp_wire.OK)
        return client

    def leases(self, client):
        return info(client)['leases0']

    def wait_for_blocked(self, client, count):
        """Until the regional tier has so many clients that wait."""
        below = self.client(self.redis)
        self.eventually(lambda: b'blocked_clients:%d\r\n' % count in below.call('INFO', 'clients'))

    def test_each_is_served_by_what_others_push_wherever_they_do(self):
        client, below = self.start(), self.client(self.redis)
        pushes = ((('BLPOP', 'f:l', 'g:l', 0), ('RPUSH', 'g:l', 'a'),
                   array(bulk('g:l'), bulk('a'))),
                  (('BRPOP', 'f:l', 5), ('RPUSH', 'f:l', 'a'), array(bulk('f:l'), bulk('a'))),
                  (('BLMOVE', 'f:l', 'g:m', 'LEFT', 'RIGHT', 0), ('RPUSH', 'f:l', 'a'), bulk('a')),
                  (('BRPOPLPUSH', 'f:l', 'g:m', 0), ('RPUSH', 'f:l', 'b'), bulk('b')),
                  (('BLMPOP', 0, 1, 'f:l', 'LEFT'), ('RPUSH', 'f:l', 'a'),
                   array(bulk('f:l'), array(bulk('a')))),
                  (('BZPOPMIN', 'f:z', 0), ('ZADD', 'f:z', 1, 'a'),
                   array(bulk('f:z'), bulk('a'), bulk('1'))),
                  (('BZPOPMAX', 'f:z', 0.0), ('ZADD', 'f:z', 1, 'a'),
                   array(bulk('f:z'), bulk('a'), bulk('1'))),
                  (('BZMPOP', 0, 1, 'f:z', 'MIN'), ('ZADD', 'f:z', 1, 'a'),
                   array(bulk('f:z'), array(array(bulk('a'), bulk('1'))))),
                  (('XREAD', 'BLOCK', 0, 'STREAMS', 'f:x', '$'), ('XADD', 'f:x', '1-1', 'f', 'v'),
                   array(array(bulk('f:x'), array(array(bulk('1-1'),
                                                        array(bulk('f'), bulk('v'))))))))
        for number, (wait, push, served) in enumerate(pushes):
            with self.subTest(wait=wait):
                waiter = self.client()
                waiter.send(*wait)
                self.wait_for_blocked(client, 1)
                (client, below)[number % 2].call(*push)
                self.assertEqual(waiter.read(), served)
        below.call('XGROUP', 'CREATE', 'f:x', 'group', '$')
        waiter = self.client(proto=3)
        waiter.send('XREADGROUP', 'GROUP', 'group', 'me', 'BLOCK', 5000, 'STREAMS', 'f:x', '>')
        self.wait_for_blocked(client, 1)
        client.call('XADD', 'f:x', '1-2', 'f', 'v')
        self.assertEqual(waiter.read()[0], '%')
        self.assertEqual(client.call('LRANGE', 'g:m', 0, -1), [b'b', b'a'])
        self.assertEqual((self.leases(client)['in_use'], info(client)['parked_requests']), (0, 0))
        # One at a time waited: the same connection served them all.
        self.assertEqual(self.leases(client)['opened'], 1)

    def test_what_is_popped_is_gone_from_every_copy_before_the_reply(self):
        client, other = self.start(), self.client()
        for i in range(100):
            client.call('RPUSH', 'f:l', i, 'last')
            self.assertEqual(other.call('LLEN', 'f:l'), 2)
            self.assertEqual(client.call('BLPOP', 'f:l', 1), [b'f:l', b'%d' % i])
            self.assertEqual(other.call('LRANGE', 'f:l', 0, -1), [b'last'])
            self.assertEqual(client.call('BLMOVE', 'f:l', 'g:m', 'LEFT', 'RIGHT', 1), b'last')
            self.assertEqual(other.call('LLEN', 'g:m'), i + 1)

    def test_the_timeout_is_the_clients_and_nothing_is_taken_after_it(self):
        client, below = self.start(), self.client(self.redis)
        for proto, nil in ((2, resp_wire.NIL_ARRAY), (3, resp_wire.NULL)):
            waiter = self.client(proto=proto)
            began = time.monotonic()
            self.assertEqual(waiter.command('BLPOP', 'f:l', 0.7), nil)
            self.assertGreater(time.monotonic() - began, 0.65)
            self.assertLess(time.monotonic() - began, 1.6)
        self.assertEqual(self.client().command('BLMOVE', 'f:l', 'f:m', 'LEFT', 'LEFT', 0.05),
                         resp_wire.NIL_ARRAY)
        below.call('RPUSH', 'f:l', 'a')
        time.sleep(0.1)
        self.assertEqual(below.call('LLEN', 'f:l'), 1)
        for command in (('BLPOP', 'f:l', -1), ('BLPOP', 'f:l', 'x'),
                        ('BLMPOP', 'x', 1, 'f:l', 'LEFT'), ('BLPOP', 'f:ready', 1),
                        ('XREAD', 'BLOCK', -1, 'STREAMS', 'f:x', '$'),
                        ('BLPOP', 'f:l', '1e300')):
            self.assertEqual(client.command(*command), below.command(*command))
        self.assert_error(client.command('BLPOP', 'f:l', 'plain', 1), b'CROSSROUTE')

    def test_a_client_that_goes_takes_nothing(self):
        client, below = self.start(), self.client(self.redis)
        for way in ('close', 'kill'):
            waiters = [self.client() for _ in range(5)]
            for waiter in waiters:
                waiter.send('BLPOP', 'f:l', 0)
            self.wait_for_blocked(client, 5)
            if way == 'close':
                for waiter in waiters:
                    waiter.close()
            else:
                lines = client.call('CLIENT', 'LIST').decode().splitlines()
                blocked = [line for line in lines if 'flags=b' in line]
                self.assertEqual(len(blocked), 5)
                for line in blocked:
                    client.call('CLIENT', 'KILL', 'ID', line.split('=')[1].split()[0])
            self.wait_for_blocked(client, 0)
            below.call('RPUSH', 'f:l', 'a', 'b', 'c')
            time.sleep(0.1)
            self.assertEqual(client.call('LLEN', 'f:l'), 3)
            client.call('DEL', 'f:l')
            self.eventually(lambda: self.leases(client)['in_use'] == 0)

    def test_client_unblock(self):
        client, below = self.start(), self.client(self.redis)
        for reason, answer in (('TIMEOUT', resp_wire.NIL_ARRAY),
                               ('ERROR', ('-', b'UNBLOCKED client unblocked via CLIENT UNBLOCK'))):
            for at_once in (False, True):
                waiter = self.client()
                waiter_id = waiter.call('CLIENT', 'ID')
                waiter.send('BLPOP', 'f:l', 0)
                if not at_once:
                    self.wait_for_blocked(client, 1)
                self.eventually(lambda: client.call('CLIENT', 'UNBLOCK', waiter_id, reason) == 1)
                self.assertEqual(waiter.read(), answer)
                self.assertEqual(client.call('CLIENT', 'UNBLOCK', waiter_id), 0)
                self.assertEqual(waiter.call('PING'), b'PONG')
        below.call('RPUSH', 'f:l', 'a')
        time.sleep(0.1)
        self.assertEqual(client.call('LLEN', 'f:l'), 1)

    def test_many_wait_while_others_work_and_each_element_is_served_once(self):
        client = self.start()
        waiters = [self.client() for _ in range(60)]
        for waiter in waiters:
            waiter.send('BRPOP', 'f:l', 'g:l', 0)
        self.wait_for_blocked(client, 60)
        for i in range(60):
            client.call('LPUSH', ('f:l', 'g:l')[i % 2], i)
            self.assertEqual(client.command('SET', 'f:k', i), resp_wire.OK)
            self.assertEqual(client.call('GET', 'f:k'), b'%d' % i)
        served = [int(waiter.read()[1][1][1]) for waiter in waiters]
        self.assertEqual(sorted(served), list(range(60)))
        self.assertEqual(client.call('EXISTS', 'f:l', 'g:l'), 0)

    def test_their_number_is_limited_and_those_that_rest_are_closed(self):
        client = self.start(leases_max=3, lease_idle='300ms')
        waiters = [self.client() for _ in range(3)]
        for waiter in waiters:
            waiter.send('BLPOP', 'f:l', 0)
        self.wait_for_blocked(client, 3)
        reply = self.client().command('BLPOP', 'f:l', 1)
        self.assert_tier_error(reply, b'near', b'f:')
        self.assert_error(reply, b'leases_max', b'nothing was written')
        self.assert_error(self.client().command('WATCH', 'f:l'), b'TIER ', b'leases_max')
        leases = self.leases(client)
        self.assertEqual((leases['in_use'], leases['max'], leases['refused']), (3, 3, 2))
        client.call('RPUSH', 'f:l', 1, 2, 3)
        self.assertEqual({waiter.read()[1][1] for waiter in waiters},
                         {bulk('1'), bulk('2'), bulk('3')})
        self.assertEqual(self.leases(client)['idle'], 3)
        self.eventually(lambda: self.leases(client)['idle'] == 0, timeout_s=3)
        below = self.client(self.redis)
        self.eventually(lambda: below.call('CLIENT', 'LIST').count(b'name=terrace') == 1)

    def test_a_tier_that_is_lost_ends_the_wait_with_its_name(self):
        client = self.start()
        waiter = self.client()
        waiter.send('BLPOP', 'f:l', 0)
        self.wait_for_blocked(client, 1)
        self.redis.kill()
        reply = waiter.read()
        self.assert_tier_error(reply, b'near', b'f:')
        self.assert_error(reply, b'may or may not have happened')
        self.assert_tier_error(waiter.command('BLPOP', 'f:l', 1), b'near', b'f:')
        self.redis.start()
        self.eventually(lambda: waiter.command('RPUSH', 'f:l', 'a')[0] == ':')
        self.eventually(lambda: waiter.command('BLPOP', 'f:l', 1) == array(bulk('f:l'), bulk('a')))

    def test_a_tier_that_hangs_is_waited_for_no_longer_than_said(self):
        client = self.start()
        waiter = self.client()
        waiter.send('BLPOP', 'f:l', 2)
        self.wait_for_blocked(client, 1)
        os.kill(self.redis.pid, signal.SIGSTOP)
        began = time.monotonic()
        reply = waiter.read()
        os.kill(self.redis.pid, signal.SIGCONT)
        self.assertLess(time.monotonic() - began, 4.0)
        self.assert_tier_error(reply, b'near', b'f:')
        self.assert_error(reply, b'timeout')

    def test_what_was_given_up_takes_nothing_later(self):
        """A push that is acknowledged after the error finds nobody of the time before it."""
        client = self.start(proxied=True)
        for _ in range(5):
            waiter = self.client()
            waiter.send('BLPOP', 'f:l', 0)
            self.wait_for_blocked(client, 1)
            self.proxy.mode = 'silent'
            self.proxy.reset()
            self.assert_error(waiter.read(), b'TIER ')
            self.proxy.mode = 'pass'
            self.eventually(lambda: client.command('RPUSH', 'f:l', 'a') == (':', 1))
            time.sleep(0.05)
            self.assertEqual(client.call('LPOP', 'f:l'), b'a')


if __name__ == '__main__':
    unittest.main()
