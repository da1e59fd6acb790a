"""load_worker: one client process of the load test. Reads its task as JSON, writes its history.

Every worker writes values that name the key, the writer and a sequence number, so that the judge
can tell where each value it meets came from. Requests are pipelined; now and then a connection is
dropped with requests on their way, whose outcome is then unknown.

usage: load_worker.py PORT WRITER SEED SECONDS PROTO    prints one line of JSON
"""

import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support/python'))

import raw_client  # noqa: E402
import resp_wire  # noqa: E402

REGISTERS = [f'register:{i}' for i in range(8)]
COUNTERS = [f'counter:{i}' for i in range(3)]
LISTS = [f'list:{i}' for i in range(2)]
PAIR = ('pair:one', 'pair:two')
ACCOUNTS = [f'account:{i}' for i in range(6)]
DROP_SHARE = 0.004
PIPELINE_MAX = 24


class Worker:
    """Plays random batches until the time is over, and keeps what it saw."""

    def __init__(self, port, writer, seed, proto):
        self.port, self.writer, self.proto = port, writer, proto
        self.rng = random.Random(seed)
        self.sequence = 0
        self.client = None
        # (kind, key, start, end or None, value)
        self.history = []
        self.complaints = []

    def run(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.client is None:
                self.client = raw_client.RawClient(self.port, proto=self.proto, timeout_s=20.0)
                self.has_transactions = self.client.call('COMMAND', 'INFO', 'multi')[0] is not None
            if self.rng.random() < 0.1:
                self.transfer()
            else:
                self.batch()
        self.client.close()

    def batch(self):
        steps = [self.step() for _ in range(self.rng.randint(1, PIPELINE_MAX))]
        start = time.monotonic()
        self.client.send_bytes(b''.join(resp_wire.encode(*args) for _, args, _ in steps))
        if self.rng.random() < DROP_SHARE:
            self.client.close()
            self.client = None
            for kind, args, value in steps:
                self.record(kind, args, start, None, value)
            return
        for kind, args, value in steps:
            reply = self.client.read_reply()
            self.check(kind, args, reply)
            if kind in ('read', 'incr'):
                value = resp_wire.plain(reply)
                value = value.decode() if isinstance(value, bytes) else value
            self.record(kind, args, start, time.monotonic(), value)

    def step(self):
        """Returns (kind, command, value written)."""
        rng = self.rng
        self.sequence += 1
        choice = rng.random()
        if choice < 0.45:
            return 'read', ('GET', rng.choice(REGISTERS)), None
        if choice < 0.70:
            key = rng.choice(REGISTERS)
            value = f'{key}/{self.writer}/{self.sequence}' + '.' * rng.choice((0, 0, 30, 3000))
            return 'write', ('SET', key, value), value
        if choice < 0.74:
            return 'write', (rng.choice(('DEL', 'UNLINK')), rng.choice(REGISTERS)), None
        if choice < 0.82:
            return 'incr', ('INCR', rng.choice(COUNTERS)), None
        if choice < 0.88:
            value = f'{self.writer}/{self.sequence}'
            return 'push', ('RPUSH', rng.choice(LISTS), value), value
        if choice < 0.92:
            return 'pair', ('MSET', PAIR[0], self.sequence, PAIR[1], self.sequence), None
        if choice < 0.96:
            return 'pair', ('MGET', *PAIR), None
        return 'sum', ('MGET', *ACCOUNTS), None

    def check(self, kind, args, reply):
        """What one reply alone can prove: no errors, and multi-key commands are atomic."""
        if resp_wire.is_error(reply):
            self.complaints.append(f'{args} was answered {reply}')
        elif kind == 'pair' and args[0] == 'MGET' and reply[1][0] != reply[1][1]:
            self.complaints.append(f'a pair that is always written together differs: {reply}')
        elif kind == 'sum':
            total = sum(int(balance) for balance in resp_wire.plain(reply))
            if total != 1000 * len(ACCOUNTS):
                self.complaints.append(f'money appeared or vanished: {reply}')

    def transfer(self):
        """Moves money between two accounts in a transaction, half of the times a watched one."""
        if not self.has_transactions:
            return
        source, target = self.rng.sample(ACCOUNTS, 2)
        amount = self.rng.randint(1, 9)
        if self.rng.random() < 0.5:
            replies = self.client.pipeline([
                ('MULTI',), ('DECRBY', source, amount), ('INCRBY', target, amount), ('EXEC',)])
        else:
            self.client.command('WATCH', source, target)
            balances = self.client.call('MGET', source, target)
            replies = self.client.pipeline([
                ('MULTI',), ('SET', source, int(balances[0]) - amount),
                ('SET', target, int(balances[1]) + amount), ('EXEC',)])
        if any(resp_wire.is_error(reply) for reply in replies):
            self.complaints.append(f'a transaction was answered {replies}')

    def record(self, kind, args, start, end, value):
        if kind in ('read', 'write', 'incr', 'push'):
            self.history.append((kind, args[1], start, end, value))


def main():
    port, writer, seed, seconds, proto = sys.argv[1:6]
    worker = Worker(int(port), writer, int(seed), int(proto))
    try:
        worker.run(float(seconds))
    except (raw_client.ConnectionClosed, raw_client.ReplyTimeout, resp_wire.ProtocolError,
            OSError) as error:
        worker.complaints.append(f'{type(error).__name__}: {error}')
    json.dump({'history': worker.history, 'complaints': worker.complaints}, sys.stdout)


if __name__ == '__main__':
    main()
