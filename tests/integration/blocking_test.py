"""Commands that wait: order, one delivery for each element, every way to end a wait."""

import random
import threading
import time
import unittest

import black_box
import resp_wire

OK = ('+', b'OK')
QUEUED = ('+', b'QUEUED')


class Bytes:
    """Bytes that resp_wire can parse."""

    def __init__(self, data):
        self.data = data

    def line(self):
        line, self.data = self.data.split(b'\r\n', 1)
        return line

    def exact(self, count):
        taken, self.data = self.data[:count], self.data[count:]
        return taken


def parsed(data):
    return resp_wire.parse(Bytes(data))


class BlockingTest(black_box.TerraceTest):

    flags = ('--threads', '4')

    def setUp(self):
        self.client_now = self.client()
        self.client_now.call('FLUSHALL')

    def blocked(self, *command, proto=2):
        """A client that waits in this command."""
        client = self.client(proto=proto)
        own = str(client.call('CLIENT', 'ID'))
        client.send(*command)
        self.eventually(lambda: b' flags=b ' in self.client_now.call('CLIENT', 'LIST', 'ID', own))
        return client

    def blocked_count(self):
        info = self.client_now.call('INFO', 'clients').decode()
        return int(info.split('blocked_clients:')[1].split()[0])

    def test_each_command_is_served_by_what_it_waits_for(self):
        cases = [
            (('BLPOP', 'a', 'b', '0'), ('RPUSH', 'b', 'x', 'y'), b'*2\r\n$1\r\nb\r\n$1\r\nx\r\n'),
            (('BRPOP', 'a', '0'), ('RPUSH', 'a', 'x', 'y'), b'*2\r\n$1\r\na\r\n$1\r\ny\r\n'),
            (('BLMOVE', 'a', 't', 'LEFT', 'RIGHT', '0'), ('RPUSH', 'a', 'x'), b'$1\r\nx\r\n'),
            (('BRPOPLPUSH', 'a', 't', '0'), ('RPUSH', 'a', 'x'), b'$1\r\nx\r\n'),
            (('BLMPOP', '0', '2', 'a', 'b', 'LEFT', 'COUNT', '2'), ('RPUSH', 'b', 'x'),
             b'*2\r\n$1\r\nb\r\n*1\r\n$1\r\nx\r\n'),
            (('BZPOPMIN', 'z', '0'), ('ZADD', 'z', '1', 'x', '2', 'y'),
             b'*3\r\n$1\r\nz\r\n$1\r\nx\r\n$1\r\n1\r\n'),
            (('BZPOPMAX', 'z', '0'), ('ZADD', 'z', '1', 'x', '2', 'y'),
             b'*3\r\n$1\r\nz\r\n$1\r\ny\r\n$1\r\n2\r\n'),
            (('BZMPOP', '0', '1', 'z', 'MIN'), ('ZADD', 'z', '1', 'x'),
             b'*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nx\r\n$1\r\n1\r\n'),
            (('XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'), ('XADD', 's', '1-1', 'f', 'v'),
             b'*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n'),
        ]
        for command, write, expected in cases:
            with self.subTest(command=command):
                self.client_now.call('FLUSHALL')
                waiting = self.blocked(*command)
                self.client_now.call(*write)
                self.assertEqual(waiting.read_reply(), parsed(expected))
                self.assertEqual(waiting.command('PING'), ('+', b'PONG'))

    def test_every_way_to_make_a_key_wakes(self):
        self.client_now.call('RPUSH', 'seed', 'x')
        payload = self.client_now.call('DUMP', 'seed')
        ways = [
            [('RENAME', 'seed', 'k')],
            [('COPY', 'seed', 'k')],
            [('SELECT', '5'), ('RPUSH', 'k', 'x'), ('MOVE', 'k', '0'), ('SELECT', '0')],
            [('RESTORE', 'k', '0', payload)],
            [('SORT', 'seed', 'ALPHA', 'STORE', 'k')],
            [('SELECT', '5'), ('RPUSH', 'k', 'x'), ('SWAPDB', '0', '5'), ('SELECT', '0')],
            [('MULTI',), ('RPUSH', 'k', 'x'), ('EXEC',)],
            [('EVAL', 'return redis.call("rpush", KEYS[1], "x")', '1', 'k')],
            [('SET', 'k', 'a string'), ('DEL', 'k'), ('RPUSH', 'k', 'x')],
            [('ZADD', 'k', '1', 'm'), ('DEL', 'k'), ('RPUSH', 'k', 'x')],
        ]
        for way in ways:
            with self.subTest(way=way):
                self.client_now.call('FLUSHALL')
                self.client_now.call('RPUSH', 'seed', 'x')
                waiting = self.blocked('BLPOP', 'k', '0')
                for command in way:
                    self.assertNotEqual(self.client_now.command(*command)[0], '-')
                self.assertEqual(waiting.read_reply(), ('*', (('$', b'k'), ('$', b'x'))))

    def test_a_chain_of_moves_ends_before_the_push_is_answered(self):
        first = self.blocked('BLMOVE', 'a', 'b', 'LEFT', 'RIGHT', '0')
        second = self.blocked('BLMOVE', 'b', 'c', 'LEFT', 'RIGHT', '0')
        third = self.blocked('BLPOP', 'c', '0')
        self.assertEqual(self.client_now.call('RPUSH', 'a', 'x'), 1)
        self.assertEqual(self.client_now.call('EXISTS', 'a', 'b', 'c'), 0)
        for waiting in (first, second):
            self.assertEqual(waiting.read_reply(), ('$', b'x'))
        self.assertEqual(third.read_reply()[1], (('$', b'c'), ('$', b'x')))

    def test_those_who_came_first_are_served_first(self):
        waiting = [self.blocked('BLPOP', 'k', '0') for _ in range(8)]
        self.client_now.call('RPUSH', 'k', *(str(i) for i in range(4)))
        for i in range(4):
            self.assertEqual(waiting[i].read_reply()[1][1], ('$', str(i).encode()))
        self.assertEqual(self.blocked_count(), 4)
        self.assertEqual(self.client_now.call('LLEN', 'k'), 0)

    def test_a_pushed_element_cannot_be_taken_back_by_the_same_pipeline(self):
        for _ in range(50):
            waiting = self.blocked('BLPOP', 'k', '0')
            with self.server.client() as pusher:
                pusher.send('RPUSH', 'k', 'x')
                pusher.send('LPOP', 'k')
                self.assertEqual(pusher.read_reply(), (':', 1))
                self.assertEqual(pusher.read_reply(), resp_wire.NIL_BULK)
            self.assertEqual(waiting.read_reply()[1][1], ('$', b'x'))

    def test_the_wrong_type_does_not_wake(self):
        waiting = self.blocked('BLPOP', 'k', '0.2')
        self.client_now.call('ZADD', 'k', '1', 'x')
        self.assertEqual(waiting.read_reply(), resp_wire.NIL_ARRAY)
        self.assertEqual(self.client_now.call('ZCARD', 'k'), 1)

    def test_timeouts_are_kept(self):
        for command in (('BLPOP', 'k', '0.15'), ('BLMOVE', 'k', 't', 'LEFT', 'LEFT', '0.15'),
                        ('XREAD', 'BLOCK', '150', 'STREAMS', 's', '$')):
            begin = time.monotonic()
            self.assertEqual(self.client_now.command(*command), resp_wire.NIL_ARRAY)
            self.assertTrue(0.14 < time.monotonic() - begin < 1.0)
        begin = time.monotonic()
        self.assertEqual(self.client_now.call('WAIT', '1', '100'), 0)
        self.assertTrue(0.09 < time.monotonic() - begin < 1.0)
        self.assertEqual(self.client_now.call('WAIT', '0', '0'), 0)
        self.assert_error(self.client_now.command('BLPOP', 'k', '-1'), b'ERR timeout is negative')
        self.assert_error(self.client_now.command('BLPOP', 'k', 'x'), b'ERR timeout is not a float')

    def test_nothing_waits_inside_a_transaction(self):
        self.assertEqual(self.client_now.command('MULTI'), OK)
        for command in (('BLPOP', 'k', '0'), ('BLMOVE', 'k', 't', 'LEFT', 'LEFT', '0'),
                        ('XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'), ('WAIT', '1', '0')):
            self.assertEqual(self.client_now.command(*command), QUEUED)
        self.assertEqual(self.client_now.command('EXEC')[1],
                         (resp_wire.NIL_ARRAY, resp_wire.NIL_BULK, resp_wire.NIL_ARRAY, (':', 0)))

    def test_exec_hands_over_what_is_there_at_its_end(self):
        waiting = self.blocked('BLPOP', 'k', '0')
        self.client_now.call('MULTI')
        for command in (('RPUSH', 'k', 'gone'), ('DEL', 'k'), ('RPUSH', 'k', 'left')):
            self.client_now.call(*command)
        self.client_now.call('EXEC')
        self.assertEqual(waiting.read_reply()[1][1], ('$', b'left'))

    def test_client_unblock_ends_a_wait_once(self):
        for reason, expected in ((('TIMEOUT',), resp_wire.NIL_ARRAY), ((), resp_wire.NIL_ARRAY)):
            waiting = self.client()
            own = str(waiting.call('CLIENT', 'ID'))
            waiting.send('BLPOP', 'k', '0')
            self.eventually(lambda: self.blocked_count() == 1)
            self.assertEqual(self.client_now.call('CLIENT', 'UNBLOCK', own, *reason), 1)
            self.assertEqual(self.client_now.call('CLIENT', 'UNBLOCK', own), 0)
            self.assertEqual(waiting.read_reply(), expected)
        own = str(waiting.call('CLIENT', 'ID'))
        waiting.send('BLPOP', 'k', '0')
        self.eventually(lambda: self.blocked_count() == 1)
        self.client_now.call('CLIENT', 'UNBLOCK', own, 'ERROR')
        self.assert_error(waiting.read_reply(), b'UNBLOCKED client unblocked via CLIENT UNBLOCK')

    def test_whoever_has_been_served_is_blocked_no_more(self):
        # Also where its thread has not heard of it.
        pushes = self.client()
        for i in range(50):
            waits = [self.blocked('BLPOP', f'k{j}', '0') for j in range(3)]
            for j in range(3):
                pushes.send('RPUSH', f'k{j}', 'x')
            pushes.send('INFO', 'clients')
            replies = [pushes.read() for _ in range(4)]
            self.assertIn(b'blocked_clients:0\r\n', replies[3][1], i)
            for client in waits:
                self.assertEqual(client.read()[0], '*')
                client.close()

    def test_a_closed_waiter_leaves_its_line(self):
        gone = self.blocked('BLPOP', 'k', '0')
        next_in_line = self.blocked('BLPOP', 'k', '0')
        gone.close()
        self.eventually(lambda: self.blocked_count() == 1)
        self.client_now.call('RPUSH', 'k', 'x')
        self.assertEqual(next_in_line.read_reply()[1][1], ('$', b'x'))

    def test_what_is_sent_behind_a_wait_runs_after_it(self):
        waiting = self.blocked('BLPOP', 'k', '0')
        waiting.send('ECHO', 'behind')
        time.sleep(0.05)
        self.client_now.call('RPUSH', 'k', 'x')
        self.assertEqual(waiting.read_reply()[1][1], ('$', b'x'))
        self.assertEqual(waiting.read_reply(), ('$', b'behind'))

    def test_group_readers_learn_that_their_group_is_gone(self):
        ends = [('DEL', 's'), ('XGROUP', 'DESTROY', 's', 'g'), ('FLUSHALL',), ('SET', 's', 'x'),
                ('PEXPIRE', 's', '20'), ('RENAME', 's', 't')]
        for end in ends:
            with self.subTest(end=end):
                self.client_now.call('FLUSHALL')
                self.client_now.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
                waiting = self.blocked('XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', '0', 'STREAMS',
                                       's', '>')
                self.client_now.call(*end)
                self.assert_error(waiting.read_reply(),
                                  b'WRONGTYPE' if end[0] == 'SET' else b'NOGROUP')

    def test_pause_holds_up_writes_or_all(self):
        other = self.client()
        self.client_now.call('CLIENT', 'PAUSE', '100000', 'WRITE')
        self.assertIsNone(other.call('GET', 'k'))
        other.send('SET', 'k', 'x')
        self.eventually(lambda: self.blocked_count() == 1)
        self.assertIsNone(self.client_now.call('GET', 'k'))
        self.client_now.call('CLIENT', 'UNPAUSE')
        self.assertEqual(other.read_reply(), OK)
        begin = time.monotonic()
        self.client_now.call('CLIENT', 'PAUSE', '150')
        self.assertEqual(other.call('GET', 'k'), b'x')
        self.assertGreater(time.monotonic() - begin, 0.14)


