"""Tiers that are slow, down or mad: bounded errors that name them, and nobody else notices."""

import contextlib
import os
import signal
import socket
import threading
import time
import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import (Answer, info, origin, regional, route, upstream_state,
                         upstream_text)

import servers


assert black_box


class MadServer:
    """Accepts connections and answers whatever arrives with the same bytes; b'' is silence."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                if self.answer:
                    connection.sendall(self.answer)

    def close(self):
        for one in (self.listener, *self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class FaultTest(tiers_world.World):

    def start_mad(self, answer):
        mad = MadServer(answer)
        self.addCleanup(mad.close)
        return mad

    def timed(self, client, *command):
        began = time.monotonic()
        reply = client.command(*command)
        return reply, time.monotonic() - began

    def test_a_regional_tier_that_talks_nonsense_is_named_and_bounded(self):
        good = self.start_redis()
        for answer in (b'HTTP/1.1 400 Bad Request\r\n\r\n', b'\x00\xff\xfe' * 50, b'+OK\r\n',
                       b'$-1\r\n', b':1\r\n', b'$5\r\nabc', b'$999999999999\r\n',
                       b'*1000000000\r\n', b'*1\r\n' * 5000, b'', b'-ERR no\r\n',
                       b'$3\r\nabc\r\n' * 30):
            with self.subTest(answer=answer[:20]):
                mad = self.start_mad(answer)
                server = self.start_terrace(
                    [regional(mad, regional_name, connect_timeout='300ms')
                     for regional_name in ('mad',)] +
                    [regional(good), route('m:', regional='mad', regional_timeout='300ms'),
                     route('x:', regional='mad', write='spill', regional_timeout='300ms'),
                     route('g:', regional='near')],
                    # What is to be spilled there never arrives.
                    '--shutdown-timeout', '1')
                client = self.client(server)
                for command in (('SET', 'm:1', 'v'), ('GET', 'm:1'), ('INCR', 'm:1'),
                                ('GET', 'x:1')):
                    reply, took = self.timed(client, *command)
                    self.assertLess(took, 2.5)
                    if reply[0] == '-':
                        self.assertIn(b'mad', reply[1])
                self.assertEqual(client.command('SET', 'g:1', 'v'), resp_wire.OK)
                self.assertEqual(client.call('GET', 'g:1'), b'v')
                self.assertEqual(client.command('SET', 'x:2', 'v'), resp_wire.OK)
                self.assertEqual(client.call('GET', 'x:2'), b'v')
                self.assertEqual(client.command('SET', 'plain', 'v'), resp_wire.OK)
                self.assertLess(server.resident_bytes(), 200 << 20)
                server.close()

    def test_an_origin_that_fails_is_named_and_other_routes_go_on(self):
        answers = {'500': Answer(status=500), 'garbage': Answer(raw=b'\x00\x01\x02' * 100),
                   'short': Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc'),
                   'nothing': Answer(raw=b''), 'slow': Answer('v', delay_s=3),
                   'redirect': Answer(status=302, Location='http://127.0.0.1:1/'),
                   'fine': Answer('v')}
        web = self.start_origin(lambda path: answers[path.split('A')[1]])
        self.start_terrace([origin(web, **{'breaker.failures_to_open': 1000}),
                            route('p:', origin='api', origin_timeout='400ms')])
        client = self.client()
        for name in answers:
            with self.subTest(name=name):
                reply, took = self.timed(client, 'GET', f'p:{name}')
                self.assertLess(took, 1.5)
                if name == 'fine':
                    self.assertEqual(reply, ('$', b'v'))
                else:
                    self.assert_tier_error(reply, b'api', b'p:')
        self.assertEqual(client.call('DBSIZE'), 1)

    def test_the_breaker_opens_tries_and_closes(self):
        state = {'answer': Answer(raw=b'')}
        web = self.start_origin(lambda path: state['answer'])
        self.start_terrace([origin(web, **{'breaker.failures_to_open': 3, 'breaker.open_ms': 400}),
                            route('p:', origin='api', negative_ttl=0, origin_timeout='3s')])
        client, admin = self.client(), self.client()
        self.assertNotIn(upstream_state(admin, 'api'), ('open', 'half_open'))
        for i in range(3):
            self.assert_tier_error(client.command('GET', f'p:{i}'), b'api', b'p:')
        self.eventually(lambda: upstream_state(admin, 'api') == 'open', timeout_s=0.3)
        asked = web.total
        for i in range(50):
            self.assert_error(client.command('GET', f'p:{i}'), b'breaker_open')
        self.assertEqual(web.total, asked)
        state['answer'] = Answer('v', delay_s=1.0)
        time.sleep(0.45)
        client.send('GET', 'p:probe')
        self.eventually(lambda: upstream_state(admin, 'api') == 'half_open', timeout_s=0.9)
        self.assert_error(admin.command('GET', 'p:other'), b'breaker_open')
        self.assertEqual(client.read(), ('$', b'v'))
        self.eventually(lambda: upstream_state(admin, 'api') not in ('open', 'half_open'))
        self.assertEqual(admin.command('GET', 'p:other'), ('$', b'v'))

    def hit_p99_ms(self, client, count=3000):
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.assertEqual(client.command('GET', 'h:hit'), ('$', b'v'))
            times.append(time.perf_counter() - began)
        return sorted(times)[count * 99 // 100] * 1000

    def start_hanging_origin(self):
        """An origin that answers paths with 'slow' in them once the event is set."""
        released = threading.Event()
        self.addCleanup(released.set)

        def script(path):
            if 'slow' in path:
                released.wait(20)
            return Answer('v')
        return self.start_origin(script), released

    def test_hits_are_as_fast_while_the_origin_hangs(self):
        web, released = self.start_hanging_origin()
        self.start_terrace([origin(web, **{'breaker.failures_to_open': 100000}),
                            route('h:', origin='api'),
                            route('slow:', origin='api', timeout='20s', origin_timeout='20s')],
                           '--threads', '2')
        client = self.client()
        client.command('GET', 'h:hit')
        calm = self.hit_p99_ms(client)
        waiting = [self.client(timeout_s=30.0) for _ in range(200)]
        for i, one in enumerate(waiting):
            one.send('GET', f'slow:{i}')
        self.eventually(lambda: info(client)['parked_requests'] == 200)
        busy = self.hit_p99_ms(client)
        print(f'p99 of hits: {calm:.3f} ms, with 200 requests parked {busy:.3f} ms')
        self.assertLess(busy, 3 * calm + 2)
        released.set()
        for one in waiting:
            self.assertEqual(one.read(), ('$', b'v'))

    def test_limits_change_while_requests_are_parked(self):
        web, released = self.start_hanging_origin()
        self.start_terrace([origin(web),
                            route('slow:', origin='api', timeout='20s', origin_timeout='20s')])
        client = self.client()
        client.command('CONFIG', 'SET', 'parked_requests_max', 2)
        waiting = [self.client(timeout_s=30.0) for _ in range(3)]
        for i, one in enumerate(waiting[:2]):
            one.send('GET', f'slow:{i}')
        self.eventually(lambda: info(client)['parked_requests'] == 2)
        self.assert_error(client.command('GET', 'slow:2'), b'TIER', b'parked_requests_max')
        client.command('CONFIG', 'SET', 'parked_requests_max', 100, 'fetches_in_flight_max', 2)
        self.assert_error(client.command('GET', 'slow:2'), b'TIER', b'fetches_in_flight_max')
        client.command('CONFIG', 'SET', 'fetches_in_flight_max', 3)
        waiting[2].send('GET', 'slow:2')
        self.eventually(lambda: info(client)['parked_requests'] == 3)
        released.set()
        for one in waiting:
            self.assertEqual(one.read(), ('$', b'v'))

    def test_a_regional_tier_that_is_down_from_the_start_is_used_once_it_is_there(self):
        redis = servers.RedisServer()
        self.addCleanup(redis.close)
        redis.port = servers.free_port()
        self.start_terrace([regional(redis, reconnect_delay_max='200ms'),
                            route('f:', regional='near')])
        client = self.client()
        reply, took = self.timed(client, 'SET', 'f:1', 'v')
        self.assert_tier_error(reply, b'near', b'f:')
        self.assertLess(took, 2.0)
        redis.start()
        self.eventually(lambda: client.command('SET', 'f:1', 'v') == resp_wire.OK)
        self.assertEqual(client.call('GET', 'f:1'), b'v')


class ShutdownTest(tiers_world.World):

    def start_parked(self, count=50):
        """Starts a Terrace with requests that wait for a silent origin and a stopped Redis."""
        redis = self.start_redis()
        web = self.start_origin(lambda path: Answer('v', delay_s=8))
        self.start_terrace([regional(redis), origin(web),
                            route('o:', origin='api', timeout='30s', origin_timeout='30s'),
                            route('f:', regional='near', timeout='30s', regional_timeout='30s')],
                           '--threads', '2', '--shutdown-timeout', '1')
        os.kill(redis.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, redis.pid, signal.SIGCONT)
        admin = self.client()
        waiting = [self.client() for _ in range(count)]
        for i, one in enumerate(waiting):
            one.send(*(('GET', f'o:{i % 10}'), ('SET', f'f:{i}', 'v'), ('GET', f'f:{i}'))[i % 3])
        self.eventually(lambda: info(admin)['parked_requests'] == count)
        return admin, waiting

    def assert_ends(self, waiting, began):
        self.assertEqual(self.server.process.wait(15), 0, self.server.log_tail())
        took = time.monotonic() - began
        print(f'ended {took:.2f} s after it was told to, with {len(waiting)} requests parked')
        for one in waiting:
            for reply in one.wait_closed():
                self.assert_error(reply, b'TIER')

    def test_shutdown_ends_while_requests_are_parked(self):
        admin, waiting = self.start_parked()
        began = time.monotonic()
        admin.send('SHUTDOWN', 'NOSAVE')
        self.assert_ends(waiting, began)

    def test_sigterm_ends_while_requests_are_parked(self):
        _, waiting = self.start_parked()
        began = time.monotonic()
        os.kill(self.server.pid, signal.SIGTERM)
        self.assert_ends(waiting, began)

    def test_clients_that_leave_while_parked_leave_nothing_behind(self):
        admin, waiting = self.start_parked()
        for one in waiting:
            one.close()
        self.eventually(lambda: info(admin)['parked_requests'] == 0)
        self.assertEqual(admin.command('SET', 'plain', 'v'), resp_wire.OK)


class HealthTest(tiers_world.World):

    def log_lines(self, event):
        return [line for line in self.server.log().decode().splitlines() if event in line]

    def test_info_tells_the_last_error_and_the_last_refusal_and_recovery_is_logged_without(self):
        answers = {'refused': Answer(status=503), 'broken': Answer(raw=b'nonsense'),
                   'fine': Answer('v')}
        web = self.start_origin(lambda path: answers[path.rpartition('A')[2]])
        self.start_terrace([origin(web), route('p:', origin='api')])
        client, begin_s = self.client(), int(time.time())

        def times():
            line = info(client)['upstream0']
            return line['last_error_time'], line['last_refusal_time']

        self.assertEqual(client.call('GET', 'p:fine'), b'v')
        self.assertEqual(times(), (0, 0))
        self.assertEqual(upstream_text(client, 'api', 'last_error'), '')
        client.command('GET', 'p:refused')
        self.eventually(lambda: upstream_text(client, 'api', 'last_refusal') == 'HTTP 503')
        self.assertEqual(upstream_text(client, 'api', 'last_error'), 'refused: HTTP 503')
        client.command('GET', 'p:broken')
        self.eventually(lambda: upstream_text(client, 'api', 'last_error').startswith('protocol: '))
        self.assertEqual(upstream_text(client, 'api', 'last_refusal'), 'HTTP 503')
        for moment in times():
            self.assertTrue(begin_s <= moment <= time.time() + 1, moment)
        self.eventually(lambda: upstream_state(client, 'api') == 'down')
        answers['broken'] = Answer('better')
        self.assertEqual(client.call('GET', 'p:broken'), b'better')
        self.eventually(lambda: upstream_state(client, 'api') == 'up')
        down, up = self.log_lines('upstream_state')[-2:]
        self.assertIn('state=down', down)
        self.assertIn('detail=', down)
        self.assertIn('state=up', up)
        self.assertNotIn('detail=', up)

    def start_before_half_a_redis(self, denied):
        redis = self.start_redis()
        below = self.client(redis)
        below.call('ACL', 'SETUSER', 'half', 'on', '>secret', '~*', '&*', '+@all', denied)
        self.start_terrace([regional(redis, username='half', password='secret'),
                            route('p:', regional='near')])
        return below

    def test_a_fence_that_is_not_permitted_is_said_in_info_and_logged_at_each_reconnect(self):
        below = self.start_before_half_a_redis('-client|kill')
        client = self.client()
        self.assertEqual(client.command('SET', 'p:1', 'v'), resp_wire.OK)
        self.assertEqual(upstream_text(client, 'near', 'warning'), '')
        for losses in (1, 2):
            # Back within a tick: for who looks at it now and then the state has not changed.
            below.call('CLIENT', 'KILL', 'USER', 'half')
            self.eventually(lambda: len(self.log_lines('regional_connected')) == losses + 1)
            self.eventually(lambda: 'no permission for CLIENT KILL: '
                            in upstream_text(client, 'near', 'warning'))
        first, *later = self.log_lines('regional_connected')
        self.assertNotIn('warning=', first)
        for line in later:
            self.assertIn('no permission for CLIENT KILL', line)
        # Nor is it news after a while without a connection.
        below.call('ACL', 'SETUSER', 'half', 'off')
        below.call('CLIENT', 'KILL', 'USER', 'half')
        self.eventually(lambda: upstream_state(client, 'near') == 'down')
        below.call('ACL', 'SETUSER', 'half', 'on')
        self.eventually(lambda: upstream_state(client, 'near') == 'connected')
        self.assertEqual(len(self.log_lines('upstream_warning')), 1)

    def test_a_regional_tier_that_does_not_tell_the_time_is_noted(self):
        self.start_before_half_a_redis('-time')
        client = self.client()
        self.eventually(lambda: 'TIME' in upstream_text(client, 'near', 'warning'))
        self.eventually(lambda: len(self.log_lines('upstream_warning')) == 1)


class AnswersBeforeTheEndTest(tiers_world.World):

    def start(self, *flags, delay_s=0.6):
        """Terrace with four threads before an origin that takes its time and a regional tier."""
        self.web = self.start_origin(lambda path: Answer('value', delay_s=delay_s))
        self.redis = self.start_redis()
        self.start_terrace(
            [origin(self.web), regional(self.redis),
             route('p:', origin='api', timeout='9s', origin_timeout='9s'),
             route('w:', regional='near')], '--threads', 4, *flags)

    def clients_that_wait(self, count=8):
        clients = [self.client() for _ in range(count)]
        for i, client in enumerate(clients):
            client.send('GET', f'p:{i}')
            client.send('ECHO', str(i))
        self.eventually(lambda: self.web.total == count)
        return clients

    def stop(self):
        begin_s = time.monotonic()
        status = self.server.stop(timeout_s=20)
        return status, time.monotonic() - begin_s

    def test_requests_that_wait_for_a_tier_are_answered_before_the_end(self):
        self.start()
        idle, blocked, below = self.client(), self.client(), self.client()
        blocked.send('BLPOP', 'none', 0)
        below.send('BLPOP', 'w:none', 0)
        clients = self.clients_that_wait()
        self.assertEqual(self.stop()[0], 0)
        for i, client in enumerate(clients):
            self.assertEqual(client.read_reply(), ('$', b'value'))
            self.assertEqual(client.read_reply(), ('$', str(i).encode()))
            client.wait_closed()
        for client in (idle, blocked, below):
            client.wait_closed()

    def test_nobody_is_waited_for_who_waits_for_others_or_for_nothing(self):
        self.start('--shutdown-timeout', 30)
        idle, blocked, below = self.client(), self.client(), self.client()
        blocked.send('BLPOP', 'none', 0)
        below.send('BLPOP', 'w:none', 0)
        self.eventually(lambda: info(idle)['leases0']['in_use'] == 1)
        status, took_s = self.stop()
        self.assertEqual(status, 0)
        self.assertLess(took_s, 10)

    def test_a_client_that_goes_on_asking_holds_nothing_up(self):
        self.start('--shutdown-timeout', 30, delay_s=0.05)

        def ask_on():
            with contextlib.suppress(Exception):
                with self.server.client() as client:
                    for i in range(10000):
                        client.call('GET', f'p:{i}')

        threads = [threading.Thread(target=ask_on, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.eventually(lambda: self.web.total > 20)
        status, took_s = self.stop()
        self.assertEqual(status, 0)
        self.assertLess(took_s, 10)
        for thread in threads:
            thread.join(10)

    def test_the_wait_ends_with_shutdown_timeout(self):
        self.start('--shutdown-timeout', 1, delay_s=5)
        self.clients_that_wait()
        status, took_s = self.stop()
        self.assertEqual(status, 0)
        self.assertLess(took_s, 4.5)

    def test_shutdown_now_and_a_second_signal_do_not_wait(self):
        for ask in ('now', 'signal'):
            with self.subTest(ask=ask):
                self.start(delay_s=1.9)
                admin = self.client()
                self.clients_that_wait()
                begin_s = time.monotonic()
                if ask == 'now':
                    admin.send('SHUTDOWN', 'NOSAVE', 'NOW')
                else:
                    self.server.process.terminate()
                    admin.wait_closed()
                    self.server.process.terminate()
                self.assertEqual(self.server.process.wait(20), 0 if ask == 'now' else 130)
                self.assertLess(time.monotonic() - begin_s, 1.5)


if __name__ == '__main__':
    unittest.main()
