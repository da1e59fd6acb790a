"""Deadlines of hash fields against a model. Redis has them since 7.4; where the reference is older,
nothing else can judge them.

Deadlines are at once, or a few milliseconds away and waited for, or far away: none passes between
a command and the model's look at the clock.
"""

import os
import random
import time
import unittest

import harness
import servers

KEYS = [b'a', b'b', b'c']
FIELDS = [b'f1', b'f2', b'1', b'', b'\xff\x00', b'x' * 70]
MANY = [b'many%d' % number for number in range(600)]
NO_FIELD, NO_DEADLINE, NOT_MET, DONE, DELETED = -2, -1, 0, 1, 2
OPS_SHARE = 0.1
TTL_TOLERANCE_MS = 2000
SHORT_MS = 3
SETTLE_S = 0.02
GONE_S = 10.0


class Model:
    """Hashes as {key: {field: [value, deadline in Unix ms or None]}}."""

    def __init__(self):
        self.keys = {}

    def settle(self):
        now_ms = time.time() * 1000
        for key in list(self.keys):
            self.keys[key] = {field: entry for field, entry in self.keys[key].items()
                              if entry[1] is None or entry[1] > now_ms}
            self.drop_if_empty(key)

    def drop_if_empty(self, key):
        if not self.keys.get(key):
            self.keys.pop(key, None)

    def fields(self, key):
        return self.keys.get(key, {})

    def hset(self, key, pairs):
        fields = self.keys.setdefault(key, {})
        before = len(fields)
        for field, value in pairs:
            fields[field] = [value, None]
        return len(fields) - before

    def hincrby(self, key, field, amount):
        entry = self.keys.setdefault(key, {}).setdefault(field, [b'0', None])
        entry[0] = b'%d' % (int(entry[0]) + amount)
        return int(entry[0])

    def hdel(self, key, fields):
        gone = sum(self.fields(key).pop(field, None) is not None for field in fields)
        self.drop_if_empty(key)
        return gone

    def expire(self, key, deadline_ms, condition, fields, is_over):
        replies = []
        for field in fields:
            entry = self.fields(key).get(field)
            if entry is None:
                replies.append(NO_FIELD)
            elif not self.is_met(condition, entry[1], deadline_ms):
                replies.append(NOT_MET)
            elif is_over:
                del self.keys[key][field]
                replies.append(DELETED)
            else:
                entry[1] = deadline_ms
                replies.append(DONE)
        self.drop_if_empty(key)
        return replies

    @staticmethod
    def is_met(condition, old, new):
        return {b'': True, b'NX': old is None, b'XX': old is not None,
                b'GT': old is not None and old < new, b'LT': old is None or old > new}[condition]

    def persist(self, key, fields):
        replies = []
        for field in fields:
            entry = self.fields(key).get(field)
            replies.append(NO_FIELD if entry is None else
                           NO_DEADLINE if entry[1] is None else DONE)
            if replies[-1] == DONE:
                entry[1] = None
        return replies

    def deadlines(self, key, fields):
        return [NO_FIELD if field not in self.fields(key) else self.fields(key)[field][1]
                for field in fields]


