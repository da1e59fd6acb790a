#!/usr/bin/env python3
"""Tests of tools/run_tests: whatever goes wrong in a test program, the summary must say so."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

RUNNER = pathlib.Path(__file__).resolve().parent / "run_tests"

GOOGLE_TEST_THAT_CRASHES = """\
#!/bin/sh
echo '[ RUN      ] Hash.IsStable'
echo '[       OK ] Hash.IsStable (0 ms)'
echo '[ RUN      ] Hash.SurvivesEmptyInput'
kill -SEGV $$
"""

GOOGLE_TEST_THAT_PASSES = """\
#!/bin/sh
report=${1#--gtest_output=json:}
echo '{"testsuites": [{"name": "Hash", "testsuite": [' \\
  '{"name": "IsStable", "status": "RUN", "result": "COMPLETED"},' \\
  '{"name": "IsFast", "status": "NOTRUN", "result": "SUPPRESSED"}]}]}' > "$report"
"""


class RunTestsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "tools").mkdir()
        (self.root / "tests" / "integration").mkdir(parents=True)
        shutil.copy(RUNNER, self.root / "tools" / "run_tests")
        self.add_program("unit_tests", GOOGLE_TEST_THAT_PASSES)

    def add_program(self, name, text):
        path = self.root / "build" / "release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def add_module(self, name, body):
        text = "import os, time, unittest\nclass T(unittest.TestCase):\n"
        text += textwrap.indent(textwrap.dedent(body), "    ")
        (self.root / "tests" / "integration" / f"{name}_test.py").write_text(text)

    def run_tests(self, *options, **environment):
        """Returns (exit status, last line, all output)."""
        done = subprocess.run([sys.executable, str(self.root / "tools" / "run_tests"), *options],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, **environment})
        return done.returncode, done.stdout.splitlines()[-1], done.stdout

    def test_counts_what_passed_and_ignores_what_did_not_run(self):
        self.add_module("good", "def test_a(self): pass\ndef test_b(self): pass")
        self.assertEqual((0, "3 passed, 0 failed"), self.run_tests()[:2])

    def test_shows_the_output_of_a_failed_test(self):
        self.add_module("bad", "def test_a(self): self.fail('water is dry')\n"
                               "def test_b(self): pass")
        status, last, output = self.run_tests()
        self.assertEqual((1, "2 passed, 1 failed"), (status, last))
        self.assertIn("water is dry", output)

    def test_mentions_skipped_tests_only_when_there_are_any(self):
        self.add_module("skip", "@unittest.skip('no')\ndef test_a(self): pass")
        self.assertEqual((0, "1 passed, 0 failed, 1 skipped"), self.run_tests()[:2])

    def test_counts_a_failed_subtest_once(self):
        self.add_module("sub", """\
            def test_a(self):
                for i in range(3):
                    with self.subTest(i=i): self.assertEqual(1, i)
            """)
        self.assertEqual((1, "1 passed, 1 failed"), self.run_tests()[:2])

    def test_counts_a_failed_set_up_of_a_class(self):
        self.add_module("class", "@classmethod\ndef setUpClass(cls): raise OSError('no port')\n"
                                 "def test_a(self): pass")
        self.assertEqual((1, "1 passed, 1 failed"), self.run_tests()[:2])

    def test_keeps_the_results_before_a_crash_of_a_module(self):
        self.add_module("crash", "def test_a(self): pass\ndef test_b(self): os.abort()")
        status, last, output = self.run_tests()
        self.assertEqual((1, "2 passed, 1 failed"), (status, last))
        self.assertIn("killed by signal 6", output)

    def test_counts_a_module_that_cannot_be_imported(self):
        (self.root / "tests" / "integration" / "broken_test.py").write_text("import nowhere\n")
        self.assertEqual((1, "1 passed, 1 failed"), self.run_tests()[:2])

    def test_counts_a_module_without_tests(self):
        (self.root / "tests" / "integration" / "empty_test.py").write_text("\n")
        self.assertEqual((1, "1 passed, 1 failed"), self.run_tests()[:2])

    def test_ends_a_module_that_hangs(self):
        self.add_module("hang", "def test_a(self): time.sleep(60)")
        status, last, output = self.run_tests("--timeout", "2")
        self.assertEqual((1, "1 passed, 1 failed"), (status, last))
        self.assertIn("did not end within 2 s", output)

    def test_counts_a_crash_of_a_unit_test(self):
        self.add_program("unit_tests", GOOGLE_TEST_THAT_CRASHES)
        status, last, output = self.run_tests()
        self.assertEqual((1, "1 passed, 1 failed"), (status, last))
        self.assertIn("Hash.SurvivesEmptyInput", output)

    def test_fails_when_the_unit_tests_are_not_built(self):
        (self.root / "build" / "release" / "unit_tests").unlink()
        self.assertEqual((1, "0 passed, 1 failed"), self.run_tests()[:2])

    def test_counts_a_failed_simulation(self):
        # It is run once as it is, and once with each rule left out.
        self.add_program("sim", "#!/bin/sh\n[ \"$1\" = --canary ]\n")
        self.assertEqual((1, "2 passed, 1 failed"), self.run_tests()[:2])

    def test_counts_a_rule_whose_loss_the_simulation_does_not_notice(self):
        self.add_program("sim", "#!/bin/sh\n[ \"$1\" != --canary ]\n")
        self.assertEqual((1, "2 passed, 1 failed"), self.run_tests()[:2])

    def test_counts_a_sanitizer_report_of_a_process_that_a_passing_test_started(self):
        self.add_module("racy", """\
            def test_a(self):
                path = os.environ['TSAN_OPTIONS'].rpartition('log_path=')[2]
                with open(f'{path}.17', 'w') as report:
                    report.write('two threads write\\n'
                                 'SUMMARY: ThreadSanitizer: data race f.cc:7\\n')
            """)
        status, last, output = self.run_tests()
        self.assertEqual((1, "2 passed, 1 failed"), (status, last))
        self.assertIn("two threads write", output)
        self.assertIn("sanitizer: ThreadSanitizer: data race f.cc:7", output)

    def test_is_gentle_and_patient_with_servers_of_a_sanitized_build(self):
        self.add_module("gentle", """\
            def test_a(self):
                self.assertEqual(os.environ['TERRACE_STOP_GENTLY'], '1')
                self.assertGreater(float(os.environ['TERRACE_PATIENCE']), 1)
            """)
        cache = self.root / "build" / "release" / "CMakeCache.txt"
        for value, last in (("", "1 passed, 1 failed"), ("thread", "2 passed, 0 failed")):
            cache.write_text(f"CMAKE_BUILD_TYPE:STRING=None\nTERRACE_SANITIZE:STRING={value}\n")
            self.assertEqual(last, self.run_tests(TERRACE_STOP_GENTLY="")[1])

    def test_keeps_the_sanitizer_options_it_was_given(self):
        self.add_module("options", """\
            def test_a(self):
                self.assertRegex(os.environ['ASAN_OPTIONS'], '^detect_leaks=0:.*log_path=/')
            """)
        self.assertEqual((0, "2 passed, 0 failed"),
                         self.run_tests(ASAN_OPTIONS="detect_leaks=0")[:2])


if __name__ == "__main__":
    unittest.main()
