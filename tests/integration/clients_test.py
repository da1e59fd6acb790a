"""Connections: CLIENT commands, limits of their number and idleness, sockets, and shutdown."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest

import black_box
import raw_client
import resp_wire
import servers


def fields_of(line):
    return dict(field.split('=', 1) for field in line.decode().strip().split(' ') if '=' in field)


class ClientCommandTest(black_box.TerraceTest):

    def list_of(self, client, *filters):
        return [fields_of(line) for line in
                client.call('CLIENT', 'LIST', *filters).splitlines() if line]

    def test_client_list_shows_every_connection_with_redis_fields(self):
        first, second = self.client(), self.client(proto=3)
        first.command('CLIENT', 'SETNAME', 'first')
        first.command('SELECT', '3')
        rows = {row['id']: row for row in self.list_of(second)}
        row = rows[str(first.call('CLIENT', 'ID'))]
        self.assertEqual((row['name'], row['db'], row['resp']), ('first', '3', '2'))
        self.assertEqual(row['cmd'], 'select')
        own = rows[str(second.call('CLIENT', 'ID'))]
        self.assertEqual((own['resp'], own['cmd']), ('3', 'client|list'))
        for name in ('addr', 'laddr', 'fd', 'age', 'idle', 'flags', 'sub', 'psub', 'ssub', 'multi',
                     'qbuf', 'qbuf-free', 'argv-mem', 'multi-mem', 'obl', 'oll', 'omem', 'tot-mem',
                     'events', 'user', 'redir'):
            self.assertIn(name, own)
        ip, port = first.socket.getsockname()
        self.assertEqual(row['addr'], f'{ip}:{port}')

    def test_client_list_filters_by_id_and_type(self):
        client = self.client()
        own = client.call('CLIENT', 'ID')
        self.assertEqual([row['id'] for row in self.list_of(client, 'ID', own)], [str(own)])
        self.assertEqual(self.list_of(client, 'TYPE', 'pubsub'), [])
        self.assert_error(client.command('CLIENT', 'LIST', 'TYPE', 'foo'), b'ERR Unknown client')
        self.assert_error(client.command('CLIENT', 'LIST', 'ID', 'x'), b'ERR Invalid client ID')

    def test_ids_grow_and_are_never_reused(self):
        ids = []
        for _ in range(5):
            with self.server.client() as client:
                ids.append(client.call('CLIENT', 'ID'))
        self.assertEqual(ids, sorted(set(ids)))

    def test_names_are_checked(self):
        client = self.client()
        self.assertEqual(client.command('CLIENT', 'GETNAME'), resp_wire.NIL_BULK)
        self.assert_error(client.command('CLIENT', 'SETNAME', 'a b'), b'ERR Client names cannot')
        self.assertEqual(client.command('CLIENT', 'SETNAME', 'a-b'), resp_wire.OK)
        self.assertEqual(client.command('CLIENT', 'GETNAME'), ('$', b'a-b'))
        self.assertEqual(client.command('CLIENT', 'SETNAME', ''), resp_wire.OK)
        self.assertEqual(client.command('CLIENT', 'GETNAME'), resp_wire.NIL_BULK)

    def test_kill_by_id_address_and_old_form(self):
        killer = self.client()
        victims = [self.client() for _ in range(3)]
        for victim in victims:  # so that they have surely been accepted
            victim.call('PING')
        address = '%s:%d' % victims[1].socket.getsockname()
        old_address = '%s:%d' % victims[2].socket.getsockname()
        victim_id = victims[0].call('CLIENT', 'ID')
        self.assertEqual(killer.command('CLIENT', 'KILL', 'ID', victim_id), (':', 1))
        self.assertEqual(killer.command('CLIENT', 'KILL', 'ADDR', address), (':', 1))
        self.assertEqual(killer.command('CLIENT', 'KILL', old_address), resp_wire.OK)
        for victim in victims:
            self.assertEqual(victim.wait_closed(), [])
        self.assertEqual(killer.command('CLIENT', 'KILL', 'ID', victim_id), (':', 0))
        self.assert_error(killer.command('CLIENT', 'KILL', old_address), b'ERR No such client')

    def test_a_killed_client_is_not_listed_any_more(self):
        killer = self.client()
        for _ in range(20):
            victim_id = self.client().call('CLIENT', 'ID')
            self.assertEqual(killer.command('CLIENT', 'KILL', 'ID', victim_id), (':', 1))
            self.assertNotIn(str(victim_id), [row['id'] for row in self.list_of(killer)])

    def test_what_client_libraries_ask_of_any_redis(self):
        client = self.client()
        self.assertIn(b'Redis ver. 7.2', client.call('LOLWUT'))
        self.assertIn(b'Redis ver. 7.2', client.call('LOLWUT', 'VERSION', '5', '1'))
        self.assertEqual(client.command('REPLICAOF', 'NO', 'ONE'), resp_wire.OK)
        self.assertEqual(client.command('SLAVEOF', 'no', 'one'), resp_wire.OK)
        self.assert_error(client.command('REPLICAOF', '127.0.0.1', '6379'), b'ERR Terrace does')

    def test_killing_oneself_answers_first(self):
        client = self.client()
        own = client.call('CLIENT', 'ID')
        self.assertEqual(client.command('CLIENT', 'KILL', 'ID', own, 'SKIPME', 'yes'), (':', 0))
        client.send('CLIENT', 'KILL', 'ID', own, 'SKIPME', 'no')
        self.assertEqual(client.wait_closed(), [(':', 1)])

    def test_reply_off_skip_and_on(self):
        client = self.client()
        client.send('CLIENT', 'REPLY', 'OFF')
        client.send('SET', 'reply', '1')
        client.send('NOSUCHCOMMAND')
        client.send('CLIENT', 'REPLY', 'ON')
        self.assertEqual(client.read(), resp_wire.OK)
        client.send('CLIENT', 'REPLY', 'SKIP')
        client.send('INCR', 'reply')
        self.assertEqual(client.command('GET', 'reply'), ('$', b'2'))

    def test_setinfo_is_shown_and_checked(self):
        client = self.client()
        self.assertEqual(client.command('CLIENT', 'SETINFO', 'LIB-NAME', 'lib'), resp_wire.OK)
        self.assertEqual(client.command('CLIENT', 'SETINFO', 'lib-ver', '1.2'), resp_wire.OK)
        info = fields_of(client.call('CLIENT', 'INFO'))
        self.assertEqual((info['lib-name'], info['lib-ver']), ('lib', '1.2'))
        self.assert_error(client.command('CLIENT', 'SETINFO', 'LIB-Name', 'a b'),
                          b'ERR LIB-Name cannot contain spaces')
        self.assert_error(client.command('CLIENT', 'SETINFO', 'FOO', 'x'), b'ERR')

    def test_no_evict_and_no_touch_take_on_and_off(self):
        client = self.client()
        for command in ('NO-EVICT', 'NO-TOUCH'):
            self.assertEqual(client.command('CLIENT', command, 'ON'), resp_wire.OK)
            self.assertEqual(client.command('CLIENT', command, 'OFF'), resp_wire.OK)
            self.assert_error(client.command('CLIENT', command, 'FOO'), b'ERR syntax error')

    def test_kill_by_age_spares_younger_clients(self):
        self.need('client|kill')
        admin, victim = self.client(), self.client()
        victim_id = str(victim.call('CLIENT', 'ID'))
        time.sleep(1.1)
        self.assertEqual(admin.call('CLIENT', 'KILL', 'ID', victim_id, 'MAXAGE', '1000'), 0)
        self.assertEqual(admin.call('CLIENT', 'KILL', 'ID', victim_id, 'MAXAGE', '1'), 1)
        victim.wait_closed()
        for age in ('text', '9999999999999999999'):
            self.assert_error(admin.command('CLIENT', 'KILL', 'MAXAGE', age),
                              b'ERR maxage is not an integer or out of range')
        self.assert_error(admin.command('CLIENT', 'KILL', 'MAXAGE', '0'),
                          b'ERR maxage should be greater than 0')

    def test_scripts_that_declare_not_to_write_run_during_a_pause_of_writes(self):
        self.need('client|pause', 'fcall')
        admin, client = self.client(), self.client(timeout_s=5.0)
        reader = '#!lua flags=no-writes\nreturn 1'
        digest = client.call('SCRIPT', 'LOAD', reader)
        client.call('FUNCTION', 'LOAD', 'REPLACE', '#!lua name=pausing\nredis.register_function{'
                    "function_name='reads', callback=function() return 1 end, flags={'no-writes'}}")
        self.addCleanup(admin.command, 'CLIENT', 'UNPAUSE')
        admin.command('CLIENT', 'PAUSE', '60000', 'WRITE')
        self.assertEqual(client.call('EVAL', reader, '0'), 1)
        self.assertEqual(client.call('EVALSHA', digest, '0'), 1)
        self.assertEqual(client.call('FCALL', 'reads', '0'), 1)
        client.send('EVAL', 'return 2', '0')
        with self.assertRaises(raw_client.ReplyTimeout):
            client.read(timeout_s=0.2)
        admin.command('CLIENT', 'UNPAUSE')
        self.assertEqual(client.read(), (':', 2))

    def test_pause_holds_writes_and_lets_reads_pass(self):
        self.need('client|pause')
        admin, client = self.client(), self.client(timeout_s=5.0)
        self.assertEqual(admin.command('CLIENT', 'PAUSE', '300', 'WRITE'), resp_wire.OK)
        began = time.monotonic()
        self.assertEqual(client.command('GET', 'paused')[0], '$-1')
        self.assertLess(time.monotonic() - began, 0.25)
        self.assertEqual(client.command('SET', 'paused', '1'), resp_wire.OK)
        self.assertGreater(time.monotonic() - began, 0.25)

    def test_unpause_releases_what_waits(self):
        self.need('client|pause')
        admin, client = self.client(), self.client(timeout_s=5.0)
        admin.command('CLIENT', 'PAUSE', '60000', 'WRITE')
        client.send('INCR', 'counter')
        with self.assertRaises(raw_client.ReplyTimeout):
            client.read(timeout_s=0.2)
        self.assertEqual(admin.command('CLIENT', 'UNPAUSE'), resp_wire.OK)
        self.assertEqual(client.read(), (':', 1))

    def test_unblock_wakes_a_blocked_client(self):
        self.need('client|unblock', 'blpop')
        admin, blocked = self.client(), self.client()
        victim = blocked.call('CLIENT', 'ID')
        for mode, expected in ((('TIMEOUT',), resp_wire.NIL_ARRAY), (('ERROR',), None)):
            blocked.send('BLPOP', 'nolist', '0')
            self.eventually(lambda: admin.call('CLIENT', 'UNBLOCK', victim, *mode) == 1)
            reply = blocked.read()
            if expected:
                self.assertEqual(reply, expected)
            else:
                self.assert_error(reply, b'UNBLOCKED')
        self.assertEqual(admin.command('CLIENT', 'UNBLOCK', victim), (':', 0))

    def test_reset_brings_a_connection_back_to_its_start(self):
        client = self.client(proto=3)
        client.command('CLIENT', 'SETNAME', 'x')
        client.command('SELECT', '4')
        client.command('MULTI')
        self.assertEqual(client.command('RESET'), ('+', b'RESET'))
        self.assertEqual(client.command('CLIENT', 'GETNAME'), resp_wire.NIL_BULK)
        self.assertEqual(fields_of(client.call('CLIENT', 'INFO'))['db'], '0')


def first_bytes(connection):
    """Returns the first five bytes that arrive, or fewer before the end."""
    try:
        return connection.recv(5)
    except OSError:
        return b''


def context_switches_by_thread(pid):
    """Returns {thread id: how often it has waited}, which a worker does about once a request."""
    switches = {}
    for status in pathlib.Path(f'/proc/{pid}/task').glob('*/status'):
        fields = dict(line.split(':', 1) for line in status.read_text().splitlines())
        switches[status.parent.name] = int(fields['voluntary_ctxt_switches'])
    return switches


class LimitsTest(black_box.TerraceTest):

    def test_more_connections_than_maxclients_are_told_so(self):
        admin = self.configure('maxclients', '3')
        # Connections of earlier tests may still be closing.
        self.eventually(lambda: len(admin.call('CLIENT', 'LIST').splitlines()) == 1)
        others = [self.client() for _ in range(2)]
        for other in others:
            self.assertEqual(other.command('PING'), ('+', b'PONG'))
        refused = self.client()
        self.assertEqual(refused.wait_closed(), [('-', b'ERR max number of clients reached')])
        others[0].close()
        self.eventually(lambda: len(admin.call('CLIENT', 'LIST').splitlines()) == 2)
        self.assertEqual(self.client().command('PING'), ('+', b'PONG'))

    def test_a_burst_of_connections_is_counted_before_other_threads_serve_them(self):
        with servers.TerraceServer('--threads', '2', '--maxclients', '8') as server:
            # The one that asked whether the server is there may still be closing.
            self.eventually(lambda: self.served_of_a_burst(server) == 8)
            for _ in range(3):
                self.assertLessEqual(self.served_of_a_burst(server), 8)

    def served_of_a_burst(self, server):
        """Opens many connections at once and returns how many of them are served."""
        burst = [socket.create_connection(('127.0.0.1', server.port)) for _ in range(40)]
        for connection in burst:
            try:
                connection.sendall(b'PING\r\n')
            except OSError:
                pass  # it was turned away
        answers = [first_bytes(connection) for connection in burst]
        for connection in burst:
            connection.close()
        return answers.count(b'+PONG')

    def test_connections_are_spread_over_the_threads(self):
        with servers.TerraceServer('--threads', '2') as server:
            burst = [server.client() for _ in range(40)]
            for client in burst:
                self.addCleanup(client.close)
                self.assertEqual(client.command('PING'), ('+', b'PONG'))
            shares = context_switches_by_thread(server.pid)
            for _ in range(20):
                for client in burst:
                    client.command('PING')
            grown = {thread: switches - shares.get(thread, 0)
                     for thread, switches in context_switches_by_thread(server.pid).items()}
            busiest, second = sorted(grown.values())[-1:-3:-1]
            self.assertGreater(second * 3, busiest, grown)

    def test_idle_connections_are_closed_but_subscribers_and_blocked_ones_are_not(self):
        self.need('subscribe', 'blpop')
        self.client().command('CONFIG', 'SET', 'timeout', '1')
        idle, subscriber, blocked, busy = (self.client() for _ in range(4))
        idle.command('PING')
        subscriber.command('SUBSCRIBE', 'c')
        blocked.send('BLPOP', 'nolist', '0')
        self.addCleanup(lambda: self.client().command('CONFIG', 'SET', 'timeout', '0'))
        deadline = time.monotonic() + 3.0
        while time.monotonic() < deadline:
            self.assertEqual(busy.command('PING'), ('+', b'PONG'))
            time.sleep(0.2)
        self.assertEqual(idle.wait_closed(timeout_s=1.0), [])
        self.assertEqual(busy.command('PUBLISH', 'c', 'm'), (':', 1))
        busy.command('RPUSH', 'nolist', 'x')
        self.assertEqual(blocked.read()[0], '*')

    def test_exhausted_descriptors_refuse_newcomers_and_recover(self):
        limits = {'RLIMIT_NOFILE': 160}
        with servers.TerraceServer(limits=limits) as server, server.client() as client:
            connections = []
            for _ in range(250):
                connection = socket.socket()
                connection.settimeout(1.0)
                try:
                    connection.connect(('127.0.0.1', server.port))
                except OSError:
                    pass
                connections.append(connection)
            time.sleep(0.3)
            self.assertEqual(client.command('PING'), ('+', b'PONG'))
            for connection in connections:
                connection.close()

            def accepts():
                try:
                    with server.client(timeout_s=1.0) as newcomer:
                        return newcomer.command('PING') == ('+', b'PONG')
                except (OSError, raw_client.ConnectionClosed, raw_client.ReplyTimeout):
                    return False
            self.eventually(accepts)


class SocketsAndShutdownTest(unittest.TestCase):

    def test_a_unix_socket_serves_and_has_its_mode(self):
        flags = ('--unixsocket', 'terrace.sock', '--unixsocketperm', '700')
        with servers.TerraceServer(*flags) as server:
            path = server.directory / 'terrace.sock'
            with raw_client.RawClient(unix_path=path) as client:
                self.assertEqual(client.command('SET', 'a', '1'), resp_wire.OK)
                self.assertEqual(client.pipeline([('GET', 'a')] * 100), [('$', b'1')] * 100)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o700)
            server.stop()
            self.assertFalse(path.exists())

    def test_a_stale_unix_socket_does_not_prevent_a_start(self):
        with servers.TerraceServer('--unixsocket', 'terrace.sock') as server:
            server.restart(hard=True)
            with raw_client.RawClient(unix_path=server.directory / 'terrace.sock') as client:
                self.assertEqual(client.command('PING'), ('+', b'PONG'))

    def test_sigterm_and_sigint_end_the_server_with_status_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with servers.TerraceServer() as server, server.client() as client:
                client.command('PING')
                began = time.monotonic()
                os.kill(server.pid, number)
                self.assertEqual(server.process.wait(10), 0)
                self.assertLess(time.monotonic() - began, 5.0)
                self.assertEqual(client.wait_closed(), [])

    def test_shutdown_closes_without_an_answer(self):
        with servers.TerraceServer() as server, server.client() as client:
            client.send('SHUTDOWN', 'NOSAVE')
            self.assertEqual(client.wait_closed(), [])
            self.assertEqual(server.process.wait(10), 0)

    def test_sigterm_lets_the_replies_that_are_under_way_arrive_whole(self):
        with servers.TerraceServer() as server, server.client() as client:
            client.command('SET', 'a', 'x' * 1000)
            client.send_bytes(resp_wire.encode('GET', 'a') * 200)
            self.assertEqual(client.read(), ('$', b'x' * 1000))
            os.kill(server.pid, signal.SIGTERM)
            try:
                while True:
                    self.assertEqual(client.read(5.0), ('$', b'x' * 1000))
            except raw_client.ConnectionClosed as closed:
                self.assertIn("b''", str(closed))
            self.assertEqual(server.process.wait(10), 0)

    def test_clients_that_ask_learn_that_this_is_no_cluster(self):
        with servers.TerraceServer() as server, server.client() as client:
            refusal = ('-', b'ERR This instance has cluster support disabled')
            for command in (['CLUSTER', 'INFO'], ['CLUSTER', 'SLOTS'], ['READONLY'], ['ASKING']):
                self.assertEqual(client.command(*command), refusal)
            self.assertIn(b'cluster_enabled:0', client.call('INFO', 'cluster'))
            self.assertEqual(client.call('MODULE', 'LIST'), [])

    def test_a_taken_port_is_reported(self):
        with servers.TerraceServer() as first, servers.TerraceServer() as second:
            second.stop()
            second.port = first.port
            second.process = None
            status = self.exit_status_of(second)
            self.assertNotEqual(status, 0)
            self.assertIn('in use', second.log_tail().lower())

    @staticmethod
    def exit_status_of(server):
        with open(server.log_path, 'ab') as log:
            process = subprocess.run(
                server.command_line(), stdout=log, stderr=log, timeout=10, cwd=server.directory,
                preexec_fn=servers.die_with_parent)
        return process.returncode


if __name__ == '__main__':
    unittest.main()
