"""Strings, bits, generic keys and the plain server commands answer exactly as Redis does."""

import families
import harness


class StringsAndKeysTest(harness.DifferentialTest):
    tables = [families.STRINGS, families.BITS, families.KEYS, families.SERVER, families.OTHER_TYPES]
    program = 'tests/differential/strings_and_keys_test.py'


del harness.DifferentialTest  # unittest would collect the base class, too.

if __name__ == '__main__':
    harness.main(StringsAndKeysTest)
