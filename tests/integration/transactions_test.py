"""MULTI, EXEC, DISCARD and WATCH, also from many threads at once."""

import random
import threading
import time
import unittest

import black_box
import raw_client
import resp_wire

OK = ('+', b'OK')
QUEUED = ('+', b'QUEUED')
NESTED = b'ERR MULTI calls can not be nested'
ABORTED = b'EXECABORT Transaction discarded because of previous errors.'


class TransactionTest(black_box.TerraceTest):

    flags = ('--threads', '4')

    def setUp(self):
        self.first, self.second = self.client(), self.client()
        self.first.call('FLUSHALL')

    def queue(self, client, *commands):
        self.assertEqual(client.command('MULTI'), OK)
        for command in commands:
            self.assertEqual(client.command(*command), QUEUED)

    def test_what_is_queued_runs_at_exec_and_not_before(self):
        self.queue(self.first, ('SET', 'a', '1'), ('INCR', 'a'), ('LPUSH', 'a', 'x'), ('GET', 'a'))
        self.assertIsNone(self.second.call('GET', 'a'))
        replies = self.first.command('EXEC')
        self.assertEqual(replies[1][:2], (OK, (':', 2)))
        self.assert_error(replies[1][2], b'WRONGTYPE')
        self.assertEqual(self.second.call('GET', 'a'), b'2')

    def test_errors_while_queueing_refuse_the_whole(self):
        for bad in (('NOSUCH',), ('GET',), ('SET', 'a')):
            self.queue(self.first, ('SET', 'a', '1'))
            self.assertEqual(self.first.command(*bad)[0], '-')
            self.assert_error(self.first.command('EXEC'), ABORTED)
            self.assertIsNone(self.first.call('GET', 'a'))

    def test_words_out_of_place(self):
        self.assert_error(self.first.command('EXEC'), b'ERR EXEC without MULTI')
        self.assert_error(self.first.command('DISCARD'), b'ERR DISCARD without MULTI')
        self.queue(self.first)
        self.assert_error(self.first.command('MULTI'), NESTED)
        self.assert_error(self.first.command('WATCH', 'a'), b'ERR WATCH inside MULTI')
        self.assertEqual(self.first.command('EXEC'), ('*', ()))

    def test_exec_with_arguments_ends_the_transaction(self):
        self.queue(self.first, ('SET', 'a', '1'))
        self.assert_error(self.first.command('EXEC', 'now'),
                          b'EXECABORT Transaction discarded because of: wrong number of arguments')
        self.assert_error(self.first.command('EXEC'), b'ERR EXEC without MULTI')

    def test_discard_and_reset_forget_queue_and_watches(self):
        for end in ('DISCARD', 'RESET'):
            self.first.call('WATCH', 'a')
            self.queue(self.first, ('SET', 'a', 'queued'))
            self.first.call(end)
            self.second.call('SET', 'a', 'other')
            self.queue(self.first, ('GET', 'a'))
            self.assertEqual(self.first.call('EXEC'), [b'other'])

    def test_a_watched_key_that_changes_fails_exec_once(self):
        changes = [('SET', 'a', '2'), ('DEL', 'a'), ('EXPIRE', 'a', '100'), ('RENAME', 'a', 'b'),
                   ('RENAME', 'other', 'a'), ('FLUSHALL',), ('FLUSHDB',), ('SWAPDB', '0', '9'),
                   ('MOVE', 'a', '3'), ('COPY', 'other', 'a', 'REPLACE'), ('APPEND', 'a', 'x'),
                   ('MSET', 'x', '1', 'a', '2')]
        for change in changes:
            with self.subTest(change=change):
                self.first.call('FLUSHALL')
                self.first.call('MSET', 'a', '1', 'other', '1')
                self.first.call('WATCH', 'unrelated', 'a')
                self.second.call(*change)
                self.queue(self.first, ('PING',))
                self.assertEqual(self.first.command('EXEC'), resp_wire.NIL_ARRAY)
                self.queue(self.first, ('PING',))
                self.assertEqual(self.first.call('EXEC'), [b'PONG'])

    def test_what_leaves_a_watched_key_alone_does_not_fail_exec(self):
        self.first.call('SET', 'a', '1')
        for nothing in (('GET', 'a'), ('SET', 'b', '1'), ('SETNX', 'a', '2'), ('DEL', 'none'),
                        ('EXPIRE', 'none', '1'), ('TTL', 'a')):
            self.first.call('WATCH', 'a', 'none')
            self.second.call(*nothing)
            self.queue(self.first, ('PING',))
            self.assertEqual(self.first.call('EXEC'), [b'PONG'], nothing)

    def test_what_a_stream_keeps_for_groups_is_no_change_of_the_stream(self):
        self.first.call('XADD', 's', '1-1', 'f', 'v')
        for beside in (('XGROUP', 'CREATE', 's', 'g', '0'),
                       ('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>'),
                       ('XCLAIM', 's', 'g', 'd', '0', '1-1'),
                       ('XAUTOCLAIM', 's', 'g', 'e', '0', '0'), ('XACK', 's', 'g', '1-1'),
                       ('XGROUP', 'CREATECONSUMER', 's', 'g', 'f'),
                       ('XGROUP', 'DELCONSUMER', 's', 'g', 'f'), ('XGROUP', 'SETID', 's', 'g', '0'),
                       ('XSETID', 's', '9-9'), ('XGROUP', 'DESTROY', 's', 'g')):
            self.first.call('WATCH', 's')
            self.second.call(*beside)
            self.queue(self.first, ('PING',))
            self.assertEqual(self.first.call('EXEC'), [b'PONG'], beside)
        self.first.call('WATCH', 's', 'new')
        self.second.call('XGROUP', 'CREATE', 'new', 'g', '0', 'MKSTREAM')
        self.queue(self.first, ('PING',))
        self.assertIsNone(self.first.call('EXEC'))

    def test_a_watch_is_of_one_database(self):
        self.first.call('WATCH', 'a')
        self.second.call('SELECT', '5')
        self.second.call('SET', 'a', '1')
        self.queue(self.first, ('PING',))
        self.assertEqual(self.first.call('EXEC'), [b'PONG'])

    def test_unwatch_forgets(self):
        self.first.call('WATCH', 'a')
        self.second.call('SET', 'a', '1')
        self.first.call('UNWATCH')
        self.queue(self.first, ('PING',))
        self.assertEqual(self.first.call('EXEC'), [b'PONG'])

    def test_expiry_of_a_watched_key_fails_exec_unless_it_was_over_before(self):
        self.first.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
        self.addCleanup(self.second.call, 'DEBUG', 'SET-ACTIVE-EXPIRE', '1')
        for before_ms, after_ms, expected in ((0, 60, None), (60, 60, [b'PONG'])):
            self.first.call('SET', 'a', '1', 'PX', '30')
            time.sleep(before_ms / 1000)
            self.first.call('WATCH', 'a')
            time.sleep(after_ms / 1000)
            self.queue(self.first, ('PING',))
            self.assertEqual(self.first.call('EXEC'), expected)

    def test_a_closed_client_watches_nothing(self):
        with self.server.client() as gone:
            gone.call('WATCH', 'a')
        self.second.call('SET', 'a', '1')
        self.assertEqual(self.second.call('GET', 'a'), b'1')

    def test_client_list_shows_transactions(self):
        own = self.first.call('CLIENT', 'ID')
        self.queue(self.first, ('PING',), ('PING',))
        line = self.second.call('CLIENT', 'LIST', 'ID', str(own))
        self.assertIn(b'flags=x', line)
        self.assertIn(b'multi=2', line)
        self.first.call('DISCARD')
        self.assertIn(b'multi=-1', self.second.call('CLIENT', 'LIST', 'ID', str(own)))

    def test_commands_over_all_keys_and_several_databases_run_inside(self):
        self.queue(self.first, ('SELECT', '4'), ('SET', 'k', 'v'), ('DBSIZE',), ('SELECT', '0'),
                   ('FLUSHALL',), ('MSET', 'a', '1', 'b', '2'), ('KEYS', '*'), ('SCAN', '0'))
        replies = self.first.call('EXEC')
        self.assertEqual(replies[2], 1)
        self.assertEqual(sorted(replies[6]), [b'a', b'b'])

    def test_a_queue_is_bounded(self):
        self.configure('client-query-buffer-limit', '1048576')
        self.queue(self.first)
        with self.assertRaises((raw_client.ConnectionClosed, OSError)):
            for _ in range(100):
                self.first.command('SET', 'a', 'x' * 100000)
        self.assertIsNone(self.second.call('GET', 'a'))

    def test_the_null_of_a_failed_exec_in_resp3(self):
        third = self.client(proto=3)
        third.call('WATCH', 'a')
        self.second.call('SET', 'a', '1')
        self.queue(third, ('PING',))
        self.assertEqual(third.command('EXEC'), ('_',))


