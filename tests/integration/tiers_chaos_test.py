#!/usr/bin/env python3
"""A seeded schedule of faults below Terrace while load runs on every kind of route.

Each worker owns its keys, so that it knows what each may hold. Whatever is broken below:
  - every request is answered, within a bound, and errors name the tier;
  - on forward and spill routes nothing acknowledged is lost and nothing old is read; a write that
    "may or may not have happened" did or did not, and one of which "nothing was written" did not;
  - a transaction on a forward route has happened as a whole or not at all; an element of a queue is
    taken once, and none is left that somebody took;
  - an origin's answer is its value or an error, never nonsense and never "absent";
  - keys without a route notice nothing;
  - when the faults end, everything works again without a restart.

CHAOS_SECONDS is how long faults go on (`make chaos SECONDS=`), CHAOS_SEED repeats a schedule.
"""
# run_tests: alone

import os
import random
import shutil
import signal
import threading
import time
import unittest

import black_box  # for the path to the helpers
import fault_proxy
import raw_client
import resp_wire
import tiers_world
from tiers_world import Answer, origin, regional, route

assert black_box

ANSWER_BOUND_S = 6.0
CALM_BOUND_S = 1.5  # for keys without a route; the machine may be busy
KEYS_PER_WORKER = 150
COPY_TTL_S = 2


class Worker(threading.Thread):
    """One client with keys of its own; stops at the first thing that is wrong."""

    def __init__(self, world, name):
        super().__init__(daemon=True)
        self.world = world
        self.name = name
        self.rng = random.Random(f'{world.seed}/{name}')
        self.client = raw_client.RawClient(world.server.port, timeout_s=ANSWER_BOUND_S,
                                           proto=self.rng.choice((2, 3)))
        self.wrong = None
        self.answers = self.errors = 0

    def run(self):
        try:
            while not self.world.is_over.is_set() and self.wrong is None:
                self.step()
        except (OSError, raw_client.ConnectionClosed, raw_client.ReplyTimeout) as error:
            self.fault(f'no answer: {error!r}')

    def fault(self, text):
        if self.wrong is None:
            self.wrong = f'{self.name} after {self.world.age():.2f} s: {text}'

    def ask(self, *command):
        reply = self.client.command(*command)
        self.answers += 1
        if reply[0] == '-':
            self.errors += 1
            if not reply[1].startswith((b'TIER ', b'OOM ')):
                self.fault(f'{command} -> {reply}')
        return reply

    def key(self):
        return self.rng.randrange(KEYS_PER_WORKER)

    def step(self):
        raise NotImplementedError


def text_of(reply):
    return reply[1] if reply[0] == '$' else None


class Register(Worker):
    """Strings of a route whose writes are acknowledged or refused: forward, or spill."""

    def __init__(self, world, name, prefix):
        super().__init__(world, name)
        self.prefix = prefix
        self.possible = {}  # number -> the values the key may hold
        self.count = 0
        self.losses = 0

    def may_be_lost(self):
        """Has the tier below lost its data since the last call, or may it still turn out so?"""
        losing, losses = self.world.losses[self.prefix]
        if not losing and losses == self.losses:
            return False
        self.losses = losses
        for possible in self.possible.values():
            possible.add(None)
        return True

    def step(self):
        self.may_be_lost()
        number = self.key()
        name = f'{self.prefix}{self.name}:{number}'
        possible = self.possible.setdefault(number, {None})
        action = self.rng.randrange(10)
        if action < 4:
            self.count += 1
            value = b'%d/' % self.count + b'v' * self.rng.choice((10, 300, 2000))
            self.write(number, {value}, 'SET', name, value)
        elif action == 4:
            self.write(number, {None}, 'DEL', name)
        elif action == 5:
            self.write(number, {(value or b'') + b'+' for value in possible}, 'APPEND', name, '+')
        else:
            self.check(number, self.ask('GET', name))
        if self.rng.randrange(10) == 0:
            time.sleep(self.rng.random() * 0.02)

    def write(self, number, after, *command):
        reply = self.ask(*command)
        if reply[0] != '-':
            self.possible[number] = set(after)
        elif b'may or may not' in reply[1]:
            self.possible[number] |= after
        if self.may_be_lost() and command[0] == 'APPEND':
            self.possible[number].add(b'+')

    def check(self, number, reply):
        self.may_be_lost()
        if reply[0] == '-':
            return
        value, possible = text_of(reply), self.possible[number]
        if value not in possible:
            brief = [one and (one[:8], len(one)) for one in possible]
            self.fault(f'{self.prefix} key {number} holds {str(reply)[:30]}, not one of {brief}')
        # Nothing that was sent earlier can take effect after what was sent later.
        self.possible[number] = {value}

    def check_all(self):
        for number in list(self.possible):
            reply = self.ask('GET', f'{self.prefix}{self.name}:{number}')
            if reply[0] == '-':
                self.fault(f'still failing after the faults: {reply}')
            self.check(number, reply)


