"""Snapshots: files that a real Redis reads and writes, moments that are consistent, and crashes."""

import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

import black_box  # noqa: F401  (the path to the helpers)
import servers
import tiers_world

LIBRARY = "#!lua name=lib\nredis.register_function('answer', function() return 42 end)"


def redis_version():
    text = subprocess.run([servers.redis_binary(), '--version'], capture_output=True, text=True,
                          check=True).stdout
    return tuple(int(number) for number in re.search(r'v=(\d+)\.(\d+)', text).groups())


def fill(client, streams):
    """One key of every type in every encoding, in two databases."""
    large = b'y' * 20_000
    commands = [
        ('SET', 'empty', ''), ('SET', 'number', '12345'), ('SET', 'text', 'hello'),
        ('SET', 'negative', '-7000000'), ('SET', 'long number', '123456789012'),
        ('SET', 'large', large), ('SETBIT', 'bits', '1000', '1'), ('SET', b'\x00\xff', b'\r\n\x00'),
        ('SET', 'fleeting', 'x', 'PXAT', str(int(time.time() * 1000) + 1_000_000)),
        ('PFADD', 'counter', 'a', 'b', 'c'),
        ('RPUSH', 'list', 'a', '1', '-70000'), ('RPUSH', 'list of large', large, 'x', large),
        ('SADD', 'integers', '1', '-70000', '5000000000'), ('SADD', 'words', 'a', '1'),
        ('ZADD', 'scores', '1.5', 'a', '-inf', 'b', 'inf', 'c', '1e300', 'd', '3', '77'),
        ('HSET', 'fields', 'a', '1', 'b', 'text'), ('HSET', 'large fields', 'a', large),
        ('RPUSH', 'long list', *[f'element {i}' for i in range(5000)]),
        ('SADD', 'table', *[f'member {i}' for i in range(1000)]),
        ('SADD', 'many integers', *[str(i) for i in range(2000)]),
        ('ZADD', 'tree', *[word for i in range(500) for word in (str(i / 3), f'member {i}')]),
        ('HSET', 'map', *[word for i in range(1000) for word in (f'field {i}', str(i))]),
        ('SELECT', '9'), ('SET', 'elsewhere', 'x'), ('EXPIRE', 'elsewhere', '5000'),
        ('SELECT', '0')]
    if streams:
        commands += [('XADD', 'stream', f'{i}-1', 'name', str(i)) for i in range(1, 300)]
        commands += [
            ('XADD', 'stream', '300-1', 'other', 'x'), ('XDEL', 'stream', '5-1', '300-1'),
            ('XGROUP', 'CREATE', 'stream', 'group', '0'),
            ('XREADGROUP', 'GROUP', 'group', 'me', 'COUNT', '3', 'STREAMS', 'stream', '>'),
            ('XREADGROUP', 'GROUP', 'group', 'you', 'COUNT', '2', 'STREAMS', 'stream', '>'),
            ('XACK', 'stream', 'group', '2-1'),
            ('XGROUP', 'CREATECONSUMER', 'stream', 'group', 'idle'),
            ('XADD', 'emptied', '1-1', 'f', 'v'), ('XDEL', 'emptied', '1-1')]
    for command in commands:
        reply = client.command(*command)
        if reply[0] == '-':
            raise AssertionError((command[:3], reply))
    client.command('FUNCTION', 'LOAD', 'REPLACE', LIBRARY)


def digest(client):
    return client.call('DEBUG', 'DIGEST')


class Snapshots(tiers_world.World):

    def terrace(self, *flags):
        server = servers.TerraceServer(*flags)
        self.addCleanup(server.close)
        return server

    def started(self, *flags):
        self.server = self.terrace(*flags).start()
        return self.server, self.client()

    def persistence(self, client):
        return dict(line.split(':', 1) for line in
                    client.call('INFO', 'persistence').decode().splitlines() if ':' in line)

    def background_save(self, client):
        self.assertEqual(client.command('BGSAVE'), ('+', b'Background saving started'))
        self.eventually(lambda: self.persistence(client)['rdb_bgsave_in_progress'] == '0')
        self.assertEqual(self.persistence(client)['rdb_last_bgsave_status'], 'ok')

    def bring(self, source, target):
        shutil.copy(source.directory / 'dump.rdb', target.directory / 'dump.rdb')