class ConcurrentTransactionTest(black_box.TerraceTest):

    flags = ('--threads', '4')

    def run_threads(self, count, work):
        errors = []

        def guarded(index):
            try:
                with self.server.client() as client:
                    work(index, client)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

        threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_transfers_keep_the_sum(self):
        seed = random.randrange(1 << 30)
        keys = [f'account:{i}' for i in range(10)]
        setup = self.client()
        setup.call('MSET', *sum(([key, '100'] for key in keys), []))

        def work(index, client):
            rng = random.Random(seed + index)
            for _ in range(300):
                source, target = rng.sample(keys, 2)
                client.call('MULTI')
                if rng.random() < 0.5:
                    client.call('DECRBY', source, '7')
                    client.call('INCRBY', target, '7')
                    client.call('EXEC')
                else:
                    client.call('MGET', *keys[:5])
                    for key in keys[5:]:
                        client.call('GET', key)
                    replies = client.call('EXEC')
                    total = sum(int(value) for value in replies[0] + replies[1:])
                    assert total == 1000, f'seed {seed}: the sum was {total}'

        self.run_threads(6, work)
        self.assertEqual(sum(int(value) for value in setup.call('MGET', *keys)), 1000)

    def test_settings_are_read_within_while_they_are_set_beside(self):
        name = 'maxmemory-policy'
        before = self.client().call('CONFIG', 'GET', name)[1]
        sets = [('CONFIG', 'SET', name, 'allkeys-lru'), ('CONFIG', 'SET', name, before)]
        reads = [('MULTI',), ('DBSIZE',), ('CONFIG', 'GET', name), ('EXEC',)]

        def work(number, client):
            commands = (sets if number % 2 == 0 else reads) * 50
            batch = b''.join(resp_wire.encode(*command) for command in commands)
            for _ in range(60):
                client.send_bytes(batch)
                for _ in commands:
                    client.read()

        self.run_threads(4, work)

    def test_watched_counters_lose_no_update(self):
        def work(_, client):
            done = 0
            while done < 100:
                client.call('WATCH', 'counter')
                value = int(client.call('GET', 'counter') or 0)
                client.call('MULTI')
                client.call('SET', 'counter', str(value + 1))
                done += client.call('EXEC') is not None

        self.run_threads(6, work)
        self.assertEqual(self.client().call('GET', 'counter'), b'600')


if __name__ == '__main__':
    unittest.main()
