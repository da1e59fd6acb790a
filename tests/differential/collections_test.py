"""Hashes, sets, sorted sets and geo answer exactly as Redis does."""

import unittest

import families
import harness


class CollectionsTest(harness.DifferentialTest):
    tables = [families.HASHES, families.SETS, families.ZSETS, families.STRINGS_BETWEEN]
    program = 'tests/differential/collections_test.py'


class TextRangesTest(harness.DifferentialTest):
    tables = [families.ZSETS_BY_TEXT]
    program = CollectionsTest.program


class GeoTest(harness.DifferentialTest):
    tables = [families.GEO, families.STRINGS_BETWEEN]
    program = CollectionsTest.program


class NewerCommandsTest(harness.DifferentialTest):
    """What the reference may be too old for (and it reads bad cursors differently since)."""
    tables = [[row for row in families.HASHES if 'HSCAN' not in row[1]], families.HASH_DEADLINES,
              families.ZSETS_72]
    program = CollectionsTest.program

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.version < (7, 4, 0):
            raise unittest.SkipTest('needs a reference of version 7.4 (REDIS_BIN)')


del harness.DifferentialTest  # unittest would collect the base class, too.

if __name__ == '__main__':
    harness.main(CollectionsTest)