class Pair(Worker):
    """Two keys of a forward route that are only ever written together."""

    def __init__(self, world, name):
        super().__init__(world, name)
        self.keys = [f'f:{name}:{one}' for one in 'xy']
        self.possible = {None}
        self.count = self.losses = 0

    def run_as_one(self, *commands):
        replies = self.client.pipeline([('MULTI',), *commands, ('EXEC',)])
        self.answers += 1
        reply = replies[-1]
        if reply[0] == '-':
            self.errors += 1
            if not reply[1].startswith((b'TIER ', b'EXECABORT ')):
                self.fault(f'{commands} -> {reply}')
        return reply

    def may_be_lost(self):
        losing, losses = self.world.losses['f:']
        if losing or losses != self.losses:
            self.possible.add(None)
        self.losses = losses

    def step(self):
        self.may_be_lost()
        choice = self.rng.randrange(4)
        if choice == 0:
            self.check()
        elif choice == 1:
            # Nobody else writes here: a read under the watch is what is there.
            if self.ask('WATCH', *self.keys)[0] == '-':
                return
            reply = self.ask('GET', self.keys[0])
            self.may_be_lost()
            if reply[0] != '-' and text_of(reply) not in self.possible:
                self.fault(f'{self.keys[0]} is {reply} under a watch, not of {self.possible}')
            self.write()
        else:
            self.write()
        time.sleep(self.rng.random() * 0.01)

    def write(self):
        self.count += 1
        value = b'%d' % self.count
        reply = self.run_as_one(*(('SET', key, value) for key in self.keys))
        if reply[0] == '*':
            self.possible = {value}
        elif reply[0] == '-' and b'may or may not' in reply[1]:
            self.possible.add(value)

    def check(self):
        reply = self.run_as_one(*(('GET', key) for key in self.keys))
        self.may_be_lost()
        if reply[0] != '*':
            return
        x, y = (text_of(one) for one in reply[1])
        if x != y or x not in self.possible:
            self.fault(f'{self.keys} hold {x}, {y}; one of {self.possible} was written')
        self.possible = {x}

    def check_all(self):
        self.run_as_one(('GET', self.keys[0]))  # a watch that was left is over now
        if self.run_as_one(('GET', self.keys[0]))[0] != '*':
            self.fault('transactions still fail after the faults')
        self.check()


class Queue(Worker):
    """A list of a forward route: pushed here, and waited for."""

    def __init__(self, world, name):
        super().__init__(world, name)
        self.key = f'f:{name}'
        self.pushed, self.taken = set(), set()
        self.count = 0

    def step(self):
        if self.rng.randrange(5) < 3:
            self.count += 1
            element = b'%d' % self.count
            self.pushed.add(element)
            self.ask('LPUSH', self.key, element)
        else:
            self.take(self.rng.choice((0.01, 0.5)))
        time.sleep(self.rng.random() * 0.01)

    def take(self, timeout_s):
        reply = self.ask('BRPOP', self.key, timeout_s)
        if reply[0] == '*':
            element = text_of(reply[1][1])
            if element not in self.pushed or element in self.taken:
                self.fault(f'{element} was taken, which was not there')
            self.taken.add(element)

    def check_all(self):
        self.ask('RPUSH', self.key, 'last')
        self.pushed.add(b'last')
        self.take(1)
        if b'last' not in self.taken:
            self.fault('what was pushed last is not the first to be taken')


