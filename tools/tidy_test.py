#!/usr/bin/env python3
"""Tests of tools/tidy.py: each rule fails on a planted violation, and only on that."""

import pathlib
import tempfile
import unittest

import tidy

HEADER = "#pragma once\n\n// Thing: a thing.\n\n%s\nnamespace terrace::%s {\n%s\n}\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write_source(self, name, body="", includes=""):
        self.write(name, HEADER % (includes, name.split("/")[1], body))

    def findings(self, fatal=True):
        return [str(finding) for finding in tidy.check(self.root) if finding.fatal == fatal]

    def assert_clean(self):
        self.assertEqual([], self.findings())

    def assert_finds(self, text, count=1):
        found = self.findings()
        self.assertEqual(count, len(found), found)
        for finding in found:
            self.assertIn(text, finding)

    def test_accepts_includes_that_point_down(self):
        self.write_source("src/base/a.h")
        self.write_source("src/tiers/b.h", includes='#include <uvw>\n#include "base/a.h"')
        self.assert_clean()

    def test_rejects_includes_that_point_up(self):
        self.write_source("src/server/a.h")
        self.write_source("src/base/b.h", includes='#include "server/a.h"')
        self.assert_finds('src/base/b.h:5: base must not include "server/a.h"')

    def test_rejects_includes_between_neighbours(self):
        self.write_source("src/commands/a.h")
        self.write_source("src/tiers/b.h", includes='#include "commands/a.h"')
        self.assert_finds("tiers must not include")

    def test_rejects_an_unknown_folder(self):
        self.write_source("src/misc/a.h")
        self.assert_finds("src/misc is no layer")

    def test_keeps_libraries_behind_their_fences(self):
        for header, inside, outside in (
                ("uv.h", "src/runtime/a.cc", "src/server/a.cc"),
                ("absl/types/span.h", "src/base/a.cc", "src/resp/a.cc"),
                ("hiredis/hiredis.h", "src/tiers/regional_link.cc", "src/tiers/fetch.cc"),
                ("curl/curl.h", "src/tiers/origin_http.cc", "src/tiers/origin.h"),
                ("toml++/toml.h", "src/server/settings_file.cc", "src/server/main2.cc"),
                ("CLI/CLI.hpp", "src/server/settings.cc", "src/commands/a.cc"),
                ("absl/container/flat_hash_map.h", "src/base/map.h", "src/keyspace/a.h")):
            with self.subTest(header=header):
                self.write_source(inside, includes=f"#include <{header}>")
                self.assert_clean()
                self.write_source(outside, includes=f"#include <{header}>")
                self.assert_finds("is fenced into")
                self.write_source(outside, includes=f'#include "{header}"')
                self.assert_finds("is fenced into")
                (self.root / outside).unlink()

    def test_keeps_the_allocator_in_one_file(self):
        self.write_source("src/keyspace/a.cc", includes="#include <jemalloc/jemalloc.h>")
        self.assert_clean()
        self.write_source("src/keyspace/b.cc", includes="#include <jemalloc/jemalloc.h>")
        self.assert_finds("for one file only: src/keyspace/a.cc")

    def test_finds_include_cycles(self):
        self.write_source("src/base/a.h", includes='#include "base/b.h"')
        self.write_source("src/base/b.h", includes='#include "base/c.h"')
        self.write_source("src/base/c.h", includes='#include "base/a.h"')
        self.assert_finds("include cycle: base/a.h > base/b.h > base/c.h > base/a.h")

    def test_allows_a_header_its_own_second_half(self):
        self.write_source("src/base/a.h", includes='#include "base/a_inline.h"')
        self.write_source("src/base/a_inline.h", includes='#include "base/a.h"')
        self.assert_clean()

    def test_rejects_time_and_chance_from_outside(self):
        for call in ("int r = rand();", "std::random_device d;", "auto t = ::time(nullptr);",
                     "auto t = std::chrono::steady_clock::now();", "std::mt19937 g(1);"):
            with self.subTest(call=call):
                self.write_source("src/server/a.cc", "void F() { " + call + " }")
                self.assert_finds("passed in")
                self.write_source("src/server/a.cc", "// " + call)
                self.assert_clean()
                (self.root / "src/server/a.cc").unlink()
                self.write_source("src/runtime/a.cc", "void F() { " + call + " }")
                self.assert_clean()

    def test_accepts_names_that_only_look_like_time_and_chance(self):
        self.write_source("src/server/a.cc",
                          'void F(C c) { c.time(3); ttl_time(c); operand(); Log("rand()"); }')
        self.assert_clean()

    def test_rejects_absl_string_view_and_coroutines(self):
        self.write_source("src/resp/a.cc", "void F(absl::string_view v);")
        self.assert_finds("use std::string_view")
        self.write_source("src/resp/a.cc", "Task F() { co_return; }")
        self.assert_finds("no coroutines")

    def test_rejects_a_todo_without_issue(self):
        self.write_source("src/resp/a.cc", "// TO" + "DO: mend")
        self.assert_finds("src/resp/a.cc:7: a to-do names its issue")
        self.write_source("src/resp/a.cc", "// TO" + "DO(#12): mend")
        self.assert_clean()

    def test_rejects_long_lines_tabs_and_trailing_space(self):
        self.write_source("src/resp/a.cc", "// " + "x" * 98)
        self.assert_finds("line has 101 columns")
        self.write_source("src/resp/a.cc", "int f();\t// x")
        self.assert_finds("a tab")
        self.write_source("src/resp/a.cc", "int f(); ")
        self.assert_finds("white space at the end")
        self.write("src/resp/a.cc", "namespace terrace::resp {}")
        self.assert_finds("no newline")

    def test_counts_columns_not_bytes(self):
        self.write_source("src/resp/a.cc", "// " + "é" * 97)
        self.assert_clean()

    def test_wants_headers_with_guard_comment_and_namespace(self):
        self.write("src/base/a.h", "// A: a.\nnamespace terrace::base {}\n")
        self.assert_finds("#pragma once")
        self.write("src/base/a.h", "#pragma once\nnamespace terrace::base {}\n")
        self.assert_finds("begins with a comment")
        self.write("src/base/a.h", "#pragma once\n// A: a.\nnamespace terrace {}\n")
        self.assert_finds("is in terrace::base")

    def test_rejects_mutable_globals(self):
        for text in ("int counter = 0;", "static std::map<int, int> table;",
                     "std::atomic<int> count{0};", "thread_local char* buffer;"):
            with self.subTest(text=text):
                self.write_source("src/base/a.cc", text)
                self.assert_finds("mutable global")
        for text in ("constexpr int kLimit = 3;", "class Other;", "using A = int;", "int F();",
                     "const char* const kNames[] = {nullptr};", "void F() {\n  int x = 0;\n}"):
            with self.subTest(text=text):
                self.write_source("src/base/a.cc", text)
                self.assert_clean()

    def test_reports_large_sizes_and_fails_on_huge_ones(self):
        def body(lines):
            return "class A {\n int F(int a) const {\n" + "  a++;\n" * (lines - 2) + " }\n};"
        self.write_source("src/base/a.cc", body(70))
        self.assertEqual([], self.findings(fatal=False))
        self.write_source("src/base/a.cc", body(71))
        self.assertIn("function F has 71 lines", self.findings(fatal=False)[0])
        self.assert_clean()
        self.write_source("src/base/a.cc", body(121))
        self.assert_finds("src/base/a.cc:8: function F has 121 lines")
        self.write_source("src/base/a.cc", "int f();\n" * 450)
        self.assertIn("file has", self.findings(fatal=False)[0])
        self.assert_clean()
        self.write_source("src/base/a.cc", "int f();\n" * 650)
        self.assert_finds("file has")

    def test_measures_functions_next_to_initialised_data(self):
        self.write_source("src/base/a.cc", "constexpr int kA[] = {\n" + "  1,\n" * 200 + "};\n"
                          "struct S { int a = 1; };\nvoid G() {\n" + " g();\n" * 80 + "}")
        reports = self.findings(fatal=False)
        self.assertEqual(1, len(reports), reports)
        self.assertIn("function G has 82 lines", reports[0])


if __name__ == "__main__":
    unittest.main()
