"""Clients that send without reading, or read late, cost bounded memory and are never deadlocked."""

import os
import socket
import threading
import time
import unittest

import black_box
import patience
import raw_client
import resp_wire

PIPELINED_GETS = 1000000
VALUE = b'v' * 100
# The buffer that holds what one client may leave unread before its requests wait, and half as much
# for the smaller one that it grew from, until the allocator gives that back; a sanitizer keeps
# notes about each byte of both.
UNREAD_BYTES_MAX = 64 << 20
GROWTH_BYTES_MAX = UNREAD_BYTES_MAX + (32 << 20) * patience.FACTOR


class Sender(threading.Thread):
    """Sends all bytes on a socket of its own, however slowly the server takes them."""

    def __init__(self, connection, chunk, repetitions):
        super().__init__(daemon=True)
        self.connection, self.chunk, self.repetitions = connection, chunk, repetitions
        self.sent = 0
        self.error = None

    def run(self):
        try:
            for _ in range(self.repetitions):
                self.connection.sendall(self.chunk)
                self.sent += 1
        except OSError as error:
            self.error = error

    def wait_until_stalled(self, quiet_s=1.0, timeout_s=60.0):
        """Returns once nothing more was taken for quiet_s, or everything is sent."""
        deadline = time.monotonic() + timeout_s
        last, since = self.sent, time.monotonic()
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
            if self.sent != last:
                last, since = self.sent, time.monotonic()
            elif time.monotonic() - since > quiet_s:
                return


class PipelineTest(black_box.TerraceTest):
    # What AddressSanitizer holds back of freed memory, 256 MB by itself, is no growth of ours.
    environment = {'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=8'}

    def test_a_million_pipelined_gets_read_late_need_bounded_memory(self):
        self.client().command('SET', 'key', VALUE)
        before = self.server.resident_bytes()
        client = self.client(timeout_s=60.0)
        batch = 1000
        sender = Sender(client.socket, resp_wire.encode('GET', 'key') * batch,
                        PIPELINED_GETS // batch)
        client.socket.settimeout(None)
        sender.start()
        sender.wait_until_stalled()
        growth = self.server.resident_bytes() - before
        self.assertLess(growth, GROWTH_BYTES_MAX, f'{sender.sent * batch} requests were taken')
        # Others are served meanwhile.
        self.assertEqual(self.client(timeout_s=2.0).command('PING'), ('+', b'PONG'))
        self.assertEqual(read_exactly(client.socket, len(reply_to_get()) * PIPELINED_GETS),
                         reply_to_get() * PIPELINED_GETS)
        sender.join(10)
        self.assertFalse(sender.is_alive())
        self.assertIsNone(sender.error)

    def test_one_packet_that_asks_for_gigabytes_needs_bounded_memory(self):
        self.client().command('SET', 'large', b'x' * 1000000)
        before = self.server.resident_bytes()
        client = self.client()
        client.send_bytes(resp_wire.encode('GET', 'large') * 2000)
        time.sleep(1.0)
        self.assertLess(self.server.resident_bytes() - before, GROWTH_BYTES_MAX)
        self.assertEqual(self.client(timeout_s=2.0).command('PING'), ('+', b'PONG'))
        for _ in range(300):
            self.assertEqual(len(client.read()[1]), 1000000)

    def test_a_client_that_vanishes_in_the_middle_of_replies_harms_nobody(self):
        self.client().command('SET', 'large', b'x' * 1000000)
        for _ in range(20):
            connection = socket.create_connection(('127.0.0.1', self.server.port))
            connection.sendall(resp_wire.encode('GET', 'large') * 10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\x01\0\0\0\0\0\0\0')
            connection.close()
        self.assertEqual(self.client().command('STRLEN', 'large'), (':', 1000000))

    def test_replies_to_a_half_closed_connection_are_complete(self):
        # This is what "printf 'GET a\\r\\n' | nc host port" does.
        self.client().command('SET', 'some', b'x' * 3000)
        client = self.client()
        client.send_bytes(resp_wire.encode('GET', 'some') * 20)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(20):
            self.assertEqual(len(client.read()[1]), 3000)
        with self.assertRaises(raw_client.ConnectionClosed):
            client.read()

    def test_a_very_large_value_goes_in_and_out(self):
        value = b'0123456789abcdef' * (2 << 20)
        client = self.client(timeout_s=30.0)
        self.assertEqual(client.command('SET', 'huge', value), resp_wire.OK)
        self.assertEqual(client.command('GET', 'huge'), ('$', value))
        self.assertEqual(client.command('DEL', 'huge'), (':', 1))


class OutputBufferLimitTest(black_box.TerraceTest):

    def test_a_subscriber_that_does_not_read_is_closed_at_its_limit(self):
        self.need('subscribe')
        self.configure('client-output-buffer-limit', 'pubsub 2097152 0 0')
        subscriber = self.client()
        subscriber.command('CLIENT', 'SETNAME', 'slow')
        subscriber.send('SUBSCRIBE', 'channel')
        subscriber.read()
        publisher = self.client()
        message = b'm' * 100000

        def publish_until_closed():
            return publisher.call('PUBLISH', 'channel', message) == 0
        self.eventually(publish_until_closed, 20.0, 'the slow subscriber was never closed')
        self.assertNotIn(b'name=slow', publisher.call('CLIENT', 'LIST'))

    def test_the_soft_limit_closes_after_its_seconds(self):
        self.need('subscribe')
        self.configure('client-output-buffer-limit', 'pubsub 0 100000 1')
        subscriber = self.client()
        subscriber.send('SUBSCRIBE', 'channel')
        subscriber.read()
        publisher = self.client()
        # Enough to fill what the kernel buffers for both ends, and to pass the soft limit.
        for _ in range(150):
            publisher.command('PUBLISH', 'channel', b'm' * 100000)

        def publish_until_closed():
            return publisher.call('PUBLISH', 'channel', b'm') == 0
        self.eventually(publish_until_closed, 10.0, 'the slow subscriber was never closed')


def reply_to_get():
    return b'$%d\r\n%s\r\n' % (len(VALUE), VALUE)


def read_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        chunk = connection.recv(1 << 20)
        if not chunk:
            break
        data += chunk
    return bytes(data)


if __name__ == '__main__':
    unittest.main()
