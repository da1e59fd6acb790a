"""Scripts that are proven to touch only their keys hold up only those: what runs beside them, how
long-running ones end, and that nobody waits for ever meanwhile (docs/scripting.md)."""

import random
import threading
import time
import unittest

import black_box
import resp_wire

OTHERS = [f'other:{i}' for i in range(40)]
PROVEN = "redis.call('get', KEYS[1]) "
UNPROVEN = "redis.call('get', KEYS[1] .. '') "
# A round takes most of a second where nothing else runs.
SPINS = "for i = 1, 1e8 * tonumber(ARGV[1]) do end return 1"
FOR_EVER = "while true do end"
LIBRARY = """#!lua name=spinning
redis.register_function('proven', function(keys, args)
  redis.call('get', keys[1]) for i = 1, 1e8 * tonumber(args[1]) do end return 1 end)"""


class ParallelScriptsTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def setUp(self):
        self.be_alone()
        self.admin = self.client()
        self.admin.command('FLUSHALL')
        self.admin.command('SCRIPT', 'FLUSH')

    def spread(self, count=12):
        """Clients on all threads, some on each."""
        clients = []
        for _ in range(count):
            clients.append(self.client())
            clients[-1].command('PING')  # so that its thread counts it before the next is placed
        return clients

    def served_beside(self, *command):
        """How many of several clients are answered long before a command that takes its time."""
        *clients, runner = self.spread(13)
        keys = random.sample(OTHERS, len(clients))
        runner.send(*command)
        time.sleep(0.1)
        begin = time.monotonic()
        answered = []

        def ask(index):
            clients[index].command('SET', keys[index], 1)
            answered.append(time.monotonic() - begin)
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(clients))]
        for thread in threads:
            thread.start()
        self.assertEqual(runner.read_reply(), (':', 1))
        took = time.monotonic() - begin
        for thread in threads:
            thread.join()
        self.assertEqual(len(answered), len(clients))
        return sum(1 for seconds in answered if seconds < took / 2)

    def assert_runs_beside(self, *command):
        # Of a thread's clients none is served while one waits for the shard of the script's key, so
        # by chance it may be none at all; not thrice.
        counts = []
        while len(counts) < 3 and not any(counts):
            counts.append(self.served_beside(*command))
        self.assertGreater(counts[-1], 0, counts)

    def test_a_proven_script_holds_up_only_its_keys(self):
        self.configure('busy-reply-threshold', 0)
        # What is not compiled yet runs under all locks, on each thread.
        for client in self.spread():
            client.command('EVAL', PROVEN + SPINS, 1, 'key', 0)
        # The clients of the script's own thread wait, as for any command.
        self.assert_runs_beside('EVAL', PROVEN + SPINS, 1, 'key', 1)
        self.assertEqual(self.served_beside('EVAL', UNPROVEN + SPINS, 1, 'key', 1), 0)

    def test_digests_and_functions_likewise(self):
        self.configure('busy-reply-threshold', 0)
        digest = self.admin.call('SCRIPT', 'LOAD', PROVEN + SPINS)
        self.admin.command('FUNCTION', 'LOAD', 'REPLACE', LIBRARY)
        for client in self.spread():
            client.command('EVALSHA', digest, 1, 'key', 0)
            client.command('FCALL', 'proven', 1, 'key', 0)
        self.assert_runs_beside('EVALSHA', digest, 1, 'key', 1)
        self.assert_runs_beside('FCALL', 'proven', 1, 'key', 1)
        self.assertEqual(self.served_beside('FCALL', 'proven', len(OTHERS), *OTHERS, 1), 0)

    def warmed(self, script, count=12):
        """Clients on all threads, which have all run the script."""
        clients = self.spread(count)
        for client in clients:
            client.command('EVAL', f'if ARGV[1] == "warm" then return 1 end {script}', 1, 'key',
                           'warm')
        return clients, f'if ARGV[1] == "warm" then return 1 end {script}'

    def test_kill_ends_all_that_have_not_written(self):
        clients, script = self.warmed(PROVEN + FOR_EVER)
        self.configure('busy-reply-threshold', 500)
        runners = self.spread(3)
        for index, runner in enumerate(runners):
            runner.send('EVAL', script, 1, f'key:{index}', 'run')
        time.sleep(1)
        for client in clients:
            self.assert_error(client.command('SET', 'free', 1), b'BUSY ')
        self.assertEqual(clients[0].command('SCRIPT', 'KILL'), ('+', b'OK'))
        # Who has come to a thread with such a script, or after the threshold, is not begun.
        replies = [runner.read_reply() for runner in runners]
        killed = sum(1 for reply in replies if reply[1].startswith(b'ERR Script killed by user'))
        busy = sum(1 for reply in replies if reply[1].startswith(b'BUSY '))
        self.assertEqual(killed + busy, len(runners), replies)
        self.assertGreater(killed, 1)
        self.eventually(lambda: clients[1].command('SET', 'free', 1) == ('+', b'OK'))

    def test_what_has_written_is_not_killed(self):
        script = "redis.call('set', KEYS[1], 1) " + SPINS
        clients = self.spread()
        for client in clients:
            client.command('EVAL', script, 1, 'key', 0)
        self.configure('busy-reply-threshold', 50)
        runner = self.client()
        runner.send('EVAL', script, 1, 'key', 3)
        time.sleep(0.3)
        self.assert_error(clients[0].command('SCRIPT', 'KILL'), b'UNKILLABLE ')
        self.assertEqual(runner.read_reply(), (':', 1))

    def test_nobody_waits_for_ever_while_a_script_is_busy(self):
        """Clients give up watches of keys whose locks others hold, who wait for the script's."""
        clients, script = self.warmed(PROVEN + FOR_EVER)
        self.configure('busy-reply-threshold', 50)
        closing, waiting = self.spread(6), self.spread(6)
        for client in (*clients, *closing):
            client.command('WATCH', *OTHERS)
        for client in closing:
            client.command('MULTI')
        for client in waiting:
            client.send('BLPOP', *OTHERS, 0)
        queued = self.spread(6)
        for client in queued:
            client.pipeline([('MULTI',), *(('INCR', key) for key in OTHERS), ('INCR', 'key')])
        runner = self.client()
        runner.send('EVAL', script, 1, 'key', 'run')
        time.sleep(0.02)
        for client in queued:
            client.send('EXEC')  # those that come before the threshold wait, and hold locks
        time.sleep(0.3)
        for client in (*closing, *waiting):
            client.close()
        for index, client in enumerate(clients):
            if index % 3 == 0:
                self.assertEqual(client.command('UNWATCH'), ('+', b'OK'))
            elif index % 3 == 1:
                self.assertEqual(client.command('RESET'), ('+', b'RESET'))
            else:
                client.command('MULTI')
                self.assertEqual(client.command('DISCARD'), ('+', b'OK'))
            watched = client.command('WATCH', 'key', *OTHERS)
            self.assertTrue(watched == ('+', b'OK') or watched[1].startswith(b'BUSY '), watched)
        self.assertEqual(clients[0].command('SCRIPT', 'KILL'), ('+', b'OK'))
        self.assert_error(runner.read_reply(), b'ERR Script killed by user')
        for client in queued:
            reply = client.read_reply()
            if resp_wire.is_error(reply):
                self.assertTrue(reply[1].startswith(b'EXECABORT '), reply)
        # Nothing is left behind of those that have gone.
        check = self.client()
        self.eventually(lambda: check.command('RPUSH', OTHERS[0] + ':list', 1) == (':', 1))
        self.assertEqual(check.call('CLIENT', 'LIST').count(b'flags=b'), 0)
        self.assertIn(b'blocked_clients:0\r\n', check.call('INFO', 'clients'))


if __name__ == '__main__':
    unittest.main()
