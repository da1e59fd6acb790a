"""engine: plays one sequence of commands to two servers, finds the first reply that differs, and
shrinks a failing sequence to a short script.

Both servers get the same bytes, pipelined in random batches and cut at random points. An episode
starts on fresh connections and without keys, scripts and functions, so it can be replayed alone
from its seed.
"""

import ast
import collections
import random
import time

import compare
import pools
import raw_client
import resp_wire
from generator import Op

BATCH_MAX = 32
SHRINK_SECONDS_MAX = 30.0
DATABASES = 3  # that pools.DATABASES names

# `index` is the position of the op in its sequence; expected is the reference's reply.
Mismatch = collections.namedtuple('Mismatch', 'index op expected got')

# What stands for a reply when there is none.
CLOSED = ('closed',)
SILENT = ('no reply',)
QUEUED = ('+', b'QUEUED')

SORT_REFUSED = ('-', b"ERR One or more scores can't be converted into double")


class EndOfEpisode(Exception):
    """The servers hold different data, and the reference is to blame."""


class Side:
    """One of the two servers with its connection of the moment."""

    def __init__(self, server):
        self.server = server
        self.client = None
        # A second connection, for what happens beside the sequence.
        self.other = None

    def open(self, proto, thresholds):
        self.close()
        if not self.server.is_running():
            self.server.start()
        self.client = self.server.client(timeout_s=10.0)
        self.other = self.server.client(timeout_s=10.0)
        for what_is_left in (('FLUSHALL',), ('FUNCTION', 'FLUSH'), ('SCRIPT', 'FLUSH')):
            self.client.command(*what_is_left)
        self.client.command('CONFIG', 'SET', *thresholds)
        if proto == 3:
            self.client.command('HELLO', '3')

    def close(self):
        for client in (self.client, self.other):
            if client is not None:
                client.close()
        self.client = self.other = None

    def send(self, data):
        try:
            self.client.send_bytes(data)
        except (raw_client.ConnectionClosed, raw_client.ReplyTimeout):
            pass  # The reads that follow report it.

    def reply(self):
        try:
            return self.client.read_reply()
        except (raw_client.ConnectionClosed, OSError):
            return CLOSED
        except raw_client.ReplyTimeout:
            return SILENT
        except resp_wire.ProtocolError as error:
            return ('protocol error', str(error))

    def command(self, *args):
        self.send(resp_wire.encode(*args))
        return self.reply()


