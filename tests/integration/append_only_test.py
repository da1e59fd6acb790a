"""The append-only file: crashes that lose nothing, rewriting under load, files of a real Redis."""

import pathlib
import resource
import shutil
import threading
import time
import unittest

import black_box  # noqa: F401  (the path to the helpers)
import raw_client
import resp_wire
import servers
from snapshots_test import LIBRARY, Snapshots, digest, fill, redis_version
from tiers_world import regional, route

NAME = 'appendonly.aof'


class AppendOnly(Snapshots):

    def kept(self, *flags):
        return self.started('--appendonly', 'yes', *flags)

    def files(self, server=None):
        return (server or self.server).directory / 'appendonlydir'

    def names(self):
        return sorted(path.name for path in self.files().iterdir())

    def content(self):
        return b''.join(path.read_bytes() for path in sorted(self.files().glob('*.incr.aof')))

    def crash(self, *flags):
        """Ends the server by kill -9 and starts it again."""
        self.server.kill()
        self.server.flags = [*self.server.flags, *flags]
        self.server.start()
        return self.client()

    def start_error(self):
        with self.assertRaises(servers.StartFailed) as caught:
            self.server.start()
        return str(caught.exception)

    def rewrite(self, client):
        self.assertEqual(client.command('BGREWRITEAOF'),
                         ('+', b'Background append only file rewriting started'))
        self.rewritten(client)

    def rewritten(self, client):
        self.eventually(lambda: self.persistence(client)['aof_rewrite_in_progress'] == '0')
        self.assertEqual(self.persistence(client)['aof_last_bgrewrite_status'], 'ok')


def state(client):
    """What there is, but for when consumers were seen, which begins anew."""
    keys = [key for key in client.call('KEYS', '*') if client.call('TYPE', key) != b'stream']
    streams = [(client.call('XRANGE', name, '-', '+'), client.call('XINFO', 'GROUPS', name),
                [client.call('XPENDING', name, group[1], '-', '+', 100, consumer)
                 for group in client.call('XINFO', 'GROUPS', name)
                 for consumer in (b'me', b'you')])
               for name in ('stream', 'emptied')]
    for _, groups, pending in streams:
        for group in groups:
            del group[8:]  # how much has been read, by count: not repeated (docs/replication.md)
        for entry in (entry for entries in pending for entry in entries):
            del entry[2]  # for how long
    return dict(zip(keys, client.call('DEBUG', 'DIGEST-VALUE', *keys))), streams


