"""servers: starts the servers that a bench compares, and reads what they cost from /proc."""

import ctypes
import os
import pathlib
import random
import shlex
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The programs of the benches lie beside the server under test, of whatever build that is.
BUILD = pathlib.Path(os.environ.get("TERRACE_BIN", ROOT / "build" / "release" / "terrace")).parent
START_SECONDS_MAX = 20
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


PR_SET_PDEATHSIG = 1


def free_port():
    """Below the ephemeral range, so that no outgoing connection takes it before the server does."""
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def die_with_parent():
    """In the child: the kernel ends it when the bench ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def pinned(command, core):
    return command if core is None else ["taskset", "-c", str(core), *command]


def memcached_command(port, _folder):
    # -R: as many pipelined requests in a row as there are, as the others do; 20 is its default.
    command = ["memcached", "-t", "1", "-p", str(port), "-l", "127.0.0.1", "-U", "0",
               "-m", "16384", "-R", "1000"]
    return command + (["-u", "nobody"] if os.geteuid() == 0 else [])


def redis_command(binary):
    return lambda port, folder: [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                                 "--appendonly", "no", "--dir", folder]


def terrace_command(binary, threads):
    return lambda port, folder: [binary, "--port", str(port), "--threads", str(threads),
                                 "--dir", folder]


def limit_command(port, _folder):
    return [str(BUILD / "bench_bare_epoll"), str(port), "64"]


class Kind:
    """What can be measured: a name, how to start it, and what it speaks."""

    def __init__(self, name, command, protocol="resp", memory_options=()):
        self.name, self.command, self.protocol = name, command, protocol
        self.memory_options = list(memory_options)  # for the measurement of memory


class Server:
    """A running server. Use as a context, so that it never outlives the bench."""

    def __init__(self, kind, core=None, options=()):
        self.kind, self.port = kind, free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="terrace-bench-")
        self.log_path = pathlib.Path(self.folder.name) / "log"
        command = pinned(kind.command(self.port, self.folder.name) + list(options), core)
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            preexec_fn=die_with_parent)
        try:
            self.wait_ready(command)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, command):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = self.log_path.read_text(errors="replace")
                    raise SystemExit(f"{self.kind.name} does not start: {shlex.join(command)}\n"
                                     f"{log}") from None
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()

    def cpu_seconds(self):
        """User and system time of all its threads so far."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def ask(self, *words):
        """Sends one RESP command and returns the reply: bytes, int, None, list or an Exception."""
        with RespClient(self.port) as client:
            return client.ask(*words)


class RespClient:
    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def ask(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.read()

    def read(self):
        line = self.stream.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.stream.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return RuntimeError((rest if kind == b"-" else line or b"connection closed").decode())


def info(server, section=""):
    """INFO as a dictionary of its fields."""
    text = server.ask("INFO", *([section] if section else []))
    if isinstance(text, Exception):
        raise SystemExit(f"{server.kind.name}: INFO {section}: {text}")
    return dict(line.split(":", 1) for line in text.decode().splitlines()
                if ":" in line and not line.startswith("#"))