class ConcurrentBlockingTest(black_box.TerraceTest):

    flags = ('--threads', '4')

    def run_threads(self, works):
        errors = []

        def guarded(work):
            try:
                with self.server.client(timeout_s=30.0) as client:
                    work(client)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(repr(error))

        threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_every_element_is_delivered_once(self):
        seed = random.randrange(1 << 30)
        keys = [f'q{i}' for i in range(6)]
        per_producer, producers, consumers = 150, 3, 5
        taken = [[] for _ in range(consumers)]
        done = threading.Event()

        def produce(index):
            def work(client):
                rng = random.Random(seed + index)
                for i in range(per_producer):
                    element = f'{index}:{i}'
                    key = rng.choice(keys)
                    if rng.random() < 0.3:
                        client.call('MULTI')
                        client.call('RPUSH', 'staging', element)
                        client.call('LMOVE', 'staging', key, 'LEFT', 'RIGHT')
                        client.call('EXEC')
                    else:
                        client.call('RPUSH', key, element)
            return work

        def consume(index):
            def work(client):
                rng = random.Random(seed - index)
                while not done.is_set():
                    mine = rng.sample(keys, rng.randint(1, len(keys)))
                    if rng.random() < 0.2:
                        moved = client.call('BLMOVE', mine[0], f'mine{index}', 'LEFT', 'RIGHT',
                                            '0.02')
                        if moved is not None:
                            taken[index].append(client.call('BLPOP', f'mine{index}', '0')[1])
                        continue
                    got = client.call('BLPOP', *mine, '0.05')
                    if got is not None:
                        taken[index].append(got[1])
            return work

        def feed(_):
            self.run_threads([produce(i) for i in range(producers)])
            deadline = time.monotonic() + 20
            while sum(len(part) for part in taken) < per_producer * producers:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            time.sleep(0.1)
            done.set()

        self.run_threads([consume(i) for i in range(consumers)] + [feed])
        everything = [element for part in taken for element in part]
        expected = {f'{p}:{i}'.encode() for p in range(producers) for i in range(per_producer)}
        self.assertEqual(len(everything), len(expected), f'seed {seed}')
        self.assertEqual(set(everything), expected, f'seed {seed}')

    def test_a_token_passed_around_is_never_lost(self):
        rounds, players = 200, 6

        def play(index):
            def work(client):
                for _ in range(rounds):
                    source, target = f'hop{index}', f'hop{(index + 1) % players}'
                    assert client.call('BLMOVE', source, target, 'LEFT', 'RIGHT', '20') == b'token'
            return work

        def start(client):
            time.sleep(0.05)
            client.call('RPUSH', 'hop0', 'token')

        self.run_threads([play(i) for i in range(players)] + [start])
        self.assertEqual(self.client().call('LLEN', 'hop0'), 1)

    def test_waits_that_end_in_many_ways_at_once_leave_the_server_sound(self):
        seed = random.randrange(1 << 30)
        deadline = time.monotonic() + 3
        ids = []

        def disturb(index):
            def work(client):
                rng = random.Random(seed + index)
                ids.append(client.call('CLIENT', 'ID'))
                while time.monotonic() < deadline:
                    client.call('BLPOP', 'x', 'y', '0.003')
                    if rng.random() < 0.3:
                        with self.server.client() as short:
                            short.send('BLPOP', 'y', 'x', '0')
            return work

        def push(client):
            rng = random.Random(seed)
            while time.monotonic() < deadline:
                client.call('RPUSH', rng.choice('xy'), 'e')
                if ids:
                    client.call('CLIENT', 'UNBLOCK', str(rng.choice(ids)))

        self.run_threads([disturb(i) for i in range(4)] + [push, push])
        client = self.client()
        self.eventually(lambda: b'blocked_clients:0' in client.call('INFO', 'clients'))


if __name__ == '__main__':
    unittest.main()
