"""The seeds of the fuzz target `dump` reach every tag of the format and every encoding."""

import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'support/python'))

import servers  # noqa: E402

FORMAT = HERE.parents[1] / 'src/keyspace/rdb/format.h'
VERSION = b'\x0c\x00'
CRC64_POLYNOMIAL = 0x95ac9329ac4bc9b5  # reflected Jones
ENCODINGS = {'int', 'embstr', 'raw', 'listpack', 'quicklist', 'intset', 'hashtable', 'skiplist',
             'listpackex', 'stream'}
# So that the same payloads meet both forms of each type.
SMALL = [word for name in ('hash-max-listpack-entries', 'set-max-intset-entries',
                           'set-max-listpack-entries', 'zset-max-listpack-entries',
                           'list-max-listpack-size') for word in (name, '1')]


def crc64(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (CRC64_POLYNOMIAL if crc & 1 else 0)
    return crc


def payload_of(body):
    return body + VERSION + crc64(body + VERSION).to_bytes(8, 'little')


class CorpusTest(unittest.TestCase):

    def setUp(self):
        self.seeds = {path.name: path.read_bytes()
                      for path in sorted((HERE / 'corpus/dump').iterdir())}
        self.server = servers.TerraceServer().start()
        self.addCleanup(self.server.close)
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def encodings(self):
        """Restores every seed and returns the encodings it got."""
        found = set()
        for name, body in self.seeds.items():
            reply = self.client.command('RESTORE', name, '0', payload_of(body), 'REPLACE')
            self.assertEqual(reply, ('+', b'OK'), name)
            found.add(self.client.command('OBJECT', 'ENCODING', name)[1].decode())
        return found

    def test_every_tag_has_a_seed(self):
        tags = {int(value) for value in re.findall(r'^  k\w+Tag = (\d+),', FORMAT.read_text(),
                                                   re.MULTILINE)}
        self.assertGreater(len(tags), 20)
        self.assertEqual({body[0] for body in self.seeds.values()}, tags)

    def test_every_seed_is_restored_and_every_encoding_reached(self):
        found = self.encodings()
        self.assertEqual(self.client.command('CONFIG', 'SET', *SMALL), ('+', b'OK'))
        self.assertEqual(found | self.encodings(), ENCODINGS)


if __name__ == '__main__':
    unittest.main()
