"""The wire: requests in pieces, malformed or too large requests are answered as Redis does."""

import socket
import time
import unittest

import black_box
import resp_wire
import servers

COMMANDS = [
    (b'SET', b'key', b'some value'),
    (b'GET', b'key'),
    (b'GET', b'missing'),
    (b'SET', b'bin\r\nary', b'\x00\r\n*1\r\n$4\r\n'),
    (b'GET', b'bin\r\nary'),
    (b'SET', b'', b''),
    (b'MGET', b'key', b'', b'missing', b'bin\r\nary'),
    (b'INCRBY', b'number', b'-12'),
    (b'NOSUCHCOMMAND', b'x'),
    (b'GET',),
    (b'PING',),
]

# Raw requests that Redis refuses, ignores or understands in its own way. All are followed by PING.
REQUESTS = [
    b'\r\n', b'\n', b'   \r\n', b'\r\n\r\n\r\n', b'PING\n', b'PING\r\n', b' PING \r\n', b'pInG\r\n',
    b'*0\r\n', b'*-1\r\n', b'*-10\r\n', b'*\r\n', b'*abc\r\n', b'*1a\r\n', b'*+1\r\n', b'* 1\r\n',
    b'*01\r\n$4\r\nPING\r\n', b'*1048577\r\n', b'*2147483647\r\n', b'*2147483648\r\n',
    b'*9223372036854775808\r\n', b'*1\r\n*1\r\n', b'*1\r\n:5\r\n', b'*1\r\nPING\r\n', b'*1\r\n\r\n',
    b'*1\r\n$-1\r\n', b'*1\r\n$-2\r\n', b'*1\r\n$abc\r\n', b'*1\r\n$\r\n', b'*1\r\n$536870913\r\n',
    b'*1\r\n$9223372036854775808\r\n', b'*1\r\n$ 4\r\nPING\r\n', b'*1\r\n$+4\r\nPING\r\n',
    b'*1\r\n$04\r\nPING\r\n', b'*1\r\n$0\r\n\r\n', b'*1\r\n$4\r\nPINGxx', b'*1\n$4\nPING\n',
    b'*2\r\n$4\r\nECHO\r\n$2\r\nab\r\n', b'*2\r\n$4\r\nECHO\r\n$0\r\n\r\n',
    b'SET a "unbalanced\r\n', b"SET a 'unbalanced\r\n", b'SET a "b"c\r\n', b"SET a 'b'c\r\n",
    b'ECHO "a\\x41\\n\\t\\"\\q"\r\n', b"ECHO 'a\\'b\\n'\r\n", b'ECHO ""\r\n', b'ECHO a"b"\r\n',
    b'ECHO "\\x4"\r\n', b'ECHO \t x\r\n',
    b'GET / HTTP/1.1\r\n', b'$4\r\nPING\r\n', b'+PING\r\n', b':1\r\n', b'>1\r\n',
    b'\xff\xff\r\n', b'*2\r\n$3\r\nGET\r\n*1\r\n$1\r\na\r\n',
]

# What a browser can be made to send: the connection closes without an answer.
WEB_REQUESTS = [b'POST / HTTP/1.1\r\nHost: x\r\n', b'Host: localhost\r\n', b'post\r\n',
                b'host:\r\n', resp_wire.encode('POST', 'x')]

# These never end a line: the limit of 64 KiB for one line applies.
ENDLESS_LINES = [b'x' * 70000, b'*' + b'1' * 70000, b'*1\r\n$' + b'1' * 70000, b'"' * 70000]


def exchange(server, requests, wait_s=0.4):
    """Sends each request on a connection of its own; returns [(bytes received, closed?)]."""
    sockets = []
    for request in requests:
        connection = socket.create_connection(('127.0.0.1', server.port))
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        sockets.append(connection)
    time.sleep(wait_s)
    return [received_by(connection) for connection in sockets]


def received_by(connection):
    data = b''
    with connection:
        connection.settimeout(0.02)
        while True:
            try:
                chunk = connection.recv(1 << 16)
            except TimeoutError:
                return data, False
            except ConnectionResetError:
                return data, True
            if not chunk:
                return data, True
            data += chunk


class PartialReadTest(black_box.TerraceTest):

    def replies_in_pieces(self, pieces, count):
        client = self.client()
        for piece in pieces[:-1]:
            client.send_bytes(piece)
            time.sleep(0.0004)
        client.send_bytes(pieces[-1])
        replies = [client.read_reply() for _ in range(count)]
        client.close()
        return replies

    def test_a_request_cut_at_any_byte_gets_the_same_reply(self):
        for encode in (lambda args: resp_wire.encode(*args), resp_wire.encode_inline):
            for args in COMMANDS:
                self.client().command('SET', 'number', '100')
                data = encode(args)
                whole = self.replies_in_pieces([data], 1)
                for cut in range(1, len(data)):
                    self.client().command('SET', 'number', '100')
                    self.assertEqual(self.replies_in_pieces([data[:cut], data[cut:]], 1), whole,
                                     f'{data!r} cut at {cut}')

    def test_a_pipeline_arriving_byte_by_byte_gets_its_replies_in_order(self):
        self.client().command('SET', 'number', '0')
        data = b''.join(resp_wire.encode(*args) for args in COMMANDS)
        pieces = [data[i:i + 1] for i in range(len(data))]
        replies = self.replies_in_pieces(pieces, len(COMMANDS))
        self.assertEqual(replies[1], ('$', b'some value'))
        self.assertEqual(replies[4], ('$', b'\x00\r\n*1\r\n$4\r\n'))
        self.assertEqual(replies[7], (':', -12))
        self.assertEqual(replies[10], ('+', b'PONG'))

    def test_a_request_of_a_pipeline_is_answered_before_the_next_one_is_complete(self):
        client = self.client(timeout_s=2.0)
        client.send_bytes(resp_wire.encode('PING') + resp_wire.encode('ECHO', 'x')[:-3])
        self.assertEqual(client.read(), ('+', b'PONG'))
        client.send_bytes(resp_wire.encode('ECHO', 'x')[-3:])
        self.assertEqual(client.read(), ('$', b'x'))

    def test_a_large_value_cut_into_many_pieces_is_stored_whole(self):
        value = bytes(range(256)) * 4096
        client = self.client()
        data = resp_wire.encode('SET', 'large', value)
        for start in range(0, len(data), 9973):
            client.send_bytes(data[start:start + 9973])
        self.assertEqual(client.read(), resp_wire.OK)
        self.assertEqual(client.command('GET', 'large'), ('$', value))