class ExchangeTest(Snapshots):
    """The two digests are not computed alike, so each server compares what it had with what it gets
    back through the other."""

    def redis_on(self, source):
        redis = servers.RedisServer()
        self.addCleanup(redis.close)
        self.bring(source, redis)
        redis.start()
        return redis, self.client(redis)

    def terrace_on(self, source, *flags):
        server = self.terrace(*flags)
        self.bring(source, server)
        client = self.client(server.start())
        self.assertIn(b'snapshot_loaded', server.log())
        return server, client

    def check_extras(self, client):
        self.assertEqual(client.call('FCALL', 'answer', '0'), 42)
        self.assertGreater(client.call('PTTL', 'fleeting'), 900_000)

    def exchange(self, streams):
        server, client = self.started()
        fill(client, streams)
        self.background_save(client)
        redis, peer = self.redis_on(server)
        self.check_extras(peer)
        self.assertEqual(peer.command('SAVE'), ('+', b'OK'))
        _, again = self.terrace_on(redis, '--threads', '2')
        self.assertEqual(digest(again), digest(client))
        self.check_extras(again)
        return server

    def test_redis_reads_the_file_and_gives_the_data_back(self):
        server = self.exchange(streams=False)
        # Redis 7.0 reads no later version.
        self.assertEqual((server.directory / 'dump.rdb').read_bytes()[:9], b'REDIS0010')

    def test_streams_too(self):
        if redis_version() < (7, 2):
            self.skipTest('streams are written as Redis 7.2 does; REDIS_BIN is older')
        server = self.exchange(streams=True)
        self.assertEqual((server.directory / 'dump.rdb').read_bytes()[:9], b'REDIS0011')

    def test_whatever_redis_has_written_comes_back_to_it(self):
        redis = self.start_redis()
        peer = self.client(redis)
        fill(peer, streams=redis_version() >= (7, 2))
        for name, value in (('list-max-listpack-size', '1'), ('hash-max-listpack-entries', '1'),
                            ('set-max-intset-entries', '1'), ('zset-max-listpack-entries', '1'),
                            ('list-compress-depth', '1')):
            peer.command('CONFIG', 'SET', name, value)
        for i in range(50):
            peer.command('RPUSH', 'other list', 'z' * 200)
            peer.command('HSET', 'other map', f'f{i}', 'z' * 200)
            peer.command('SADD', 'other set', i)
            peer.command('ZADD', 'other tree', i / 7, f'm{i}')
        for policy in ('noeviction', 'allkeys-lfu', 'allkeys-lru'):  # FREQ, IDLE before each key
            peer.command('CONFIG', 'SET', 'maxmemory-policy', policy)
            self.assertEqual(peer.command('SAVE'), ('+', b'OK'))
            server, client = self.terrace_on(redis)
            self.check_extras(client)
            self.assertEqual(client.command('SAVE'), ('+', b'OK'))
            _, again = self.redis_on(server)
            self.assertEqual(digest(again), digest(peer))
            self.check_extras(again)


