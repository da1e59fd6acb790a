"""fake_target: a server that keys are migrated to. It answers as a test says and tells what came.

Threads: one for each connection; `script` is called on it and may wait.
"""

import contextlib
import socket
import threading
import time


class FakeTarget:
    """Answers each command as `script(arguments)` says: bytes, None to hang up, or both as a pair.

    pause_s: how long it rests behind each megabyte that it reads.
    """

    def __init__(self, script, pause_s=0.0):
        self.script = script
        self.pause_s = pause_s
        self.commands = []
        self.connections = 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def names(self):
        return [command[0].upper() for command in self.commands]

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError, ValueError), peer, peer.makefile('rb') as stream:
            while line := stream.readline():
                command = []
                for _ in range(int(line[1:])):
                    size = int(stream.readline()[1:])
                    command.append(self._read(stream, size + 2)[:-2])
                self.commands.append(command)
                answer = self.script(command)
                answer, *then = answer if isinstance(answer, tuple) else (answer,)
                if answer is not None:
                    peer.sendall(answer)
                if answer is None or then:
                    return

    def _read(self, stream, size):
        pieces = []
        while size > 0:
            pieces.append(stream.read(min(size, 1 << 20)))
            if len(pieces[-1]) == 1 << 20:
                time.sleep(self.pause_s)
            if not pieces[-1]:
                raise OSError('the client has gone')
            size -= len(pieces[-1])
        return b''.join(pieces)