class CrashTest(AppendOnly):

    def test_every_type_is_there_again(self):
        _, client = self.kept('--threads', '2')
        fill(client, streams=True)
        before = state(client)
        again = self.crash()
        self.assertEqual(state(again), before)
        self.assertEqual(again.call('FCALL', 'answer', '0'), 42)
        again.command('SELECT', '9')
        self.assertGreater(again.call('TTL', 'elsewhere'), 4000)
        again.command('SELECT', '0')
        # From a rewritten file, too, and from one with changes behind the snapshot.
        self.rewrite(again)
        again.command('LPOP', 'long list')
        again.command('HDEL', 'map', 'field 1')
        before = digest(again)
        self.assertEqual(digest(self.crash()), before)
        self.assertEqual(self.names(), [f'{NAME}.2.base.rdb', f'{NAME}.2.incr.aof',
                                        f'{NAME}.manifest'])

    def test_nothing_acknowledged_is_lost_under_load(self):
        self.kept('--threads', '2', '--appendfsync', 'always')
        acknowledged = [0] * 4
        for _ in range(3):
            stop = threading.Event()

            def count(number):
                mine = self.server.client()
                try:
                    while not stop.is_set():
                        reply = mine.command('INCR', f'n{number}')
                        acknowledged[number] = max(acknowledged[number], reply[1])
                except (OSError, raw_client.ConnectionClosed):
                    mine.close()

            threads = [threading.Thread(target=count, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            rewriting = self.client()
            time.sleep(0.2)
            rewriting.command('BGREWRITEAOF')
            time.sleep(0.3)
            self.server.kill()
            stop.set()
            for thread in threads:
                thread.join()
            self.server.start()
            client = self.client()
            for i, least in enumerate(acknowledged):
                self.assertGreater(least, 0)
                # One more may have happened, whose answer nobody has read.
                self.assertIn(int(client.call('GET', f'n{i}')), (least, least + 1))

    def test_what_one_transaction_did_is_there_as_a_whole_or_not_at_all(self):
        _, client = self.kept()
        client.command('SET', 'a', '1')
        client.command('MULTI')
        client.command('INCR', 'a')
        client.command('RPUSH', 'list', 'x')
        client.command('EXEC')
        self.server.kill()
        path = self.files() / f'{NAME}.1.incr.aof'
        whole = path.read_bytes()
        self.assertTrue(whole.endswith(b'$4\r\nEXEC\r\n'))
        path.write_bytes(whole[:-3])
        client = self.client(self.server.start())
        self.assertEqual(client.call('MGET', 'a', 'list'), [b'1', None])
        # What follows is appended behind what is whole.
        client.command('SET', 'b', '2')
        self.assertEqual(self.crash().call('MGET', 'a', 'b'), [b'1', b'2'])

    def test_time_that_passes_while_it_is_down(self):
        _, client = self.kept()
        client.command('SET', 'saved', 'x', 'PX', 400)
        client.command('APPEND', 'saved', 'y')
        client.command('PERSIST', 'saved')
        client.command('HSET', 'hash', 'kept', '1', 'gone', '2', 'spared', '3')
        client.command('HPEXPIRE', 'hash', 400, 'FIELDS', 2, 'gone', 'spared')
        client.command('HPERSIST', 'hash', 'FIELDS', 1, 'spared')
        client.command('SET', 'ends', 'x', 'PX', 400)
        client.command('SET', 'stays', 'x', 'EX', 1000)
        self.server.kill()
        time.sleep(0.6)
        client = self.client(self.server.start())
        self.assertEqual(client.call('GET', 'saved'), b'xy')
        self.assertEqual(client.call('PTTL', 'saved'), -1)
        self.assertEqual(client.call('HGETALL', 'hash'), [b'kept', b'1', b'spared', b'3'])
        self.assertIsNone(client.call('GET', 'ends'))
        self.assertGreater(client.call('PTTL', 'stays'), 900_000)
        self.rewrite(client)
        self.assertEqual(self.crash().call('DBSIZE'), 3)

    def test_what_expired_and_came_again_is_what_came(self):
        _, client = self.kept()
        client.command('SET', 'a', 'old', 'PX', 50)
        self.eventually(lambda: client.call('EXISTS', 'a') == 0)
        client.command('APPEND', 'a', 'new')
        client.command('LPUSH', 'list', 'x')
        client.command('PEXPIRE', 'list', 50)
        self.eventually(lambda: client.call('EXISTS', 'list') == 0)
        again = self.crash()
        self.assertEqual(again.call('GET', 'a'), b'new')
        self.assertEqual(again.call('EXISTS', 'list'), 0)

    def test_when_consumers_were_seen_is_no_longer_ago_than_the_start(self):
        _, client = self.kept()
        client.command('XADD', 's', '1-1', 'f', 'v')
        client.command('XGROUP', 'CREATE', 's', 'g', '0')
        client.command('XREADGROUP', 'GROUP', 'g', 'me', 'STREAMS', 's', '>')
        client.command('XGROUP', 'CREATECONSUMER', 's', 'g', 'idle')
        again = self.crash()
        for consumer in again.call('XINFO', 'CONSUMERS', 's', 'g'):
            fields = dict(zip(consumer[::2], consumer[1::2]))
            self.assertLess(fields[b'idle'], 60_000, fields)
        self.assertEqual(again.call('XPENDING', 's', 'g')[0], 1)
        self.assertLess(again.call('OBJECT', 'IDLETIME', 's'), 60)

    def test_messages_are_not_kept(self):
        _, client = self.kept()
        client.command('MULTI')
        client.command('SET', 'a', '1')
        client.command('PUBLISH', 'news', 'secret')
        client.command('EXEC')
        self.assertNotIn(b'secret', self.content())
        self.assertIn(b'\r\na\r\n', self.content())

    def test_copies_of_other_tiers_are_not_kept(self):
        redis = servers.RedisServer()
        self.addCleanup(redis.close)
        redis.start()
        self.start_terrace([regional(redis), route('below:', regional='near', write='forward')],
                           '--appendonly', 'yes')
        client = self.client()
        client.command('SET', 'below:a', 'x')
        client.command('GET', 'below:a')
        client.command('SET', 'here', 'y')
        self.assertNotIn(b'below:a', self.content())
        self.client(redis).command('SET', 'below:a', 'z')
        again = self.crash()
        self.assertEqual(again.call('MGET', 'below:a', 'here'), [b'z', b'y'])


class RewriteTest(AppendOnly):

    def test_changes_of_all_threads_during_it_are_kept(self):
        _, client = self.kept('--threads', '2')
        fill(client, streams=True)
        client.command('CONFIG', 'SET', 'rdb-key-save-delay', '2000')
        stop = threading.Event()

        def write(number):
            mine = self.server.client()
            i = 0
            while not stop.is_set():
                i += 1
                mine.command('RPUSH', f'list {number}', str(i))
                mine.command('EVAL', "redis.call('INCR', KEYS[1]) redis.call('SELECT', 3) "
                             "redis.call('INCR', KEYS[1])", 1, f'count {number}')
                mine.command('SPOP', 'many integers')
            mine.close()

        threads = [threading.Thread(target=write, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            self.rewrite(client)
        stop.set()
        for thread in threads:
            thread.join()
        before = digest(client)
        self.assertEqual(digest(self.crash()), before)
        self.assertEqual(self.names(), [f'{NAME}.4.base.rdb', f'{NAME}.4.incr.aof',
                                        f'{NAME}.manifest'])

    def test_a_crash_during_it_loses_nothing(self):
        _, client = self.kept()
        fill(client, streams=True)
        client.command('CONFIG', 'SET', 'rdb-key-save-delay', '100000')
        client.command('BGREWRITEAOF')
        client.command('SET', 'during', 'x')
        self.assertEqual(self.persistence(client)['aof_rewrite_in_progress'], '1')
        before = state(client)
        again = self.crash()
        self.assertEqual(state(again), before)
        self.rewrite(again)
        before = digest(again)
        self.assertEqual(digest(self.crash()), before)

    def test_it_begins_by_itself(self):
        _, client = self.kept('--auto-aof-rewrite-min-size', '100kb',
                              '--auto-aof-rewrite-percentage', '50')
        value = b'x' * 1000
        for _ in range(300):
            client.command('SET', 'a', value)
        self.eventually(lambda: int(self.persistence(client)['aof_rewrites']) >= 1)
        # What comes after it stays until it is as much again.
        self.eventually(lambda: int(self.persistence(client)['aof_current_size']) < 100 * 1024)
        self.assertEqual(self.crash().call('GET', 'a'), value)

    def test_it_begins_after_a_transaction_that_asks_for_it(self):
        _, client = self.kept()
        client.command('MULTI')
        client.command('INCR', 'a')
        client.command('BGREWRITEAOF')
        client.command('INCR', 'a')
        self.assertEqual(client.call('EXEC'),
                         [1, b'Background append only file rewriting scheduled', 2])
        self.eventually(lambda: self.persistence(client)['aof_rewrites'] == '1')
        self.assertEqual(self.crash().call('GET', 'a'), b'2')

    def test_snapshots_and_rewriting_wait_for_each_other(self):
        _, client = self.kept('--rdb-key-save-delay', '200000')
        for i in range(5):
            client.command('SET', f'k{i}', 'x')
        client.command('BGREWRITEAOF')
        self.assert_error(client.command('BGREWRITEAOF'),
                          b'ERR Background append only file rewriting already in progress')
        self.assert_error(client.command('BGSAVE'), b'ERR Another child process is active (AOF?)')
        self.rewritten(client)
        client.command('BGSAVE')
        self.assertEqual(client.command('BGREWRITEAOF'),
                         ('+', b'Background append only file rewriting scheduled'))
        self.eventually(lambda: self.persistence(client)['aof_rewrites'] == '2')

    def test_one_that_fails_leaves_what_was(self):
        _, client = self.kept()
        client.command('SET', 'a', '1')
        # A directory is where the new snapshot is to be.
        blocker = self.files() / f'{NAME}.2.base.rdb'
        blocker.mkdir()
        client.command('BGREWRITEAOF')
        self.eventually(lambda: self.persistence(client)['aof_last_bgrewrite_status'] == 'err')
        client.command('SET', 'b', '2')
        client = self.crash()
        self.assertEqual(client.call('MGET', 'a', 'b'), [b'1', b'2'])
        blocker.rmdir()
        self.rewrite(client)
        self.assertEqual(self.crash().call('MGET', 'a', 'b'), [b'1', b'2'])


class SettingTest(AppendOnly):

    def test_it_can_begin_and_end_while_clients_are_served(self):
        _, client = self.started('--threads', '2')
        client.command('SET', 'before', '1')
        self.assertEqual(client.command('CONFIG', 'SET', 'appendonly', 'yes'), resp_wire.OK)
        client.command('SET', 'after', '2')
        self.rewritten(client)
        self.assertEqual(self.persistence(client)['aof_enabled'], '1')
        client = self.crash('--appendonly', 'yes')
        self.assertEqual(client.call('MGET', 'before', 'after'), [b'1', b'2'])
        self.assertEqual(client.command('CONFIG', 'SET', 'appendonly', 'no'), resp_wire.OK)
        client.command('SET', 'later', '3')
        self.assertNotIn(b'later', self.content())
        client.command('CONFIG', 'SET', 'appendonly', 'yes')
        self.rewritten(client)
        self.assertEqual(self.crash().call('MGET', 'before', 'after', 'later'),
                         [b'1', b'2', b'3'])

    def test_it_begins_anew_where_dir_says(self):
        server, client = self.kept('--enable-protected-configs', 'yes')
        client.command('SET', 'a', '1')
        elsewhere = server.directory / 'elsewhere'
        elsewhere.mkdir()
        self.assertEqual(client.command('CONFIG', 'SET', 'dir', elsewhere), resp_wire.OK)
        client.command('INCR', 'a')
        self.rewritten(client)
        self.assertEqual(self.crash('--dir', elsewhere).call('GET', 'a'), b'2')

    def test_a_beginning_that_fails_is_tried_again(self):
        server, client = self.started()
        client.command('INCR', 'a')
        (server.directory / 'appendonlydir').mkdir()
        blocker = self.files() / f'{NAME}.1.base.rdb'
        blocker.mkdir()
        client.command('CONFIG', 'SET', 'appendonly', 'yes')
        self.eventually(lambda: self.persistence(client)['aof_last_bgrewrite_status'] == 'err')
        client.command('INCR', 'a')
        blocker.rmdir()
        self.rewrite(client)
        client.command('INCR', 'a')
        self.assertEqual(self.crash('--appendonly', 'yes').call('GET', 'a'), b'3')
        self.assertEqual(self.persistence(self.client())['rdb_changes_since_last_save'], '0')

    def test_within_a_transaction_it_begins_behind_it(self):
        _, client = self.started()
        client.command('MULTI')
        client.command('INCR', 'a')
        client.command('CONFIG', 'SET', 'appendonly', 'yes')
        client.command('INCR', 'a')
        self.assertEqual(client.call('EXEC'), [1, b'OK', 2])
        self.eventually(lambda: self.persistence(client)['aof_rewrites'] == '1')
        self.assertEqual(self.crash('--appendonly', 'yes').call('GET', 'a'), b'2')

    def test_the_snapshot_is_where_it_begins(self):
        server, client = self.started()
        fill(client, streams=True)
        self.assertEqual(client.command('SAVE'), resp_wire.OK)
        before = digest(client)
        self.assertEqual(digest(self.crash('--appendonly', 'yes')), before)
        (server.directory / 'dump.rdb').unlink()
        self.assertEqual(digest(self.crash()), before)

    def test_debug_loadaof_gives_back_what_was_kept(self):
        _, client = self.kept('--threads', '2')
        fill(client, streams=True)
        before = state(client)
        self.assertEqual(client.command('DEBUG', 'LOADAOF'), resp_wire.OK)
        self.assertEqual(state(client), before)
        self.assertEqual(client.call('FCALL', 'answer', '0'), 42)
        client.command('INCR', 'number')
        self.assertEqual(client.command('DEBUG', 'LOADAOF'), resp_wire.OK)
        self.assertEqual(client.call('GET', 'number'), b'12346')

    def test_waitaof(self):
        _, client = self.started()
        self.assert_error(client.command('WAITAOF', 1, 0, 0), b'ERR WAITAOF cannot be used')
        client.command('CONFIG', 'SET', 'appendonly', 'yes')
        client.command('SET', 'a', '1')
        self.assertEqual(client.call('WAITAOF', 1, 0, 10_000), [1, 0])
        self.assertEqual(client.call('WAITAOF', 0, 1, 50), [1, 0])
        client.command('CONFIG', 'SET', 'appendfsync', 'always')
        client.command('SET', 'a', '2')
        self.assertEqual(client.call('WAITAOF', 1, 0, 0), [1, 0])
        client.command('CONFIG', 'SET', 'appendfsync', 'no')
        client.command('SET', 'a', '3')
        self.assertEqual(client.call('WAITAOF', 1, 0, 50), [0, 0])
        waits = self.client()
        waits.send('WAITAOF', 1, 0, 0)
        self.eventually(lambda: b'blocked_clients:1' in client.call('INFO', 'clients'))
        client.command('CONFIG', 'SET', 'appendonly', 'no')
        self.assert_error(waits.read(), b'ERR WAITAOF cannot be used')

    def test_waitaof_of_a_replica(self):
        if redis_version() < (7, 2):
            self.skipTest('Redis tells of its disk since 7.2; REDIS_BIN names another')
        _, client = self.kept()
        replica = servers.RedisServer('--replicaof', f'127.0.0.1 {self.server.port}',
                                      '--appendonly', 'yes')
        self.addCleanup(replica.close)
        replica.start()
        self.eventually(lambda: b'state=online' in client.call('INFO', 'replication'))
        client.command('SET', 'a', '1')
        self.assertEqual(client.call('WAITAOF', 1, 1, 20_000), [1, 1])


class ExchangeTest(AppendOnly):

    def redis_on(self, directory, *flags):
        redis = servers.RedisServer('--appendonly', 'yes', *flags)
        self.addCleanup(redis.close)
        shutil.copytree(directory, redis.directory, dirs_exist_ok=True)
        redis.start()
        return redis, self.client(redis)

    def terrace_on(self, directory):
        self.server = self.terrace('--appendonly', 'yes')
        shutil.copytree(directory, self.server.directory, dirs_exist_ok=True)
        return self.client(self.server.start())

    def need(self, *version):
        if redis_version() < version:
            self.skipTest('this redis-server is too old; REDIS_BIN names another')

    def test_redis_loads_it_and_back(self):
        self.need(7)
        server, client = self.kept()
        fill(client, streams=redis_version() >= (7, 2))
        before = digest(client)
        self.rewrite(client)
        client.command('HSET', 'fields', 'late', '1')
        client.command('HDEL', 'fields', 'late')
        server.stop()
        redis, peer = self.redis_on(server.directory)
        self.assertEqual(peer.call('FCALL', 'answer', '0'), 42)
        self.assertGreater(peer.call('PTTL', 'fleeting'), 900_000)
        peer.command('SET', 'of redis', 'x')
        peer.command('DEL', 'of redis')
        redis.stop()
        again = self.terrace_on(redis.directory)
        self.assertEqual(digest(again), before)
        again.command('SET', 'of terrace', 'y')
        self.server.stop()
        _, peer = self.redis_on(self.server.directory)
        self.assertEqual(peer.call('GET', 'of terrace'), b'y')

    def test_files_of_redis_without_a_snapshot_in_them(self):
        self.need(7)
        redis = servers.RedisServer('--appendonly', 'yes', '--aof-use-rdb-preamble', 'no')
        self.addCleanup(redis.close)
        redis.start()
        peer = self.client(redis)
        fill(peer, streams=True)
        peer.command('BGREWRITEAOF')
        self.eventually(lambda: self.persistence(peer)['aof_rewrite_in_progress'] == '0')
        counts = [peer.call('DBSIZE'), peer.call('XLEN', 'stream'), peer.call('HLEN', 'map')]
        redis.stop()
        client = self.terrace_on(redis.directory)
        self.assertEqual(
            [client.call('DBSIZE'), client.call('XLEN', 'stream'), client.call('HLEN', 'map')],
            counts)
        self.assertEqual(client.call('XPENDING', 'stream', 'group')[0], 4)

    def test_the_one_file_of_older_versions(self):
        server = self.server = self.terrace('--appendonly', 'yes')
        text = b''.join(resp_wire.encode(*words) for words in [
            ('SELECT', '1'), ('SET', 'a', '1'), ('RPUSH', 'list', 'x', 'y')])
        (server.directory / NAME).write_bytes(b'#TS:1700000000\r\n' + text)
        client = self.client(server.start())
        client.command('SELECT', '1')
        self.assertEqual(client.call('GET', 'a'), b'1')
        self.assertFalse((server.directory / NAME).exists())
        client.command('RPUSH', 'list', 'z')
        client = self.crash()
        client.command('SELECT', '1')
        self.assertEqual(client.call('LRANGE', 'list', 0, -1), [b'x', b'y', b'z'])
        self.rewrite(client)
        self.assertNotIn(NAME, self.names())


class FaultTest(AppendOnly):

    def damage(self, change):
        self.server.kill()
        path = self.files() / f'{NAME}.1.incr.aof'
        path.write_bytes(change(path.read_bytes()))
        return str(path)

    def test_an_end_that_is_missing_is_cut_off_if_that_is_allowed(self):
        _, client = self.kept('--aof-load-truncated', 'no')
        client.command('SET', 'a', '1')
        client.command('SET', 'b', '2')
        path = self.damage(lambda whole: whole[:-5])
        error = self.start_error()
        self.assertIn(path, error)
        self.assertIn('aof-load-truncated', error)
        size = pathlib.Path(path).stat().st_size
        self.server.flags = ['--appendonly', 'yes']
        client = self.client(self.server.start())
        self.assertEqual(client.call('MGET', 'a', 'b'), [b'1', None])
        self.assertLess(pathlib.Path(path).stat().st_size, size)

    def test_what_cannot_be_read_ends_the_start_and_stays_as_it_is(self):
        _, client = self.kept()
        client.command('SET', 'a', '1')
        for junk, why in [(b'garbage\r\n', 'there is no command'),
                          (resp_wire.encode('GET', 'a'), "'GET', which repeats no change"),
                          (resp_wire.encode('NOSUCH'), "unknown command 'NOSUCH'"),
                          (resp_wire.encode('SET', 'a'), 'wrong number of arguments'),
                          (resp_wire.encode('SELECT', '99'), 'database that does not exist'),
                          (b'*1x\r\n$1\r\nx\r\n', 'Protocol error'),
                          (resp_wire.encode('EXEC'), 'ends that has not begun')]:
            path = self.damage(lambda whole, junk=junk: whole + junk)
            error = self.start_error()
            self.assertIn(why, error)
            self.assertIn('at offset', error)
            self.assertTrue(pathlib.Path(path).read_bytes().endswith(junk))
            self.damage(lambda whole, junk=junk: whole[:-len(junk)])
            self.assertEqual(self.client(self.server.start()).call('GET', 'a'), b'1')

    def test_a_manifest_that_is_not_understood(self):
        self.kept()
        self.server.kill()
        manifest = self.files() / f'{NAME}.manifest'
        good = manifest.read_text()
        for bad, why in [('file x seq 1\n', 'line 1'),
                         (good + 'file ../x seq 9 type i\n', 'line 3'),
                         (good + good, 'second base'), (good + 'file x seq 9 type q\n', 'type')]:
            manifest.write_text(bad)
            self.assertIn(why, self.start_error())
        manifest.write_text('file missing.rdb seq 1 type b\n')
        self.assertIn('missing.rdb', self.start_error())

    def limit(self, size):
        resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_a_full_disk_refuses_writes_until_there_is_room(self):
        _, client = self.kept('--threads', '2')
        client.command('SET', 'a', '1')
        self.limit(2000)
        written = 0
        while client.command('SET', f'k{written}', 'x' * 100) == resp_wire.OK:
            written += 1
            self.assertLess(written, 1000)
        self.assert_error(client.command('SET', 'a', '2'),
                          b'MISCONF Errors writing to the AOF file: File too large')
        self.assert_error(client.command('PING'), b'MISCONF')
        self.assertEqual(client.call('GET', 'a'), b'1')
        self.assertEqual(self.persistence(client)['aof_last_write_status'], 'err')
        self.limit(resource.RLIM_INFINITY)
        self.eventually(lambda: client.command('SET', 'a', '3') == resp_wire.OK)
        self.assertEqual(self.persistence(client)['aof_last_write_status'], 'ok')
        again = self.crash()
        self.assertEqual(again.call('GET', 'a'), b'3')
        self.assertEqual(again.call('DBSIZE'), written + 1)

    def test_where_every_write_is_to_last_a_full_disk_ends_the_server(self):
        _, client = self.kept('--appendfsync', 'always')
        self.limit(2000)
        written = 0
        with self.assertRaises((OSError, raw_client.ConnectionClosed)):
            while client.command('SET', f'k{written}', 'x' * 100) == resp_wire.OK:
                written += 1
                self.assertLess(written, 1000)
        self.assertEqual(self.server.process.wait(10), 1)
        self.assertIn(b'append_only_not_written', self.server.log())
        self.server.start()
        self.assertIn(self.client().call('DBSIZE'), (written, written + 1))


if __name__ == '__main__':
    unittest.main()