class MomentTest(Snapshots):

    COUNTERS = [f'counter {i}' for i in range(100)]
    # At any moment between two of these, all counters are equal.
    RAISE = """for round = 1, 50 do
                 for _, name in ipairs(KEYS) do redis.call('INCR', name) end
               end"""

    def write(self, server, stop):
        with server.client() as client:
            while not stop.is_set():
                for command in (('MULTI',), ('EVAL', self.RAISE, len(self.COUNTERS),
                                             *self.COUNTERS), ('EXEC',)):
                    client.command(*command)

    def test_what_one_transaction_changed_is_in_it_wholly_or_not_at_all(self):
        server, client = self.started('--threads', '4')
        stop = threading.Event()
        writers = [threading.Thread(target=self.write, args=(server, stop)) for _ in range(3)]
        for writer in writers:
            writer.start()
        self.addCleanup(lambda: [writer.join() for writer in writers])
        self.addCleanup(stop.set)
        moments = []
        for _ in range(8):
            self.background_save(client)
            other = self.terrace()
            self.bring(server, other)
            counts = set(self.client(other.start()).call('MGET', *self.COUNTERS))
            self.assertEqual(len(counts), 1, counts)
            moments.append(counts.pop())
            other.close()
        self.assertGreater(len(set(moments)), 1)  # writes went on meanwhile

    def test_others_are_served_and_their_connections_close_meanwhile(self):
        _, client = self.started()
        client.command('CONFIG', 'SET', 'rdb-key-save-delay', '1000000')
        client.command('SET', 'k', 'x')
        self.assertEqual(client.command('BGSAVE'), ('+', b'Background saving started'))
        self.assertEqual(client.command('SET', 'k', 'y'), ('+', b'OK'))
        other = self.client()
        number = other.call('CLIENT', 'ID')
        client.command('CLIENT', 'KILL', 'ID', number)
        other.socket.settimeout(0.5)  # the child does not hold it open
        self.assertEqual(other.socket.recv(1), b'')
        for command in ('SAVE', 'BGSAVE'):
            self.assertEqual(client.command(command),
                             ('-', b'ERR Background save already in progress'))
        self.assertEqual(self.persistence(client)['rdb_bgsave_in_progress'], '1')
        self.eventually(lambda: self.persistence(client)['rdb_bgsave_in_progress'] == '0')

    def test_in_a_transaction_it_waits_for_the_end(self):
        _, client = self.started()
        client.command('MULTI')
        self.assertEqual(client.command('SAVE'),
                         ('-', b'ERR Command not allowed inside a transaction'))
        client.command('DISCARD')
        for command in (('MULTI',), ('BGSAVE',), ('SET', 'k', 'x')):
            client.command(*command)
        self.assertEqual(client.command('EXEC')[1][0], ('+', b'Background saving scheduled'))
        self.eventually(lambda: self.persistence(client)['rdb_saves'] == '1')
        self.assertEqual(self.persistence(client)['rdb_changes_since_last_save'], '0')


class CrashTest(Snapshots):

    def test_killed_in_the_middle_it_leaves_the_old_file(self):
        server, client = self.started()
        client.command('SET', 'k', 'old')
        self.assertEqual(client.command('SAVE'), ('+', b'OK'))
        before = (server.directory / 'dump.rdb').read_bytes()
        client.command('CONFIG', 'SET', 'rdb-key-save-delay', '100000')
        for i in range(100):
            client.command('SET', f'k{i}', 'new')
        client.command('BGSAVE')
        self.eventually(lambda: list(server.directory.glob('temp-*.rdb')))
        child = int(re.search(r'temp-(\d+)', str(next(server.directory.glob('temp-*')))).group(1))
        server.kill()
        # The child ends with its parent.
        self.eventually(lambda: not pathlib.Path(f'/proc/{child}').exists() or
                        'Z' in pathlib.Path(f'/proc/{child}/stat').read_text().split()[2])
        self.assertEqual((server.directory / 'dump.rdb').read_bytes(), before)
        server.start()
        self.assertEqual(self.client(server).call('KEYS', '*'), [b'k'])

    def test_a_child_that_is_killed_is_a_failure(self):
        server, client = self.started('--save', '3600 100000')
        client.command('CONFIG', 'SET', 'rdb-key-save-delay', '1000000')
        client.command('SET', 'k', 'x')
        client.command('BGSAVE')
        self.eventually(lambda: list(server.directory.glob('temp-*.rdb')))
        child = int(re.search(r'temp-(\d+)', str(next(server.directory.glob('temp-*')))).group(1))
        subprocess.run(['kill', '-9', str(child)], check=True)
        self.eventually(lambda: self.persistence(client)['rdb_last_bgsave_status'] == 'err')
        self.assertEqual(list(server.directory.glob('*.rdb')), [])
        self.assert_error(client.command('SET', 'k', 'y'), b'MISCONF')

    def test_writes_are_refused_while_nothing_can_be_saved(self):
        server, client = self.started('--save', '3600 100000', '--threads', '2')
        client.command('SET', 'k', 'x')
        gone = server.directory.with_name(server.directory.name + '-gone')
        server.directory.rename(gone)
        self.addCleanup(shutil.rmtree, gone, ignore_errors=True)
        self.assertEqual(client.command('SAVE')[0], '-')
        client.command('BGSAVE')
        self.eventually(lambda: self.persistence(client)['rdb_last_bgsave_status'] == 'err')
        self.assert_error(client.command('SET', 'k', 'y'), b'MISCONF')
        self.assert_error(client.command('PING'), b'MISCONF')
        script = "return redis.call('set', KEYS[1], 'y')"
        self.assert_error(client.command('EVAL', script, '1', 'k'), b'MISCONF')
        self.assertEqual(client.call('GET', 'k'), b'x')
        self.assert_error(client.command('SHUTDOWN'), b'ERR Errors trying to SHUTDOWN')
        client.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
        self.assertEqual(client.command('SET', 'k', 'y'), ('+', b'OK'))
        client.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes')
        self.assert_error(client.command('SET', 'k', 'z'), b'MISCONF')
        gone.rename(server.directory)
        self.background_save(client)
        self.assertEqual(client.command('SET', 'k', 'z'), ('+', b'OK'))