class Reader(Worker):
    """Keys whose values come from the origin."""

    def step(self):
        number = self.rng.randrange(3000)
        reply = self.ask('GET', f'o:{number}')
        if reply[0] != '-' and reply != ('$', value_of_origin(number)):
            self.fault(f'o:{number} is {str(reply)[:60]}')

    def check_all(self):
        reply = self.ask('GET', 'o:9999')
        if reply != ('$', value_of_origin(9999)):
            self.fault(f'the origin is back, but {reply}')


class Bystander(Worker):
    """Keys without a route."""

    def step(self):
        number, began = self.key(), time.monotonic()
        value = b'%d' % number
        replies = [self.ask('SET', f'plain{number}', value), self.ask('GET', f'plain{number}')]
        took = time.monotonic() - began
        if replies != [resp_wire.OK, ('$', value)] or took > CALM_BOUND_S:
            self.fault(f'{replies} took {took:.3f} s')
        time.sleep(0.002)

    def check_all(self):
        pass


def value_of_origin(number):
    return b'origin %d ' % number + b'o' * (number % 500)


NONSENSE = (b'\x00\xff\xfe\r\n', b'HTTP/1.1 400 Bad Request\r\n\r\n', b'$-7\r\n', b'*-9\r\n',
            b'$99999999999\r\n', b'?' * 4000, b'$3\r\nabcde\r\n')