class HashDeadlinesTest(unittest.TestCase):

    def setUp(self):
        self.seed = harness.base_seed()
        print(f'{self.id()}: DIFF_SEED={self.seed}')
        self.rng = random.Random(self.seed)
        self.model = Model()
        self.server = servers.TerraceServer().start()
        self.addCleanup(self.server.close)
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        # Few enough that hashes pass from one encoding to the next.
        self.client.command('CONFIG', 'SET', 'hash-max-listpack-entries', '6')

    def expect(self, expected, *args):
        got = self.client.command(*args)
        self.assertEqual(got, expected, f'{args}, seed {self.seed}')

    def some_fields(self):
        pool = MANY if self.rng.random() < 0.05 else FIELDS
        return self.rng.sample(pool, self.rng.randint(1, 3))

    def integers(self, numbers):
        return ('*', tuple((':', number) for number in numbers))

    def step_set(self, key):
        pairs = [(field, b'%d' % self.rng.randrange(1000)) for field in self.some_fields()]
        if self.rng.random() < 0.02:
            pairs = [(field, b'1') for field in MANY]
        self.expect((':', self.model.hset(key, pairs)), 'HSET', key,
                    *(part for pair in pairs for part in pair))

    def step_increment(self, key):
        field, amount = self.rng.choice(FIELDS), self.rng.randrange(-5, 5)
        self.expect((':', self.model.hincrby(key, field, amount)), 'HINCRBY', key, field, amount)

    def step_delete(self, key):
        fields = self.some_fields()
        self.expect((':', self.model.hdel(key, fields)), 'HDEL', key, *fields)

    def step_expire(self, key):
        condition = self.rng.choice([b'', b'', b'', b'NX', b'XX', b'GT', b'LT'])
        now_ms = int(time.time() * 1000)
        # Far deadlines differ by more than a run can last.
        far_s = 100000 * self.rng.randint(1, 50)
        kind = self.rng.randrange(6)
        name, argument, deadline_ms = [
            ('HEXPIRE', far_s, now_ms + far_s * 1000),
            ('HPEXPIRE', far_s * 1000, now_ms + far_s * 1000),
            ('HEXPIREAT', now_ms // 1000 + far_s, (now_ms // 1000 + far_s) * 1000),
            ('HPEXPIREAT', now_ms + far_s * 1000, now_ms + far_s * 1000),
            ('HPEXPIREAT', 1, 1),
            ('HPEXPIRE', SHORT_MS, now_ms + SHORT_MS),
        ][kind]
        fields = self.some_fields()
        replies = self.model.expire(key, deadline_ms, condition, fields, is_over=kind == 4)
        words = [condition] if condition else []
        self.expect(self.integers(replies), name, key, argument, *words, 'FIELDS', len(fields),
                    *fields)
        if kind == 5:
            time.sleep(SETTLE_S)
            self.model.settle()

    def step_persist(self, key):
        fields = self.some_fields()
        self.expect(self.integers(self.model.persist(key, fields)), 'HPERSIST', key, 'FIELDS',
                    len(fields), *fields)

    def step_ask(self, key):
        fields = self.some_fields()
        name, unit, is_span = self.rng.choice([('HTTL', 1000, True), ('HPTTL', 1, True),
                                               ('HEXPIRETIME', 1000, False),
                                               ('HPEXPIRETIME', 1, False)])
        got = self.client.command(name, key, 'FIELDS', len(fields), *fields)
        now_ms = time.time() * 1000
        for number, deadline in zip(got[1], self.model.deadlines(key, fields), strict=True):
            if deadline is None or deadline == NO_FIELD:
                self.assertEqual(number, (':', NO_DEADLINE if deadline is None else NO_FIELD))
                continue
            wanted = (deadline - now_ms if is_span else deadline) / unit
            self.assertAlmostEqual(number[1], wanted, delta=TTL_TOLERANCE_MS / unit,
                                   msg=f'{name} {key} {fields}, seed {self.seed}')

    def step_move(self, key):
        other = self.rng.choice(KEYS)
        kind = self.rng.randrange(3)
        if other == key or key not in self.model.keys:
            return
        if kind == 0:
            self.expect(('+', b'OK'), 'RENAME', key, other)
            self.model.keys[other] = self.model.keys.pop(key)
            return
        if kind == 1:
            self.expect((':', 1), 'COPY', key, other, 'REPLACE')
        else:
            payload = self.client.command('DUMP', key)[1]
            self.expect(('+', b'OK'), 'RESTORE', other, '0', payload, 'REPLACE')
        self.model.keys[other] = {field: list(entry) for field, entry in
                                  self.model.keys[key].items()}

    def step_drop(self, key):
        if self.model.keys.pop(key, None) is not None:
            self.expect((':', 1), 'DEL', key)

    def check(self, key):
        fields = self.model.fields(key)
        got = self.client.command('HGETALL', key)[1]
        self.assertEqual({field[1]: value[1] for field, value in zip(got[::2], got[1::2])},
                         {field: entry[0] for field, entry in fields.items()},
                         f'HGETALL {key}, seed {self.seed}')
        self.expect((':', len(fields)), 'HLEN', key)

    def wait_until_gone(self, key):
        """As in Redis, a key whose last field has expired is there until the server comes by."""
        deadline = time.monotonic() + GONE_S
        while self.client.command('EXISTS', key) != (':', 0):
            self.assertLess(time.monotonic(), deadline, f'{key} stays, seed {self.seed}')
            time.sleep(SETTLE_S)

    def test_commands_agree_with_the_model(self):
        steps = [(20, self.step_set), (6, self.step_increment), (6, self.step_delete),
                 (20, self.step_expire), (8, self.step_persist), (14, self.step_ask),
                 (4, self.step_move), (1, self.step_drop)]
        count = int(int(os.environ.get('DIFF_OPS', harness.DEFAULT_OPS)) * OPS_SHARE)
        for step in self.rng.choices([step for _, step in steps], [weight for weight, _ in steps],
                                     k=count):
            key = self.rng.choice(KEYS)
            step(key)
            if self.rng.random() < 0.1:
                self.check(key)
        for key in KEYS:
            self.check(key)
            if key not in self.model.keys:
                self.wait_until_gone(key)


if __name__ == '__main__':
    unittest.main()
