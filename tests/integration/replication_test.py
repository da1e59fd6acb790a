"""Replicas: a real Redis follows Terrace, and what operators see and set."""

import random
import threading
import unittest

import black_box  # noqa: F401  (the path to the helpers)
import resp_wire
import servers
import tiers_world
from tiers_world import regional, route


class Replication(tiers_world.World):

    def start(self, *flags, documents=()):
        self.start_terrace(list(documents), '--threads', '2', *flags)
        return self.client()

    def follow(self, *flags):
        replica = servers.RedisServer('--replicaof', f'127.0.0.1 {self.server.port}', *flags)
        self.addCleanup(replica.close)
        replica.start()
        client = self.client(replica)
        self.eventually(lambda: b'master_link_status:up' in client.call('INFO', 'replication'))
        return replica, client

    def info(self, client):
        return dict(line.split(':', 1) for line in
                    client.call('INFO', 'replication').decode().splitlines() if ':' in line)

    def test_it_has_what_was_there_before_and_what_comes_after(self):
        client = self.start()
        for i in range(1000):
            client.command('SET', f'before:{i}', 'x' * i)
        client.command('SELECT', 7)
        client.command('HSET', 'elsewhere', 'f', 'v')
        _, replica = self.follow()
        client.command('RPUSH', 'after', 'a', 'b')
        self.assertEqual(client.call('WAIT', 1, 5000), 1)
        self.assertEqual(replica.call('DBSIZE'), 1000)
        self.assertEqual(replica.call('STRLEN', 'before:999'), 999)
        replica.command('SELECT', 7)
        self.assertEqual(replica.call('HGET', 'elsewhere', 'f'), b'v')
        self.assertEqual(replica.call('LRANGE', 'after', 0, -1), [b'a', b'b'])

    def test_writers_on_all_threads_leave_it_the_same(self):
        client = self.start()
        seed = random.SystemRandom().randrange(1 << 31)
        print(f'{self.id()}: seed {seed}')
        stop = threading.Event()

        def write(number):
            rng, mine = random.Random(seed + number), self.server.client()
            while not stop.is_set():
                key = f'k{rng.randrange(20)}'
                mine.command(*rng.choice([
                    ('SET', key, str(rng.random())), ('DEL', key), ('APPEND', key, 'x'),
                    ('SADD', 's' + key, str(rng.randrange(50))), ('SPOP', 's' + key),
                    ('RPUSH', 'l' + key, 'a'), ('LMPOP', 2, 'l' + key, 'lk1', 'LEFT'),
                    ('SET', key, 'brief', 'PX', rng.randrange(1, 30)), ('INCRBYFLOAT', 'f', '0.1'),
                    ('EVAL', "redis.call('incr', KEYS[1]) return redis.call('incr', KEYS[2])",
                     2, 'n1', 'n2'), ('FLUSHDB',) if rng.random() < 0.02 else ('PING',)]))
            mine.close()

        writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for writer in writers:
            writer.start()
        try:
            _, replica = self.follow()
            stop.wait(3)
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        self.assertEqual(client.call('WAIT', 1, 10000), 1)

        def contents(side):
            found = {}
            for key in side.call('KEYS', '*'):
                kind = side.call('TYPE', key)
                read = {b'string': ('GET', key), b'set': ('SMEMBERS', key),
                        b'list': ('LRANGE', key, 0, -1)}.get(kind)
                if read:
                    value = side.call(*read)
                    found[key] = sorted(value) if kind == b'set' else value
            return found

        self.eventually(lambda: contents(client) == contents(replica))

    def test_keys_of_lower_tiers_are_not_repeated(self):
        below = self.start_redis()
        client = self.start(documents=[regional(below), route('f:', regional='near')])
        self.eventually(lambda: client.command('SET', 'f:1', 'v') == resp_wire.OK)
        self.assertEqual(client.call('GET', 'f:1'), b'v')
        _, replica = self.follow()
        client.command('SET', 'f:2', 'v')
        client.command('SET', 'mine', 'v')
        self.assertEqual(client.call('WAIT', 1, 5000), 1)
        self.assertEqual(replica.call('KEYS', '*'), [b'mine'])

    def test_info_role_and_client_list_show_it(self):
        client = self.start()
        self.assertEqual(client.call('ROLE')[2], [])
        redis, _ = self.follow()
        self.assertEqual(client.call('WAIT', 1, 5000), 1)
        info = self.info(client)
        self.assertEqual(info['connected_slaves'], '1')
        self.assertIn(f'port={redis.port},state=online', info['slave0'])
        role, offset, replicas = client.call('ROLE')
        self.assertEqual((role, str(offset)), (b'master', info['master_repl_offset']))
        self.assertEqual([entry[1] for entry in replicas], [str(redis.port).encode()])
        self.assertIn(b'flags=S', client.call('CLIENT', 'LIST', 'TYPE', 'replica'))
        self.assertNotIn(b'flags=S', client.call('CLIENT', 'LIST', 'TYPE', 'normal'))
        redis.kill()
        self.eventually(lambda: self.info(client)['connected_slaves'] == '0')

    def test_wait_answers_how_many_have_it(self):
        client = self.start()
        self.assertEqual(client.call('WAIT', 1, 50), 0)
        self.assertEqual(client.call('WAIT', 0, 0), 0)
        redis, _ = self.follow()
        client.command('SET', 'a', '1')
        self.assertEqual(client.call('WAIT', 1, 0), 1)
        client.command('SET', 'a', '2')
        self.assertEqual(client.call('WAIT', 2, 100), 1)
        redis.process.send_signal(19)  # SIGSTOP: it is there, and answers nothing
        client.command('SET', 'a', '3')
        self.assertEqual(client.call('WAIT', 1, 200), 0)
        redis.process.send_signal(18)
        self.assertEqual(client.call('WAIT', 1, 10000), 1)

    def test_writes_are_refused_without_enough_replicas(self):
        client = self.start('--min-replicas-to-write', '1')
        self.assert_error(client.command('SET', 'a', '1'), b'NOREPLICAS')
        self.assertIsNone(client.call('GET', 'a'))
        redis, _ = self.follow()
        self.eventually(lambda: client.command('SET', 'a', '1') == resp_wire.OK)
        redis.kill()
        self.eventually(lambda: client.command('SET', 'a', '2')[0] == '-')

    def test_fields_that_expire_are_deleted(self):
        client = self.start()
        client.command('HSET', 'h', 'a', '1', 'b', '2')
        _, replica = self.follow()
        # Redis 7.2 does not understand the deadline, but what comes of it.
        client.command('HPEXPIRE', 'h', 100, 'FIELDS', 1, 'a')
        self.eventually(lambda: replica.call('HGETALL', 'h') == [b'b', b'2'])

    def test_what_was_acknowledged_is_no_longer_pending(self):
        client = self.start()
        _, replica = self.follow()
        for command in [('XADD', 's', '1-1', 'f', 'v'), ('XADD', 's', '2-1', 'f', 'v'),
                        ('XGROUP', 'CREATE', 's', 'g', '0'),
                        ('XREADGROUP', 'GROUP', 'g', 'me', 'STREAMS', 's', '>')]:
            client.command(*command)
        self.assertEqual(client.call('XACK', 's', 'g', '1-1'), 1)
        self.eventually(lambda: replica.call('XPENDING', 's', 'g')[:3] == [1, b'2-1', b'2-1'])

    def test_a_replica_that_comes_back_begins_anew(self):
        client = self.start()
        client.command('SET', 'a', '1')
        redis, _ = self.follow()
        redis.kill()
        client.command('SET', 'b', '2')
        redis.restart()
        replica = self.client(redis)
        self.eventually(lambda: replica.call('MGET', 'a', 'b') == [b'1', b'2'])

    def test_one_that_reads_nothing_is_given_up(self):
        client = self.start('--client-output-buffer-limit', 'replica 1mb 0 0')
        silent = self.client()
        silent.send('SYNC')
        self.eventually(lambda: self.info(client)['connected_slaves'] == '1')
        value = b'x' * 100_000
        self.eventually(lambda: client.command('SET', 'a', value) == resp_wire.OK
                        and self.info(client)['connected_slaves'] == '0')


if __name__ == '__main__':
    unittest.main()
