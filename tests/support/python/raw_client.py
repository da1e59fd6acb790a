"""raw_client: a blocking RESP connection that shows exactly what is on the wire.

Stock client libraries hide null kinds, push messages and partial writes; the black-box tests need
all three, so they use this client. Not thread safe: one client a thread.
"""

import socket
import time

import patience
import resp_wire


class ConnectionClosed(Exception):
    """The server closed the connection while a reply was expected."""


class ReplyTimeout(Exception):
    """No whole reply arrived within the client's timeout."""


class RawClient:
    """One connection. command() waits for its reply; send*() and read() are the two halves.

    The client's own timeout is stretched by patience; one given to a single call is as given.
    """

    def __init__(self, port=None, unix_path=None, host='127.0.0.1', timeout_s=10.0, proto=2):
        if unix_path is not None:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            address = str(unix_path)
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            address = (host, port)
        self.timeout_s = timeout_s * patience.FACTOR
        self.pushes = []
        self._buffer = bytearray()
        self._start = 0
        self._deadline = 0.0
        self.socket.settimeout(self.timeout_s)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if proto != 2:
            reply = self.command('HELLO', proto)
            if resp_wire.is_error(reply):
                self.close()
                raise resp_wire.ProtocolError(f'HELLO {proto} failed: {reply}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        try:
            self.socket.settimeout(self.timeout_s)
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionClosed(str(error)) from error
        except TimeoutError as error:
            raise ReplyTimeout('the server stopped reading') from error

    def send(self, *arguments):
        self.send_bytes(resp_wire.encode(*arguments))

    def read(self, timeout_s=None):
        """Returns the next reply as a tagged tuple (see resp_wire), pushes included.

        After a ReplyTimeout the bytes that did arrive are kept: read() may be tried again.
        """
        self._deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        start = self._start
        try:
            reply = resp_wire.parse(self)
        except ReplyTimeout:
            self._start = start
            raise
        if self._start == len(self._buffer):
            self._buffer.clear()
            self._start = 0
        elif self._start > 1 << 20:
            del self._buffer[:self._start]
            self._start = 0
        return reply

    def line(self):
        searched = self._start
        while True:
            end = self._buffer.find(b'\r\n', searched)
            if end >= 0:
                line = bytes(self._buffer[self._start:end])
                self._start = end + 2
                return line
            searched = max(self._start, len(self._buffer) - 1)
            self._receive()

    def exact(self, count):
        end = self._start + count
        while len(self._buffer) < end:
            self._receive()
        data = bytes(self._buffer[self._start:end])
        self._start = end
        return data

    def _receive(self):
        left = self._deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            chunk = self.socket.recv(1 << 18)
        except TimeoutError:
            raise ReplyTimeout(f'pending bytes: {self.pending()[:200]!r}') from None
        except ConnectionResetError as error:
            raise ConnectionClosed(str(error)) from error
        if not chunk:
            raise ConnectionClosed(f'pending bytes: {self.pending()[:200]!r}')
        self._buffer += chunk

    def pending(self):
        """Returns the bytes received and not yet parsed."""
        return bytes(self._buffer[self._start:])

    def command(self, *arguments, timeout_s=None):
        """Sends one command and returns its reply; pushes that arrive before go to `pushes`."""
        self.send(*arguments)
        return self.read_reply(timeout_s)

    def read_reply(self, timeout_s=None):
        while True:
            reply = self.read(timeout_s)
            if reply[0] != '>':
                return reply
            self.pushes.append(reply)

    def pipeline(self, commands):
        self.send_bytes(b''.join(resp_wire.encode(*command) for command in commands))
        return [self.read_reply() for _ in commands]

    def call(self, *arguments):
        """Like command(), but returns the plain content."""
        return resp_wire.plain(self.command(*arguments))

    def wait_closed(self, timeout_s=5.0):
        """Returns the replies the server still sent before it closed, or raises ReplyTimeout."""
        replies = []
        try:
            while True:
                replies.append(self.read(timeout_s * patience.FACTOR))
        except ConnectionClosed:
            return replies