class LifeTest(Snapshots):

    def test_save_points_write_by_themselves(self):
        server, client = self.started('--save', '1 2')
        client.command('SET', 'k', 'x')
        time.sleep(2.5)
        self.assertFalse((server.directory / 'dump.rdb').exists())
        client.command('SET', 'k', 'y')
        self.eventually(lambda: self.persistence(client)['rdb_saves'] == '1')
        self.assertEqual(self.persistence(client)['rdb_changes_since_last_save'], '0')
        client.command('CONFIG', 'SET', 'save', '')
        self.assertEqual(client.call('CONFIG', 'GET', 'save'), [b'save', b''])

    def test_the_end_saves_where_that_is_asked_for(self):
        for flags, end, saves in (((), ('SHUTDOWN', 'SAVE'), True), ((), ('SHUTDOWN',), False),
                                  (('--save', '100 1'), ('SHUTDOWN',), True),
                                  (('--save', '100 1'), ('SHUTDOWN', 'NOSAVE'), False),
                                  (('--save', '100 1'), signal.SIGTERM, True),
                                  ((), signal.SIGTERM, False)):
            with self.subTest(flags=flags, end=end):
                server, client = self.started(*flags)
                client.command('SET', 'k', 'x')
                client.command('FUNCTION', 'LOAD', LIBRARY)
                if isinstance(end, tuple):
                    client.send(*end)
                else:
                    server.process.send_signal(end)
                self.assertEqual(server.process.wait(10), 0)
                self.assertEqual((server.directory / 'dump.rdb').exists(), saves)
                client = self.client(server.start())
                self.assertEqual(client.call('GET', 'k'), b'x' if saves else None)
                self.assertEqual(client.command('FCALL', 'answer', '0')[0], ':' if saves else '-')
                server.close()

    def test_a_file_that_cannot_be_read_is_an_error_that_says_where(self):
        for content, why in ((b'hello, this is no such file', b'wrong signature'),
                             (b'REDIS0099', b'version 0099'), (b'REDIS0009\x00\x01', b'too early'),
                             (b'REDIS0009\x07\x01k', b'of a module')):
            server = self.terrace()
            (server.directory / 'dump.rdb').write_bytes(content)
            with self.assertRaises(servers.StartFailed):
                server.start()
            self.assertEqual(server.process.returncode, 1)
            self.assertIn(why, server.log())
            self.assertIn(b'at byte', server.log())
            # What cannot be read is not overwritten either.
            self.assertEqual((server.directory / 'dump.rdb').read_bytes(), content)

    def test_memory_keeps_its_limit_while_loading(self):
        server, client = self.started()
        for i in range(3000):
            client.command('SET', f'k{i}', 'x' * 1000)
        client.command('SAVE')
        other = self.terrace('--maxmemory', '2mb', '--maxmemory-policy', 'allkeys-lru')
        self.bring(server, other)
        loaded = self.client(other.start())
        self.assertLess(loaded.call('DBSIZE'), 2500)

    def test_reload_options(self):
        server, client = self.started('--threads', '2')
        client.command('SET', 'k', 'saved')
        client.command('FUNCTION', 'LOAD', LIBRARY)
        self.assertEqual(client.command('DEBUG', 'RELOAD'), ('+', b'OK'))
        client.command('SET', 'k', 'later')
        client.command('SET', 'other', 'x')
        self.assert_error(client.command('DEBUG', 'RELOAD', 'NOSAVE', 'NOFLUSH'),
                          b'ERR Error trying to load the RDB dump')
        self.assertEqual(client.command('DEBUG', 'RELOAD', 'NOSAVE', 'NOFLUSH', 'MERGE'),
                         ('+', b'OK'))
        self.assertEqual(client.call('MGET', 'k', 'other'), [b'saved', b'x'])
        self.assertEqual(client.command('DEBUG', 'RELOAD', 'NOSAVE'), ('+', b'OK'))
        self.assertEqual(client.call('KEYS', '*'), [b'k'])
        self.assertEqual(client.call('FCALL', 'answer', '0'), 42)
        (server.directory / 'dump.rdb').unlink()
        self.assert_error(client.command('DEBUG', 'RELOAD', 'NOSAVE'), b'ERR Error trying')

    def test_no_events_of_what_is_loaded(self):
        _, client = self.started('--notify-keyspace-events', 'KEA')
        client.command('SET', 'k', 'x')
        listener = self.client()
        listener.command('PSUBSCRIBE', '__key*')
        client.command('DEBUG', 'RELOAD')
        client.command('SET', 'end', 'x')
        self.assertEqual(listener.read()[1][2][1], b'__keyspace@0__:end')


