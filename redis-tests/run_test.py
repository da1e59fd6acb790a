"""The runner of the official suites counts right, survives crashes, wants reasons for skips."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

RUN = pathlib.Path(__file__).with_name('run')

# Plays the part of runtest: a unit named "crash" ends the server in its second test.
RUNTEST = r'''#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --port) port=$2;; --single) unit=$2;; --skiptest) skipped="$skipped|$2";;
    --tags) tags="$tags $2";; --force-resp3) resp3=1;;
  esac
  shift
done
echo "[ok]: first in $unit (1 ms)"
case "$unit" in
  *crash)
    case "$skipped" in
      *"kills the server"*) echo "[skip]: kills the server";;
      *)
        redis-cli -p $port shutdown nosave
        echo "[err]: kills the server in tests/unit/crash.tcl"
        echo "I/O error reading reply"
        echo "[err]: comes after in tests/unit/crash.tcl"
        echo "couldn't open socket: connection refused"
        exit 1;;
    esac
    echo "[ok]: comes after (1 ms)";;
  *fails)
    printf '[\033[31merr\033[0m]: is wrong in tests/unit/fails.tcl\nExpected a to equal b\n'
    echo "[ignore]: needs a replica: Tag: needs:repl denied";;
  *aborts)
    echo "[exception]: Executing test client: broken setup."
    exit 1;;
  *dialect)
    redis-cli -p $port info server | grep -q valkey_version ||
      echo "[err]: not as Valkey in tests/unit/dialect.tcl";;
  *only3)
    [ -n "$resp3" ] && echo "[err]: resp3 in tests/unit/only3.tcl";;
esac
echo "[1/1 done]: $unit (0 seconds)"
echo "                   The End"
echo "*** [err]: is repeated in the summary and must not count twice"
'''


@unittest.skipUnless(shutil.which('redis-server'), 'redis-server is not installed')
class RunTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='run-test-')
        self.addCleanup(folder.cleanup)
        self.source = pathlib.Path(folder.name)
        (self.source / 'tests/unit/type').mkdir(parents=True)
        (self.source / 'src').mkdir()
        for unit in ('crash', 'fails', 'aborts', 'only3', 'dialect', 'type/good'):
            (self.source / f'tests/unit/{unit}.tcl').write_text('')
        runtest = self.source / 'runtest'
        runtest.write_text(RUNTEST)
        runtest.chmod(0o755)
        self.skips = self.source / 'skip.txt'
        self.skips.write_text('# nothing\n')

    def play(self, *options):
        return self.play_terrace('--redis', 'redis-server', *options)

    def play_terrace(self, *options):
        result = subprocess.run(
            [sys.executable, RUN, self.source, '--skip-file', self.skips, *options], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return result.returncode, result.stdout

    def last_line(self, *options):
        return self.play(*options)[1].splitlines()[-1]

    def test_passed_failed_and_denied_tests_are_counted(self):
        status, output = self.play('--resp2', '--units', 'fails,type/good')
        self.assertEqual(output.splitlines()[-1], '2 passed, 1 failed, 0 skipped, 1 not played')
        self.assertIn('FAILED is wrong', output)
        self.assertIn('Expected a to equal b', output)
        self.assertEqual(status, 1)

    def test_a_unit_without_failures_ends_with_status_0(self):
        self.assertEqual(self.play('--resp2', '--units', 'good')[0], 0)

    def test_a_crash_costs_one_test_and_the_rest_of_the_unit_is_played(self):
        status, output = self.play('--resp2', '--units', 'crash')
        self.assertEqual(output.splitlines()[-1], '2 passed, 1 failed, 0 skipped, 0 not played')
        self.assertIn('FAILED kills the server', output)
        self.assertEqual(status, 1)

    def test_an_aborted_unit_counts_as_a_failure(self):
        self.assertEqual(self.last_line('--resp2', '--units', 'aborts'),
                         '1 passed, 1 failed, 0 skipped, 0 not played')

    def test_both_protocols_are_played_unless_one_is_asked_for(self):
        self.assertEqual(self.last_line('--units', 'only3'),
                         '2 passed, 1 failed, 0 skipped, 0 not played')
        self.assertEqual(self.last_line('--resp2', '--units', 'only3'),
                         '1 passed, 0 failed, 0 skipped, 0 not played')

    def test_a_unit_may_be_left_out_for_a_reason(self):
        self.skips.write_text('unit unit/aborts # breaks\nunit unit/fails # wrong\n'
                              'unit unit/crash # ends\nunit unit/only3 # fails\n'
                              'unit unit/dialect # is of Valkey\n')
        self.assertEqual(self.last_line('--resp2'), '1 passed, 0 failed, 0 skipped, 0 not played')

    def test_the_suite_of_valkey_is_played_against_a_server_that_answers_as_valkey(self):
        self.assertEqual(self.play_terrace('--resp2', '--units', 'dialect')[0], 1)
        (self.source / 'src/valkey-cli.c').write_text('')
        self.assertEqual(self.play_terrace('--resp2', '--units', 'dialect')[0], 0)

    def test_a_skip_without_a_reason_is_refused(self):
        for line in ('test some name', 'test some name #', 'unit x #  ', 'foo x # reason'):
            self.skips.write_text(textwrap.dedent(f'''\
                # a comment
                {line}
                '''))
            status, output = self.play('--resp2', '--units', 'good')
            self.assertNotEqual(status, 0)
            self.assertIn('skip.txt:2', output)


if __name__ == '__main__':
    unittest.main()