class Engine:
    """Compares `subject` (a servers.Server) with `reference` over sequences of ops."""

    def __init__(self, reference, subject, reference_version, trace=None):
        self.reference = Side(reference)
        self.subject = Side(subject)
        self.version = reference_version
        self.trace = trace
        # The commands of the open transaction: EXEC's reply is judged one by one.
        self.queued = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reference.close()
        self.subject.close()

    def play(self, ops, seed, proto):
        """Plays a sequence from scratch; returns the first Mismatch or None."""
        rng = random.Random(seed)
        self.queued = []
        thresholds = compare.thresholds_of(self.version)
        self.reference.open(proto, thresholds)
        self.subject.open(proto, thresholds)
        try:
            return self._play_all(ops, rng)
        except EndOfEpisode:
            return None

    def _play_all(self, ops, rng):
        position = 0
        while position < len(ops):
            end = self._batch_end(ops, position, rng.randint(1, BATCH_MAX))
            if ops[position].args[0].startswith(b'@'):
                mismatch = self._play_special(position, ops[position])
            else:
                mismatch = self._play_batch(ops, position, end, rng)
            if mismatch is not None:
                return mismatch
            if ops[end - 1].pause_ms:
                self._settle(ops[end - 1].pause_ms)
            position = end
        return None

    @staticmethod
    def _batch_end(ops, position, size):
        """A batch ends after an op with a pause, and before a special op, which is played alone."""
        end = position
        while end < len(ops) and end - position < size:
            if ops[end].args[0].startswith(b'@'):
                return max(end, position + 1)
            end += 1
            if ops[end - 1].pause_ms:
                break
        return end

    def _play_batch(self, ops, position, end, rng):
        data = b''.join(
            resp_wire.encode_inline(op.args) if op.inline else resp_wire.encode(*op.args)
            for op in ops[position:end])
        cuts = sorted(rng.randrange(len(data)) for _ in range(rng.choice((0, 0, 1, 3))))
        for start, stop in zip([0] + cuts, cuts + [len(data)]):
            self.reference.send(data[start:stop])
            self.subject.send(data[start:stop])
        for index in range(position, end):
            mismatch = self._check(index, ops[index], self.reference.reply(), self.subject.reply())
            if mismatch is None:
                continue
            if mismatch.expected == SORT_REFUSED:
                for _ in range(index + 1, end):
                    self.reference.reply(), self.subject.reply()
                self._judge_sort(mismatch)
            return mismatch
        return None

    def _judge_sort(self, mismatch):
        """Redis's SORT looks at errno without having set it: it refuses good numbers after another
        command was given one out of range. A new connection makes accept() set it."""
        self.reference.server.client(timeout_s=10.0).close()
        again = list(mismatch.op.args)
        if b'STORE' in [arg.upper() for arg in again]:
            store = [arg.upper() for arg in again].index(b'STORE')
            del again[store:store + 2]
        if self.reference.command(*again)[0] == '*' and mismatch.got[0] in '*:':
            raise EndOfEpisode

    def _check(self, index, op, expected, got):
        if self.trace:
            self.trace(index, op, expected, got)
        if expected == got == QUEUED:
            self.queued.append(op)
            return None
        if compare.command_name(op.args) == b'EXEC' and len(self.queued) == _length(expected):
            queued, self.queued = self.queued, []
            if len(queued) == _length(got) and all(
                    compare.equal(inner, left, right, self.version)
                    for inner, left, right in zip(queued, expected[1], got[1])):
                return None
            return Mismatch(index, op, expected, got)
        if compare.command_name(op.args) in (b'MULTI', b'EXEC', b'DISCARD'):
            # A MULTI inside MULTI is refused and leaves the queue as it is.
            self.queued = self.queued if expected[0] == '-' and op.args[0][:1] in b'mM' else []
        if compare.equal(op, expected, got, self.version):
            return None
        return Mismatch(index, op, expected, got)

    def _settle(self, pause_ms):
        """Waits until what was made short-lived is over, and makes both servers notice it."""
        time.sleep(pause_ms / 1000)
        for side in (self.reference, self.subject):
            for database in range(DATABASES):
                side.other.pipeline([('SELECT', database), ('EXISTS', *pools.KEYS, *pools.JUNK)])
            side.other.command('SELECT', 0)

    def _play_special(self, index, op):
        if op.args[0] == b'@scan':
            replies = [_whole_scan(side, op.args[1:]) for side in (self.reference, self.subject)]
            if replies[0] == QUEUED:
                op = Op(op.args[1:], 0, False)
            return self._check(index, op, *replies)
        if op.args[0] == b'@other':
            return self._check(index, Op(op.args[1:], 0, False), *(
                side.other.command(*op.args[1:]) for side in (self.reference, self.subject)))
        if op.args[0] == b'@transplant':
            _, source, target, lifetime, *rest = op.args
            return self._transplant(
                index, (b'DUMP', source),
                lambda payload: (b'RESTORE', target, lifetime, payload, *rest))
        return self._transplant(index, (b'FUNCTION', b'DUMP'),
                                lambda payload: (b'FUNCTION', b'RESTORE', payload, *op.args[1:]))

    def _transplant(self, index, dump, restore):
        """Plays `dump` to both servers and restore(payload) with the payload of the other one."""
        payloads = [side.command(*dump) for side in (self.reference, self.subject)]
        mismatch = self._check(index, Op(dump, 0, False), *payloads)
        if mismatch is not None or payloads[0][0] != '$':
            return mismatch
        expected = self.reference.command(*restore(payloads[1][1]))
        got = self.subject.command(*restore(payloads[0][1]))
        return self._check(index, Op(restore(payloads[1][1]), 0, False), expected, got)


def _length(reply):
    """The number of elements of an array; -1 for anything else, which no transaction has."""
    return len(reply[1]) if reply[0] == '*' else -1


def _whole_scan(side, args):
    """Iterates until the cursor is 0 again; returns the distinct elements as a set reply."""
    name = args[0].upper()
    before_cursor = 1 if name == b'SCAN' else 2
    cursor = b'0'
    elements = set()
    for _ in range(10000):
        reply = side.command(*args[:before_cursor], cursor, *args[before_cursor:])
        if reply[0] != '*' or len(reply[1]) != 2:
            return reply
        cursor = reply[1][0][1]
        page = reply[1][1][1]
        elements.update(zip(page[::2], page[1::2]) if name in (b'HSCAN', b'ZSCAN') else page)
        if cursor == b'0':
            return ('~', tuple(sorted(elements)))
    return ('endless scan',)


def shrink(engine, ops, mismatch, seed, proto):
    """Removes halves, quarters, ... of the ops while the rest still fails: (ops, mismatch)."""
    deadline = time.monotonic() + SHRINK_SECONDS_MAX
    ops = ops[:mismatch.index + 1]
    chunk = max(1, len(ops) // 2)
    while True:
        position = 0
        removed = False
        while position < len(ops) and time.monotonic() < deadline:
            candidate = ops[:position] + ops[position + chunk:]
            again = engine.play(candidate, seed, proto) if candidate else None
            if again is not None:
                ops, mismatch, removed = candidate[:again.index + 1], again, True
            else:
                position += chunk
        if time.monotonic() >= deadline or (chunk == 1 and not removed):
            return ops, mismatch
        chunk = max(1, chunk // 2)


def script_of(ops):
    """Returns the ops as text, one a line, which read_script() reads back."""
    return '\n'.join(repr((op.args, op.pause_ms, op.inline)) for op in ops)


def read_script(text):
    return [Op(*ast.literal_eval(line)) for line in text.splitlines() if line.strip()]
