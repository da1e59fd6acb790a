"""fault_proxy: a TCP proxy on loopback that stands between a server and its client and spoils it.

Modes: 'pass'; 'slow' (each piece is late); 'torn' (pieces of a few bytes); 'silent' (accepts, and
forwards nothing); 'refuse' (closes new connections at once). reset() cuts what is connected,
garble() puts senseless bytes into the answers. What a mode holds back is lost with its connection.
"""

import contextlib
import socket
import struct
import threading
import time

PIECE_BYTES = 1 << 16


class FaultProxy:

    def __init__(self, target_port):
        self.target_port = target_port
        self.mode = 'pass'
        self.delay_s = 0.0
        self.garbage = b''
        self.pairs = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def heal(self):
        self.mode = 'pass'
        self.garbage = b''

    def reset(self):
        """Ends all connections the hard way (RST)."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                    one.shutdown(socket.SHUT_RDWR)

    def garble(self, garbage):
        """The next answer on each connection begins with these bytes."""
        self.garbage = garbage

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client):
        with contextlib.ExitStack() as stack:
            stack.enter_context(client)
            if self.mode == 'refuse':
                return
            try:
                server = stack.enter_context(
                    socket.create_connection(('127.0.0.1', self.target_port), 5))
            except OSError:
                return
            server.settimeout(None)
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            back = threading.Thread(target=self._forward, args=(server, client, True), daemon=True)
            back.start()
            self._forward(client, server, False)
            back.join()
            with self.lock:
                self.pairs.discard(pair)

    def _forward(self, source, target, is_answer):
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                while self.mode == 'silent':
                    time.sleep(0.01)
                if self.mode == 'slow':
                    time.sleep(self.delay_s)
                if is_answer and self.garbage:
                    garbage, self.garbage = self.garbage, b''
                    target.sendall(garbage)
                if self.mode == 'torn':
                    for start in range(0, len(piece), 7):
                        target.sendall(piece[start:start + 7])
                else:
                    target.sendall(piece)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
