"""Several clients on several threads: single keys are linearisable, MULTI and scripts atomic, and
waiting clients get every element once and in their order.

Environment: HISTORY_SECONDS (default 2, for each test), HISTORY_SEED (random; printed).
"""

import collections
import os
import random
import threading
import time
import unittest

import black_box
import linearizable
import resp_wire

CLIENTS = 4
OPERATIONS_PER_CLIENT = 6
ACCOUNTS = [f'account:{i}' for i in range(8)]
BALANCE = 1000
TRANSFER = ("redis.call('DECRBY', KEYS[1], ARGV[1]) redis.call('INCRBY', KEYS[2], ARGV[1]) "
            "return redis.call('GET', KEYS[1])")
# The same, where nobody can tell beforehand which keys it touches: it takes all locks.
OPAQUE_TRANSFER = "local source, target = KEYS[1] .. '', KEYS[2] .. '' " + TRANSFER.replace(
    'KEYS[1]', 'source').replace('KEYS[2]', 'target')
LIBRARY = """#!lua name=bank
redis.register_function('transfer', function(keys, args)
  redis.call('DECRBY', keys[1], args[1])
  return redis.call('INCRBY', keys[2], args[1])
end)
redis.register_function{function_name='sum', flags={'no-writes'}, callback=function(keys)
  local balances = {}
  for i, key in ipairs(keys) do balances[i] = redis.call('GET', key) end
  return balances
end}"""
QUEUES = [f'queue:{i}' for i in range(3)]
LISTS_OF_WAITERS = 5


def string_model(value, args):
    """A string key: its value as bytes, None when there is none."""
    name = args[0]
    if name == 'SET':
        return args[2], b'OK'
    if name == 'GET':
        return value, value
    if name == 'GETSET':
        return args[2], value
    if name == 'GETDEL':
        return None, value
    if name == 'SETNX':
        return (args[2], 1) if value is None else (value, 0)
    if name == 'STRLEN':
        return value, len(value or b'')
    value = (value or b'') + args[2]
    return value, len(value)


def list_model(items, args):
    """A list key: a tuple of its elements."""
    name = args[0]
    if name == 'RPUSH':
        return items + (args[2],), len(items) + 1
    if name == 'LPUSH':
        return (args[2],) + items, len(items) + 1
    if name == 'LPOP':
        return (items[1:], items[0]) if items else (items, None)
    if name == 'RPOP':
        return (items[:-1], items[-1]) if items else (items, None)
    if name == 'LLEN':
        return items, len(items)
    return items, list(items)


def zset_model(items, args):
    """A sorted set whose members are their scores: a sorted tuple of integers."""
    name = args[0]
    if name == 'ZADD':
        number = int(args[2])
        return tuple(sorted({*items, number})), int(number not in items)
    if name == 'ZREM':
        number = int(args[2])
        return tuple(item for item in items if item != number), int(number in items)
    if name == 'ZPOPMIN':
        return items[1:], [b'%d' % number for number in items[:1] for _ in range(2)]
    return items, len(items)


def string_command(rng, key, value):
    name = rng.choice(('SET', 'GET', 'GET', 'GETSET', 'GETDEL', 'SETNX', 'STRLEN', 'APPEND'))
    return (name, key) if name in ('GET', 'GETDEL', 'STRLEN') else (name, key, value)


def list_command(rng, key, value):
    name = rng.choice(('RPUSH', 'RPUSH', 'LPUSH', 'LPOP', 'RPOP', 'LLEN', 'LRANGE'))
    if name == 'LRANGE':
        return (name, key, '0', '-1')
    return (name, key, value) if name.endswith('PUSH') else (name, key)


def zset_command(rng, key, _):
    name = rng.choice(('ZADD', 'ZADD', 'ZREM', 'ZPOPMIN', 'ZCARD'))
    number = b'%d' % rng.randrange(5)
    return {'ZADD': (name, key, number, number), 'ZREM': (name, key, number)}.get(name, (name, key))


MODELS = {'string': (string_command, string_model, None), 'list': (list_command, list_model, ()),
          'zset': (zset_command, zset_model, ())}


class ConcurrentHistoryTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seconds = float(os.environ.get('HISTORY_SECONDS', 2))
        cls.seed = int(os.environ.get('HISTORY_SEED', random.SystemRandom().randrange(1 << 31)))
        print(f'HISTORY_SEED={cls.seed}, {cls.seconds} s for each test')

    def setUp(self):
        self.admin = self.client()
        self.admin.command('FLUSHALL')
        self.faults = []

    def together(self, *tasks):
        """Runs every task(rng, client) in a thread of its own; a fault of one fails the test."""
        def run(index, task):
            try:
                with self.server.client(timeout_s=30.0) as client:
                    task(random.Random(self.seed * 1000 + index), client)
            except Exception as error:  # pylint: disable=broad-except
                self.faults.append(f'{type(error).__name__}: {error}')
        threads = [threading.Thread(target=run, args=item) for item in enumerate(tasks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.faults, [])

    def play_rounds(self, kind, rounds):
        """Plays short histories on fresh keys, all clients in step; returns them by key."""
        command, _, _ = MODELS[kind]
        histories = collections.defaultdict(list)
        barrier = threading.Barrier(CLIENTS)

        def play(index):
            def task(rng, client):
                for number in range(rounds):
                    key = f'{kind}:{number}'
                    commands = [command(rng, key, b'%d.%d' % (index, i))
                                for i in range(OPERATIONS_PER_CLIENT)]
                    barrier.wait(60)
                    for args in commands:
                        start = time.monotonic()
                        reply = client.call(*args)
                        histories[key].append(
                            linearizable.Operation(start, time.monotonic(), args, reply))
            return task
        self.together(*(play(index) for index in range(CLIENTS)))
        return histories

    def test_single_keys_are_linearizable(self):
        rounds = 0
        deadline = time.monotonic() + self.seconds
        while rounds == 0 or time.monotonic() < deadline:
            for kind, (_, model, initial) in MODELS.items():
                histories = self.play_rounds(kind, 50)
                self.admin.command('FLUSHALL')
                rounds += len(histories)
                for key, history in histories.items():
                    self.assertTrue(linearizable.is_linearizable(history, model, initial),
                                    f'no order of {key} explains {sorted(history)}')
        print(f'{rounds} histories judged')

    def test_transactions_and_scripts_are_atomic(self):
        for account in ACCOUNTS:
            self.admin.command('SET', account, BALANCE)
        self.admin.command('FUNCTION', 'LOAD', 'REPLACE', LIBRARY)
        deadline = time.monotonic() + self.seconds
        counts = collections.Counter()

        def move(rng, client):
            while time.monotonic() < deadline:
                source, target = rng.sample(ACCOUNTS, 2)
                amount = rng.randrange(1, 9)
                named = (2, source, target, amount)
                way = rng.randrange(6)
                if way < 2:
                    replies = [client.command('EVAL', TRANSFER, *named)]
                elif way == 2:
                    replies = [client.command('EVAL', OPAQUE_TRANSFER, *named)]
                elif way == 3:
                    replies = [client.command('FCALL', 'transfer', *named)]
                elif way == 4:
                    inner = rng.choice((('EVAL', TRANSFER), ('EVAL', OPAQUE_TRANSFER),
                                        ('FCALL', 'transfer')))
                    replies = client.pipeline([('MULTI',), (*inner, *named), ('EXEC',)])
                else:
                    replies = client.pipeline([('MULTI',), ('DECRBY', source, amount),
                                               ('INCRBY', target, amount), ('EXEC',)])
                self.faults += [reply for reply in replies if resp_wire.is_error(reply)]
                counts['moves'] += 1

        def judge(rng, client):
            while time.monotonic() < deadline:
                way = rng.randrange(4)
                if way == 0:
                    balances = client.call('MGET', *ACCOUNTS)
                elif way == 3:
                    balances = client.call('FCALL_RO', 'sum', len(ACCOUNTS), *ACCOUNTS)
                elif way == 1:
                    balances = client.call('EVAL', "return redis.call('MGET', unpack(KEYS))",
                                           len(ACCOUNTS), *ACCOUNTS)
                else:
                    client.pipeline([('MULTI',), *(('GET', account) for account in ACCOUNTS)])
                    balances = client.call('EXEC')
                if sum(map(int, balances)) != BALANCE * len(ACCOUNTS):
                    self.faults.append(f'money appeared or vanished: {balances}')
                counts['sums'] += 1
        self.together(move, move, move, judge, judge)
        self.assertGreater(min(counts.values()), 10)
        print(dict(counts))

    def test_every_element_reaches_one_waiter(self):
        deadline = time.monotonic() + self.seconds
        pushed, received = set(), collections.Counter()
        done = threading.Event()

        def produce(name):
            def task(rng, client):
                number = 0
                while time.monotonic() < deadline:
                    elements = [f'{name}.{number + i}' for i in range(rng.randint(1, 3))]
                    number += len(elements)
                    pushed.update(elements)
                    queue = rng.choice(QUEUES)
                    self.push(rng, client, queue, elements)
                    if rng.random() < 0.2:
                        time.sleep(0.002)
            return task

        def consume(rng, client):
            while not done.is_set():
                reply = client.call(*self.waiting_command(rng))
                for element in elements_of(reply):
                    received[element.decode()] += 1

        def finish(rng, client):
            while time.monotonic() < deadline or (len(received) < len(pushed)
                                                  and time.monotonic() < deadline + 20):
                time.sleep(0.05)
            done.set()
        self.together(produce('p'), produce('q'), produce('r'), consume, consume, consume, consume,
                      finish)
        # What the consumers had no time for is still there; nothing else may be missing.
        for queue in QUEUES:
            left = (self.admin.call('ZRANGE', queue, 0, -1) if queue == QUEUES[2]
                    else self.admin.call('LRANGE', queue, 0, -1))
            received.update(element.decode() for element in left)
        self.assertEqual(pushed - set(received), set(), 'elements that nobody received')
        self.assertEqual({e for e, count in received.items() if count != 1}, set())
        print(f'{len(pushed)} elements')

    @staticmethod
    def push(rng, client, queue, elements):
        if queue == QUEUES[2]:
            client.command('ZADD', queue, *(arg for element in elements
                                            for arg in (rng.randrange(9), element)))
            return
        way = rng.randrange(3)
        if way == 0:
            client.command(rng.choice(('RPUSH', 'LPUSH')), queue, *elements)
        elif way == 1:
            client.pipeline([('MULTI',), *(('RPUSH', queue, element) for element in elements),
                             ('EXEC',)])
        else:
            client.command('EVAL', "return redis.call('RPUSH', KEYS[1], unpack(ARGV))", 1, queue,
                           *elements)

    @staticmethod
    def waiting_command(rng):
        return rng.choice((
            ('BLPOP', QUEUES[0], QUEUES[1], '0.1'), ('BRPOP', QUEUES[1], QUEUES[0], '0.1'),
            ('BLMPOP', '0.1', 2, QUEUES[0], QUEUES[1], 'LEFT', 'COUNT', 2),
            ('BLMOVE', QUEUES[0], QUEUES[1], 'LEFT', 'RIGHT', '0.05'),
            ('BZPOPMIN', QUEUES[2], '0.1'), ('BZMPOP', '0.1', 1, QUEUES[2], 'MAX')))

    def test_waiters_are_served_in_their_order(self):
        rng = random.Random(self.seed)
        deadline = time.monotonic() + self.seconds
        waiters = [self.client() for _ in range(LISTS_OF_WAITERS)]
        own = [waiter.call('CLIENT', 'ID') for waiter in waiters]
        rounds = 0
        while rounds < 3 or time.monotonic() < deadline:
            order = rng.sample(range(LISTS_OF_WAITERS), LISTS_OF_WAITERS)
            for index in order:
                waiters[index].send('BLPOP', 'line', f'other:{index}', 0)
                self.eventually(lambda: b' flags=b ' in self.admin.call(
                    'CLIENT', 'LIST', 'ID', own[index]))  # pylint: disable=cell-var-from-loop
            elements = [b'%d.%d' % (rounds, i) for i in range(LISTS_OF_WAITERS)]
            if rng.random() < 0.5:
                self.admin.command('RPUSH', 'line', *elements)
            else:
                self.admin.pipeline([('RPUSH', 'line', element) for element in elements])
            got = [resp_wire.plain(waiters[index].read_reply())[1] for index in order]
            self.assertEqual(got, elements)
            rounds += 1
        print(f'{rounds} lines of waiters')


def elements_of(reply):
    """Returns the elements a waiting command took out; BLMOVE took none."""
    if not isinstance(reply, list):
        return []
    if isinstance(reply[1], list):
        return [item[0] if isinstance(item, list) else item for item in reply[1]]
    return [reply[1]]


if __name__ == '__main__':
    unittest.main()
