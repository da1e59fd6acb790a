"""Commands of all types side by side, in transactions and out, answer as Redis does."""

import collection_pools
import families
import harness
import mixed_families as mixed
import pools


class MixedTypesTest(harness.DifferentialTest):
    tables = [mixed.LISTS, mixed.HASHES, mixed.SETS, mixed.ZSETS, mixed.HYPERLOGLOGS, mixed.GEO,
              mixed.TRANSACTIONS, [row for row in families.KEYS if row[0] > 2]]
    generators = {**pools.GENERATORS, **collection_pools.GENERATORS}
    program = 'tests/differential/mixed_types_test.py'


class StreamsTest(MixedTypesTest):
    tables = [mixed.STREAMS, mixed.TRANSACTIONS, [row for row in families.KEYS if row[0] > 2]]

    @classmethod
    def prepare(cls, version):
        if version >= (7, 2, 0):
            cls.tables = [*cls.tables, mixed.STREAMS_72]


del harness.DifferentialTest  # unittest would collect the base class, too.

if __name__ == '__main__':
    harness.main(MixedTypesTest)