class RoutesTest(Snapshots):

    def tables(self, redis):
        return [tiers_world.regional(redis),
                tiers_world.route('forward:', regional='near', write='forward'),
                tiers_world.route('spill:', regional='near', write='spill'),
                tiers_world.route('mine:')]

    def test_only_what_this_tier_has_the_last_word_on_is_saved(self):
        redis = self.start_redis()
        server = self.start_terrace(self.tables(redis))
        client = self.client()
        for name in ('forward:k', 'spill:k', 'mine:k', 'k'):
            self.assertEqual(client.command('SET', name, 'x'), ('+', b'OK'))
            self.assertEqual(client.call('GET', name), b'x')
        self.background_save(client)
        self.assertNotIn(b'forward:', (server.directory / 'dump.rdb').read_bytes())
        self.assertNotIn(b'spill:', (server.directory / 'dump.rdb').read_bytes())
        # A reload does not touch what is not saved.
        self.assertEqual(client.command('DEBUG', 'RELOAD'), ('+', b'OK'))
        self.assertEqual(client.call('GET', 'spill:k'), b'x')
        self.assertEqual(client.call('MGET', 'mine:k', 'k'), [b'x'] * 2)
        plain = self.terrace()
        self.bring(server, plain)
        self.assertEqual(sorted(self.client(plain.start()).call('KEYS', '*')),
                         [b'k', b'mine:k'])

    def test_what_another_tier_has_the_last_word_on_is_not_loaded(self):
        redis = self.start_redis()
        peer = self.client(redis)
        for name in ('forward:k', 'spill:k', 'mine:k', 'k'):
            peer.command('SET', name, 'saved')
        peer.command('SAVE')
        peer.command('SET', 'forward:k', 'newer')
        server = tiers_world.ConfiguredTerrace(self.tables(redis))
        self.addCleanup(server.close)
        self.bring(redis, server)
        client = self.client(server.start())
        self.assertEqual(client.call('DBSIZE'), 2)
        self.assertEqual(client.call('GET', 'forward:k'), b'newer')
        self.assertIn(b'of_lower_tiers=2', server.log())


if __name__ == '__main__':
    unittest.main()
