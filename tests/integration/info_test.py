"""INFO as monitoring tools read it: Redis's fields, in Redis's order, with values that are true."""

import time
import unittest

import black_box  # for the path to the helpers
import servers

assert black_box

# What exporters and dashboards look for.
WANTED = {
    'server': ['redis_version', 'redis_mode', 'os', 'process_id', 'run_id', 'tcp_port',
               'uptime_in_seconds', 'hz', 'lru_clock', 'executable', 'config_file', 'listener0'],
    'clients': ['connected_clients', 'cluster_connections', 'maxclients',
                'client_recent_max_input_buffer', 'blocked_clients', 'tracking_clients'],
    'memory': ['used_memory', 'used_memory_rss', 'used_memory_peak_perc', 'used_memory_overhead',
               'used_memory_startup', 'used_memory_dataset', 'used_memory_dataset_perc',
               'total_system_memory', 'total_system_memory_human', 'allocator_frag_ratio',
               'allocator_frag_bytes', 'allocator_rss_ratio', 'rss_overhead_ratio',
               'mem_fragmentation_ratio', 'mem_fragmentation_bytes', 'mem_replication_backlog',
               'mem_clients_slaves', 'mem_clients_normal', 'mem_aof_buffer',
               'active_defrag_running', 'lazyfree_pending_objects'],
    'persistence': ['loading', 'rdb_changes_since_last_save', 'rdb_last_bgsave_status',
                    'aof_enabled', 'module_fork_in_progress'],
    'stats': ['total_connections_received', 'sync_full', 'sync_partial_ok', 'sync_partial_err',
              'expired_keys', 'expired_subkeys', 'evicted_keys', 'evicted_clients', 'total_forks',
              'latest_fork_usec', 'slave_expires_tracked_keys', 'active_defrag_hits',
              'total_error_replies', 'total_reads_processed', 'total_writes_processed',
              'io_threaded_reads_processed', 'io_threaded_writes_processed'],
    'replication': ['role', 'connected_slaves', 'master_failover_state', 'master_replid',
                    'master_replid2', 'master_repl_offset', 'second_repl_offset',
                    'repl_backlog_active', 'repl_backlog_size', 'repl_backlog_histlen'],
    'cpu': ['used_cpu_sys', 'used_cpu_user', 'used_cpu_sys_children', 'used_cpu_user_children'],
}


def fields(client, section):
    lines = client.call('INFO', section).decode().splitlines()
    return dict(line.split(':', 1) for line in lines if ':' in line and line[0] != '#')


class InfoTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.redis = servers.RedisServer().start()
        cls.server = servers.TerraceServer('--maxmemory', '0').start()
        cls.addClassCleanup(cls.redis.close)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.client, self.oracle = self.server.client(), self.redis.client()
        self.addCleanup(self.client.close)
        self.addCleanup(self.oracle.close)
        for client in (self.client, self.oracle):
            client.call('FLUSHALL')

    def test_has_what_monitoring_reads(self):
        for section, wanted in WANTED.items():
            with self.subTest(section=section):
                self.assertEqual([name for name in wanted
                                  if name not in fields(self.client, section)], [])

    def test_shared_fields_stand_in_the_order_of_redis(self):
        for section in WANTED:
            with self.subTest(section=section):
                ours, theirs = fields(self.client, section), fields(self.oracle, section)
                self.assertEqual([name for name in ours if name in theirs],
                                 [name for name in theirs if name in ours])

    def test_memory_stats_has_the_fields_of_redis(self):
        def stats(client):
            values = client.command('MEMORY', 'STATS')[1]
            return {name[1]: value[0] for name, value in zip(values[::2], values[1::2])}
        ours, theirs = stats(self.client), stats(self.oracle)
        # What Redis counts for each database and its tables is not apart here.
        self.assertEqual([name for name in theirs
                          if name not in ours and not name.startswith((b'db.', b'overhead.hash'))
                          and not name.startswith(b'db_')], [])
        self.assertEqual({name: ours[name] for name in theirs if name in ours},
                         {name: kind for name, kind in theirs.items() if name in ours})

    def test_memory_adds_up(self):
        memory = fields(self.client, 'memory')
        number = {name: int(value) for name, value in memory.items() if value.isdigit()}
        self.assertAlmostEqual(number['used_memory'],
                               number['used_memory_dataset'] + number['used_memory_overhead'],
                               delta=1 << 20)
        if memory['mem_allocator'] != 'libc':  # which tells nothing
            self.assertGreater(number['used_memory_startup'], 0)
        self.assertLessEqual(number['used_memory_rss'], number['total_system_memory'])
        self.assertEqual(memory['total_system_memory'],
                         fields(self.oracle, 'memory')['total_system_memory'])
        self.assertEqual(int(memory['mem_fragmentation_bytes']),
                         number['used_memory_rss'] - number['used_memory'])
        for name in ('used_memory_peak_perc', 'used_memory_dataset_perc'):
            share = float(memory[name].rstrip('%'))
            self.assertTrue(0 <= share <= 100, memory[name])

    def database_field(self, name):
        line = fields(self.client, 'keyspace')['db0']
        return int(dict(field.split('=') for field in line.split(','))[name])

    def average_ttl(self):
        return self.database_field('avg_ttl')

    # As Redis does since 7.4.
    def test_counts_hashes_whose_fields_expire_and_the_fields_that_have(self):
        before = int(fields(self.client, 'stats')['expired_subkeys'])
        self.client.call('SET', 'for ever', 'v')
        self.assertEqual(self.database_field('subexpiry'), 0)
        for key in ('h1', 'h2'):
            self.client.call('HSET', key, 'a', '1', 'b', '2', 'c', '3')
            self.client.call('HPEXPIRE', key, '20', 'FIELDS', '2', 'a', 'b')
        self.assertEqual(self.database_field('subexpiry'), 2)
        deadline = time.monotonic() + 10
        while self.database_field('subexpiry') != 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.database_field('subexpiry'), 0)
        self.assertEqual(int(fields(self.client, 'stats')['expired_subkeys']) - before, 4)

    def test_average_ttl_is_that_of_the_keys_that_have_one(self):
        self.client.call('SET', 'for ever', 'v')
        self.assertEqual(self.average_ttl(), 0)
        for i in range(100):
            self.client.call('SET', f'k:{i}', 'v', 'EX', 100 if i % 2 else 300)
        self.assertAlmostEqual(self.average_ttl(), 200_000, delta=5000)
        self.client.pipeline([('SET', f'for ever:{i}', 'v') for i in range(5000)])
        self.client.pipeline([('SET', f'many:{i}', 'v', 'EX', 1 + i) for i in range(5000)])
        self.assertAlmostEqual(self.average_ttl(), 2_500_000, delta=500_000)

    def test_counts_reads_and_writes_of_sockets_whichever_thread_does_them(self):
        def counts():
            stats = fields(self.client, 'stats')
            for name in ('reads', 'writes'):
                self.assertLessEqual(int(stats[f'io_threaded_{name}_processed']),
                                     int(stats[f'total_{name}_processed']))
            return [int(stats[f'total_{name}_processed']) for name in ('reads', 'writes')]

        with self.server.client() as other:
            before = counts()
            for _ in range(10):
                other.call('PING')
            # The INFO of before was answered after it was counted, and that of now has been read.
            self.assertEqual(counts(), [before[0] + 11, before[1] + 11])
            other.pipeline([('PING',)] * 1000)
            reads, writes = counts()
            self.assertLess(reads, before[0] + 200)
            self.assertLess(writes, before[1] + 200)

    def test_counts_full_syncs_and_partial_ones_that_it_refuses(self):
        self.client.call('CONFIG', 'RESETSTAT')
        for wanted, id_ in enumerate(('?', 'a' * 40), 1):
            with self.server.client() as replica:
                replica.send('PSYNC', id_, '-1')
                end = time.monotonic() + 10
                while int(fields(self.client, 'stats')['sync_full']) < wanted:
                    self.assertLess(time.monotonic(), end)
        stats = fields(self.client, 'stats')
        self.assertEqual([stats[name] for name in
                          ('sync_full', 'sync_partial_ok', 'sync_partial_err')], ['2', '0', '1'])
        self.client.call('CONFIG', 'RESETSTAT')
        self.assertEqual(fields(self.client, 'stats')['sync_full'], '0')


if __name__ == '__main__':
    unittest.main()