class MalformedRequestTest(black_box.TerraceTest):
    """Every case is judged by what a real redis-server answers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reference = servers.RedisServer().start()
        cls.addClassCleanup(cls.reference.close)

    def assert_same(self, requests, subject=None, reference=None):
        expected = exchange(reference or self.reference, requests)
        got = exchange(subject or self.server, requests)
        for request, want, have in zip(requests, expected, got):
            with self.subTest(request=request[:60]):
                self.assertEqual(have, want)

    def test_malformed_requests_get_redis_replies(self):
        self.assert_same([request + resp_wire.encode('PING') for request in REQUESTS])

    def test_malformed_requests_between_good_ones_get_redis_replies(self):
        ping = resp_wire.encode('PING', 'before')
        self.assert_same([ping + request + b'PING after\r\n' for request in REQUESTS])

    def test_web_requests_are_cut_off(self):
        self.assert_same([request + b'SET forged 1\r\n' for request in WEB_REQUESTS])
        self.assertEqual(self.client().command('GET', 'forged'), resp_wire.NIL_BULK)

    def test_lines_without_end_are_refused(self):
        self.assert_same(ENDLESS_LINES)

    def test_before_authentication_requests_must_be_small(self):
        requests = [b'*10\r\n', b'*11\r\n', b'*1\r\n$16384\r\n', b'*1\r\n$16385\r\n',
                    b'*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n' + b'*11\r\n' + b'$1\r\na\r\n' * 11,
                    resp_wire.encode('GET', 'a'), resp_wire.encode('AUTH', 'wrong'),
                    resp_wire.encode('AUTH', 'a', 'b', 'c'),
                    resp_wire.encode('NOSUCH'), resp_wire.encode('GET'), b'PING\r\n', b'QUIT\r\n']
        flags = ('--requirepass', 'secret')
        with servers.RedisServer(*flags) as reference, servers.TerraceServer(*flags) as subject:
            self.assert_same(requests, subject, reference)

    def test_quit_answers_and_closes_and_ignores_what_follows(self):
        self.assert_same([b'QUIT\r\nPING\r\n', resp_wire.encode('QUIT') + b'PING\r\n'])

    def test_hello_negotiates_as_redis_does(self):
        hello = [('HELLO', '1'), ('HELLO', '4'), ('HELLO', 'x'), ('HELLO', '3', 'SETNAME'),
                 ('HELLO', '3', 'SETNAME', 'a b'), ('HELLO', '2', 'AUTH', 'default'),
                 ('HELLO', '3', 'AUTH', 'nobody', 'x'), ('HELLO', '3', 'FOO'), ('HELLO', '')]
        self.assert_same([resp_wire.encode(*args) for args in hello])

    def test_the_query_buffer_limit_closes_the_connection(self):
        self.configure('client-query-buffer-limit', '1048576')
        client = self.client(timeout_s=5.0)
        try:
            client.send_bytes(b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4000000\r\n' + b'x' * 3000000)
        except Exception:  # The server may close while the bytes are still on their way.
            pass
        self.assertEqual(client.wait_closed(), [])
        self.assertEqual(self.client().command('PING'), ('+', b'PONG'))

    def test_a_bulk_larger_than_the_limit_is_refused(self):
        self.configure('proto-max-bulk-len', '1048576')
        client = self.client()
        client.send_bytes(b'*2\r\n$3\r\nGET\r\n$1048577\r\n')
        self.assert_error(client.read(), b'ERR Protocol error: invalid bulk length')


class ScratchTest(black_box.TerraceTest):

    def used_bytes(self, client):
        lines = client.call('INFO', 'memory').decode().splitlines()
        return next(int(line.split(':')[1]) for line in lines if line.startswith('used_memory:'))

    def test_a_request_of_many_arguments_leaves_no_memory_behind(self):
        with self.server.client() as client:
            before = self.used_bytes(client)
            client.call('SADD', 'set', *map(str, range(100_000)))
            client.call('DEL', 'set')
            deadline = time.monotonic() + 10
            while self.used_bytes(client) > before + 500_000 and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertLess(self.used_bytes(client), before + 500_000)


class HelpTest(black_box.TerraceTest):

    def test_every_help_has_one_heading_and_names_help_once(self):
        client = self.client()
        # CLUSTER HELP is refused like all of CLUSTER where there is no cluster, as in Redis.
        names = [name.decode() for name in client.call('COMMAND', 'LIST')
                 if b'|help' in name and name != b'cluster|help']
        self.assertGreater(len(names), 10)
        for name in names:
            container = name.split('|')[0].upper()
            lines = [line.decode() for line in client.call(container, 'HELP')]
            headings = [line for line in lines if 'Subcommands are:' in line]
            self.assertEqual(headings, [lines[0]], name)
            self.assertTrue(lines[0].startswith(container + ' <subcommand>'), lines[0])
            self.assertEqual(lines.count('HELP'), 1, name)


if __name__ == '__main__':
    unittest.main()
