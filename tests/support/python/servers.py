"""servers: real server processes for black-box tests, on free loopback ports in temporary folders.

Promises:  start() returns once the server answers PING. A server dies with the test process, even
           one that is killed: the kernel delivers the death signal. A failed start shows the log.
Threads:   start servers from the main thread; the death signal follows the thread that forked.
Settings:  TERRACE_BIN names the Terrace binary (default build/release/terrace of this checkout),
           REDIS_BIN the reference server (default redis-server of the path), TERRACE_FLAGS adds
           flags to every Terrace (for example "--threads 4"). TERRACE_STOP_GENTLY=1 lets each
           Terrace end by itself after its test, so that sanitizers see its end and its leaks.
"""

import ctypes
import os
import pathlib
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import patience
import raw_client

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1


def terrace_binary():
    return os.environ.get('TERRACE_BIN', str(REPOSITORY / 'build/release/terrace'))


def redis_binary():
    return os.environ.get('REDIS_BIN', 'redis-server')


def free_port():
    """Picks a port below the ephemeral range, so that outgoing connections do not take it."""
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class StartFailed(Exception):
    """The server ended, or did not answer PING in time; the message holds the end of its log."""


class Server:
    """One server process. Its port, folder and flags survive stop(), kill() and restart()."""

    start_timeout_s = 20.0 * patience.FACTOR

    def __init__(self, *flags, binary, limits=None, environment=None):
        self.binary = binary
        self.flags = [str(flag) for flag in flags]
        self.limits = limits or {}
        self.environment = environment or {}
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='terrace-test-'))
        self.log_path = self.directory / 'log'
        self.port = None
        self.process = None

    def command_line(self):
        raise NotImplementedError

    def __enter__(self):
        if self.process is None:
            self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Starts the process and waits until it answers PING. Returns self."""
        is_first_start = self.port is None
        for attempt in range(3):
            # The port stays across restarts, where others know it; only a first start that lost a
            # race picks another.
            if is_first_start:
                self.port = free_port()
            elif attempt > 0:
                time.sleep(0.2)
            with open(self.log_path, 'ab') as log:
                self.process = subprocess.Popen(
                    self.command_line(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.directory, env={**os.environ, **self.environment},
                    preexec_fn=self._prepare_child)
            if self._wait_for_ping():
                return self
            if b'in use' not in self.log().lower():
                break
        self.kill()
        raise StartFailed(f'{shlex.join(self.command_line())}\n{self.log_tail()}')

    def _prepare_child(self):
        import resource
        die_with_parent()
        for name, value in self.limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    def _wait_for_ping(self):
        deadline = time.monotonic() + self.start_timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with raw_client.RawClient(self.port, timeout_s=1.0) as client:
                    reply = client.command('PING')
                    # One that still loads its data refuses every command.
                    if reply[0] in '+-' and not reply[1].startswith(b'LOADING'):
                        return True
                    time.sleep(0.01)
            except (OSError, raw_client.ConnectionClosed, raw_client.ReplyTimeout):
                time.sleep(0.01)
        return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def client(self, proto=2, timeout_s=10.0):
        return raw_client.RawClient(self.port, timeout_s=timeout_s, proto=proto)

    def stop(self, timeout_s=10.0):
        """Ends the process with SIGTERM and returns its exit status; SIGKILL if it does not end."""
        if self.process is None:
            return None
        if self.is_running():
            self.process.terminate()
        try:
            return self.process.wait(timeout_s * patience.FACTOR)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self, hard=False):
        """Starts the server again on the same port and folder; `hard` ends it by kill -9 first."""
        if hard:
            self.kill()
        else:
            self.stop()
        return self.start()

    def close(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        return self.log_path.read_bytes() if self.log_path.exists() else b''

    def log_tail(self, lines=40):
        text = self.log().decode('utf-8', 'replace')
        return '\n'.join(text.splitlines()[-lines:])

    def resident_bytes(self):
        fields = pathlib.Path(f'/proc/{self.pid}/statm').read_text().split()
        return int(fields[1]) * os.sysconf('SC_PAGE_SIZE')

    def peak_resident_bytes(self):
        for line in pathlib.Path(f'/proc/{self.pid}/status').read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
        return 0


class RedisServer(Server):
    """A real redis-server (or valkey-server) without persistence: the reference of a comparison."""

    def __init__(self, *flags, binary=None, **options):
        super().__init__(*flags, binary=binary or redis_binary(), **options)

    def command_line(self):
        return [self.binary, '--port', str(self.port), '--bind', '127.0.0.1', '--save', '',
                '--appendonly', 'no', '--dir', str(self.directory), '--enable-debug-command',
                'yes', *self.flags]


class TerraceServer(Server):
    """The server under test."""

    def __init__(self, *flags, binary=None, **options):
        extra = shlex.split(os.environ.get('TERRACE_FLAGS', ''))
        super().__init__(*extra, *flags, binary=binary or terrace_binary(), **options)

    def command_line(self):
        return [self.binary, '--port', str(self.port), '--bind', '127.0.0.1',
                '--enable-debug-command', 'yes', *self.flags]

    def close(self):
        if os.environ.get('TERRACE_STOP_GENTLY'):
            self.stop()
        super().close()


def has_command(server, name):
    """Does this server know a command? A subcommand is named 'client|pause'."""
    with server.client() as client:
        return client.call('COMMAND', 'INFO', name)[0] is not None


def version_of(server):
    """Returns the Redis version the server claims, as (major, minor, patch)."""
    with server.client() as client:
        info = client.call('INFO', 'server').decode()
    for line in info.splitlines():
        if line.startswith('redis_version:'):
            numbers = line.split(':', 1)[1].strip().split('.')
            return tuple(int(number) for number in numbers[:3])
    return (0, 0, 0)