class ChaosTest(tiers_world.World):

    def setUp(self):
        self.seed = int(os.environ.get('CHAOS_SEED', random.SystemRandom().randrange(1 << 31)))
        self.seconds = float(os.environ.get('CHAOS_SECONDS', 12))
        print(f'CHAOS_SEED={self.seed}')
        self.rng = random.Random(self.seed)
        self.is_over = threading.Event()
        self.origin_mood = 'fine'
        self.losses = {'f:': (False, 0), 's:': (False, 0)}  # prefix -> losing data now?, how often

    def age(self):
        return time.monotonic() - self.began

    def start_behind_proxy(self):
        redis = self.start_durable_redis()
        proxy = fault_proxy.FaultProxy(redis.port)
        self.addCleanup(proxy.close)
        return redis, proxy

    def origin_answer(self, path):
        number = int(path.rpartition('o%3A')[2])
        value = value_of_origin(number)
        return {'fine': Answer(value),
                'error': Answer(status=503),
                'forbidden': Answer(status=403),
                'nonsense': Answer(raw=b'\x00\x01\x02' * 100),
                'nothing': Answer(raw=b''),
                'short': Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc'),
                'chunks': Answer(
                    raw=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
                'slow': Answer(value, delay_s=0.3),
                'hanging': Answer(value, delay_s=2.0)}[self.origin_mood]

    def start_all(self):
        self.tiers = [self.start_behind_proxy() for _ in range(2)]
        web = self.start_origin(self.origin_answer)
        settings = {'regional_timeout': '500ms', 'timeout': '2s'}
        self.start_terrace(
            [regional(self.tiers[0][1], 'near', reconnect_delay_max='300ms'),
             regional(self.tiers[1][1], 'deep', reconnect_delay_max='300ms'),
             origin(web, **{'breaker.open_max_ms': 500}),
             route('f:', regional='near', ttl=f'{COPY_TTL_S}s', **settings),
             route('s:', regional='deep', write='spill', **settings),
             route('o:', origin='api', ttl='1s', origin_timeout='500ms', timeout='2s')],
            '--maxmemory', str(5 << 20), '--maxmemory-policy', 'allkeys-lru',
            '--threads', str(1 + self.seed % 2))
        self.began = time.monotonic()
        self.workers = [Register(self, f'w{i}', prefix) for i, prefix in
                        enumerate(('f:', 'f:', 's:', 's:', 's:'))]
        self.workers += [Pair(self, 'pair0'), Pair(self, 'pair1'), Queue(self, 'queue')]
        self.workers += [Reader(self, 'reader0'), Reader(self, 'reader1'),
                         Bystander(self, 'bystander')]
        for worker in self.workers:
            self.addCleanup(worker.client.close)
            worker.start()

    def test_faults_are_bounded_and_forgotten(self):
        self.start_all()
        log = []
        while self.age() < self.seconds and not self.faults():
            fault = self.rng.choice((self.kill, self.empty, self.hang, self.spoil, self.cut,
                                     self.garble, self.upset_origin, self.upset_origin,
                                     self.rest))
            log.append(f'{self.age():.2f} {fault()}')
        self.heal()
        time.sleep(1.0)
        self.is_over.set()
        for worker in self.workers:
            worker.join(2 * ANSWER_BOUND_S)
        self.report(log)
        self.eventually(self.works_again, timeout_s=10.0, message='it did not recover')
        for worker in self.workers:
            worker.check_all()
        self.report(log)
        print('; '.join(f'{worker.name} {worker.answers} answers, {worker.errors} errors'
                        for worker in self.workers))

    def faults(self):
        return [worker.wrong for worker in self.workers if worker.wrong]

    def report(self, log):
        faults = self.faults()
        if not self.server.is_running():
            faults.append('it ended: ' + self.server.log_tail())
        if faults:
            self.fail('\n'.join(faults + [f'CHAOS_SEED={self.seed}; the last faults were'] +
                                log[-8:]))

    def works_again(self):
        client = self.client(timeout_s=ANSWER_BOUND_S)
        with client:
            return all(client.command(*command)[0] != '-' for command in
                       (('SET', 'f:probe', 'v'), ('GET', 'f:probe'), ('GET', 's:probe'),
                        ('GET', 'o:9998'), ('SET', 's:probe2', 'v')))

    def heal(self):
        self.origin_mood = 'fine'
        for _, proxy in self.tiers:
            proxy.heal()

    # ---- Faults: each lasts for a while and says what it was ------------------------------------

    def wait(self, least_s, most_s):
        seconds = self.rng.uniform(least_s, most_s)
        time.sleep(seconds)
        return seconds

    def pick(self):
        index = self.rng.randrange(2)
        return ('near', 'deep')[index], *self.tiers[index]

    def rest(self):
        return f'rest for {self.wait(0.2, 1.5):.2f} s'

    def kill(self):
        name, redis, _ = self.pick()
        redis.kill()
        seconds = self.wait(0.0, 1.0)
        redis.start()
        return f'{name} killed, back after {seconds:.2f} s'

    def empty(self):
        name, redis, _ = self.pick()
        prefix = 'f:' if name == 'near' else 's:'
        count = self.losses[prefix][1] + 1
        self.losses[prefix] = True, count
        redis.kill()
        shutil.rmtree(redis.directory / 'appendonlydir')
        redis.start()
        # Copies made before may be read until Terrace has a new connection, or for their time.
        threading.Timer(COPY_TTL_S + 1, self.end_loss, (prefix, count)).start()
        return f'{name} killed, back empty'

    def end_loss(self, prefix, count):
        if self.losses[prefix][1] == count:
            self.losses[prefix] = False, count

    def hang(self):
        name, redis, _ = self.pick()
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            seconds = self.wait(0.05, 3.0)
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        return f'{name} stopped for {seconds:.2f} s'

    def spoil(self):
        name, _, proxy = self.pick()
        proxy.delay_s = self.rng.choice((0.005, 0.1, 0.4, 0.8))
        mode = proxy.mode = self.rng.choice(('slow', 'torn', 'silent', 'refuse'))
        if mode == 'refuse':
            proxy.reset()
        seconds = self.wait(0.1, 2.0)
        proxy.mode = 'pass'
        return f'{name} {mode} ({proxy.delay_s}) for {seconds:.2f} s'

    def cut(self):
        name, _, proxy = self.pick()
        count = self.rng.randrange(1, 6)
        for _ in range(count):
            proxy.reset()
            self.wait(0.0, 0.2)
        return f'{name} cut {count} times'

    def garble(self):
        name, _, proxy = self.pick()
        garbage = self.rng.choice(NONSENSE)
        proxy.garble(garbage)
        self.wait(0.0, 0.5)
        return f'{name} garbled by {garbage[:20]}'

    def upset_origin(self):
        self.origin_mood = self.rng.choice(('error', 'forbidden', 'nonsense', 'nothing', 'short',
                                            'chunks', 'slow', 'hanging', 'fine'))
        return f'origin {self.origin_mood} for at least {self.wait(0.1, 0.8):.2f} s'


if __name__ == '__main__':
    unittest.main()
