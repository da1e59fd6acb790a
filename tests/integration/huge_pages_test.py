"""Transparent huge pages: for a process that has become large, never where they are turned off."""

import pathlib
import re
import unittest

import black_box
import servers

PERMISSION = pathlib.Path('/sys/kernel/mm/transparent_hugepage/enabled')
MEGABYTE = 1 << 20
# They are used from 128 MiB on, which is noticed within a tenth of a second.
SMALL_MEGABYTES = 64
LARGE_MEGABYTES = 512


def huge_kilobytes(server):
    smaps = pathlib.Path(f'/proc/{server.pid}/smaps').read_text(encoding='ascii', errors='replace')
    return sum(map(int, re.findall(r'^AnonHugePages: +(\d+) kB', smaps, re.MULTILINE)))


def fill(client, megabytes):
    for i in range(megabytes):
        client.command('SET', f'value:{i}', bytes(MEGABYTE))


class HugePagesTest(unittest.TestCase):

    def setUp(self):
        if not PERMISSION.exists() or '[never]' in PERMISSION.read_text(encoding='ascii'):
            self.skipTest(f'{PERMISSION} grants none')

    def start(self, *flags):
        server = self.enterContext(servers.TerraceServer(*flags))
        client = self.enterContext(server.client(timeout_s=60))
        if b'mem_allocator:jemalloc' not in client.call('INFO', 'memory'):
            self.skipTest('a sanitizer has an allocator of its own')
        return server, client

    def test_a_large_process_has_them_and_a_small_one_has_not(self):
        server, client = self.start()
        self.assertEqual(huge_kilobytes(server), 0)
        fill(client, SMALL_MEGABYTES)
        self.assertEqual(huge_kilobytes(server), 0)
        fill(client, LARGE_MEGABYTES)
        self.assertGreater(huge_kilobytes(server), 2048)

    def test_disable_thp(self):
        server, client = self.start('--disable-thp', 'yes')
        self.assertEqual(client.call('CONFIG', 'GET', 'disable-thp'), [b'disable-thp', b'yes'])
        self.assertIn(b"can't set immutable config",
                      client.command('CONFIG', 'SET', 'disable-thp', 'no')[1])
        fill(client, LARGE_MEGABYTES)
        self.assertEqual(huge_kilobytes(server), 0)


if __name__ == '__main__':
    unittest.main()
