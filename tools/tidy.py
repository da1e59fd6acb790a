#!/usr/bin/env python3
"""tidy: checks the rules of the house that no compiler knows. It reads text only, in a second.

Layers and fences of includes, include cycles, time and chance from outside, string_view, TODOs,
line lengths, header shape, namespaces, mutable globals, and the sizes of files and functions.
Sizes above the soft limits are reported, above the hard limits they fail.

usage: tools/tidy.py [ROOT]      prints "path:line: what is wrong", exits 1 when there was anything
"""

import dataclasses
import pathlib
import re
import sys

# What a folder of src may include besides itself (docs/ARCHITECTURE.md, layers).
LAYERS = {
    "base": set(),
    "resp": {"base"},
    "eviction": {"base"},
    "runtime": {"base"},
    "keyspace": {"base", "resp", "eviction"},
    "commands": {"base", "resp", "eviction", "keyspace"},
    "tiers": {"base", "resp", "runtime", "eviction", "keyspace"},
    "replication": {"base", "resp", "runtime", "eviction", "keyspace"},
    "scripting": {"base", "resp", "eviction", "keyspace", "commands"},
    "server": {"base", "resp", "eviction", "runtime", "keyspace", "commands", "tiers",
               "replication", "scripting"},
}

# A third-party header may appear only in these files of src; the seam is the file's own header.
FENCES = [
    (r"uv(\.h|/)", r"src/runtime/"),
    (r"hiredis/", r"src/tiers/regional[^/]*\.cc$"),
    (r"curl/", r"src/tiers/origin_http[^/]*\.cc$"),
    (r"(zlib\.h|brotli/)", r"src/tiers/content_decoder\.cc$"),
    (r"(toml\+\+|CLI)/", r"src/server/settings[^/]*$"),
    (r"absl/", r"src/base/"),
    (r"libpq-fe\.h", r"src/tiers/origin_postgres[^/]*\.cc$"),
    (r"openssl/", r"src/(runtime|base)/"),
    (r"xxhash\.h", r"src/base/"),
    (r"(lua|lauxlib|lualib)\.h(pp)?", r"src/scripting/"),
]
# These may appear in one file only, whichever it is.
SINGLE_FILE_HEADERS = r"(jemalloc/|lzf\.h)"

FILE_LINES_SOFT, FILE_LINES_HARD = 400, 600
FUNCTION_LINES_SOFT, FUNCTION_LINES_HARD = 70, 120
LINE_COLUMNS_MAX = 100

CPP_FOLDERS = ("src", "tests", "bench")
SCRIPT_FOLDERS = ("tools", "tests", "bench", "redis-tests", ".ci")


@dataclasses.dataclass
class Finding:
    path: str
    line: int
    text: str
    fatal: bool = True

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def strip_comments_and_strings(text):
    """The same text with comments and literals blanked out, so that line numbers stay."""
    return re.sub(r'R"([^(\s]*)\((?:.|\n)*?\)\1"|//(?:\\\n|[^\n])*|/\*(?:.|\n)*?\*/'
                  r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', blank, text)


class Source:
    """One C++ file: its text, its code without comments, and its includes."""

    def __init__(self, root, path):
        self.path = str(path.relative_to(root))
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.code = strip_comments_and_strings(self.text)
        parts = self.path.split("/")
        self.layer = parts[1] if parts[0] == "src" and len(parts) > 2 else None
        self.includes = [(self.line_of(match.start()), match.group(1), match.group(2)) for match in
                         re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', self.text,
                                     re.MULTILINE)]

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def matches(self, pattern):
        """(line, matched text) of each place in the code, comments and literals left out."""
        return [(self.line_of(match.start()), match.group(0))
                for match in re.finditer(pattern, self.code)]


def check_layers(sources):
    for source in sources:
        if source.layer is None:
            continue
        if source.layer not in LAYERS:
            yield Finding(source.path, 1, f"src/{source.layer} is no layer of tools/tidy.py")
            continue
        allowed = LAYERS[source.layer] | {source.layer}
        for line, kind, name in source.includes:
            folder = name.split("/")[0]
            if kind == '"' and folder in LAYERS and folder not in allowed:
                yield Finding(source.path, line, f"{source.layer} must not include \"{name}\"")


def check_fences(sources):
    first_user = {}
    for source in sources:
        if not source.path.startswith("src/"):
            continue
        for line, _, name in source.includes:
            for header, allowed in FENCES:
                if re.match(header, name) and not re.match(allowed, source.path):
                    yield Finding(source.path, line, f"<{name}> is fenced into {allowed}")
            match = re.match(SINGLE_FILE_HEADERS, name)
            if match:
                user = first_user.setdefault(match.group(1), source.path)
                if user != source.path:
                    yield Finding(source.path, line, f"<{name}> is for one file only: {user}")


def check_cycles(sources):
    """Depth-first search over the project's own headers; reports each cycle once."""
    by_name = {}
    for source in sources:
        by_name[re.sub(r"^(src|tests)/", "", source.path)] = source
    state, stack, found = {}, [], []

    def visit(name):
        state[name] = "open"
        stack.append(name)
        for line, _, other in by_name[name].includes:
            if name == other[:-2] + "_inline.h":
                continue  # a header's own second half, included at its end
            if state.get(other) == "open":
                cycle = stack[stack.index(other):] + [other]
                found.append(Finding(by_name[name].path, line,
                                     "include cycle: " + " > ".join(cycle)))
            elif other in by_name and other not in state:
                visit(other)
        stack.pop()
        state[name] = "done"

    for name in sorted(by_name):
        if name not in state:
            visit(name)
    return found


# (pattern, where it applies, where it is allowed, what to say)
PATTERNS = [
    (r"\babsl::string_view\b", r"", r"src/base/",
     "use std::string_view; absl's is another type on Debian 12"),
    (r"\b(std::)?(system|steady|high_resolution)_clock::now\b", r"src/", r"src/runtime/",
     "time is passed in (base::Clock)"),
    (r"(?<![\w.>:])(::|std::)?(time|gettimeofday|clock_gettime)\s*\((?!\s*\))", r"src/",
     r"src/runtime/", "time is passed in (base::Clock)"),
    (r"\b(std::)?random_device\b|(?<![\w.>:])(::|std::)?s?rand\s*\(", r"src/", r"src/runtime/",
     "chance is passed in (base::Rng)"),
    (r"\bstd::(mt19937|minstd_rand|default_random_engine)", r"src/", r"src/runtime/",
     "chance is passed in (base::Rng)"),
    (r"\bco_(await|yield|return)\b", r"src/", None,
     "no coroutines: g++ 12 miscompiles some of them, see docs/ARCHITECTURE.md"),
    (r"\busing\s+namespace\b", r"src/", None, "no using namespace"),
]


def check_patterns(sources):
    for source in sources:
        for pattern, where, allowed, text in PATTERNS:
            if not source.path.startswith(where) or (allowed and source.path.startswith(allowed)):
                continue
            for line, found in source.matches(pattern):
                yield Finding(source.path, line, f"{found.strip()}: {text}")


def check_headers(sources):
    for source in sources:
        if source.path.endswith(".h") and source.path.startswith("src/"):
            if not re.search(r"^#pragma once$", source.text, re.MULTILINE):
                yield Finding(source.path, 1, "a header needs #pragma once")
            if not re.match(r"\s*(#pragma once\s*)?//", source.text):
                yield Finding(source.path, 1, "a header begins with a comment saying what it is")
        if source.layer and source.path != "src/server/main.cc":
            if not re.search(rf"\bnamespace terrace::{source.layer}\b", source.code):
                yield Finding(source.path, 1, f"code of this folder is in terrace::{source.layer}")


SCOPE_HEAD = re.compile(r"\b(namespace|extern)\b[^()=]*$|(template\s*<.*>\s*)?"
                        r"(class|struct|union)\b(?!.*\)[\s\w]*$)", re.DOTALL)


def functions(source):
    """Yields (first line, last line, head) of each function outside of functions."""
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", blank, source.code, flags=re.MULTILINE)
    depth, head_start = 0, 0
    opened = None  # (first line, depth, head) of the block being read, if it is no scope
    for match in re.finditer(r"[{};]", code):
        if match.group(0) == "{":
            head = code[head_start:match.start()].lstrip()
            if opened is None and not SCOPE_HEAD.match(head):
                opened = (source.line_of(match.start() - len(head)), depth, head)
            depth += 1
        elif match.group(0) == "}":
            depth -= 1
            if opened and depth == opened[1]:
                if "(" in opened[2]:
                    yield opened[0], source.line_of(match.start()), opened[2]
                opened = None
        if opened is None:
            head_start = match.end()


def check_sizes(sources):
    for source in sources:
        lines = source.text.count("\n")
        yield from check_file_size(source.path, lines)
        for first, last, head in functions(source):
            length = last - first + 1
            if length > FUNCTION_LINES_SOFT:
                name = re.search(r"([\w:~]+)\s*\(", head)
                yield Finding(source.path, first,
                              f"function {name.group(1) if name else '?'} has {length} lines "
                              f"(aim {FUNCTION_LINES_SOFT}, limit {FUNCTION_LINES_HARD})",
                              length > FUNCTION_LINES_HARD)


def check_file_size(path, lines):
    if lines > FILE_LINES_SOFT:
        yield Finding(path, 1, f"file has {lines} lines (aim {FILE_LINES_SOFT}, limit "
                      f"{FILE_LINES_HARD})", lines > FILE_LINES_HARD)


def check_globals(sources):
    """A variable at the start of a line that is neither const nor in a function or class."""
    pattern = (r"(?m)^(?:(?:static|inline|thread_local)\s+)*"
               r"(?!static|inline|thread_local|const|constexpr|constinit|using|typedef|extern"
               r"|return|namespace|class|struct|union|enum|template|friend|public|private"
               r"|protected|case|default|goto|else|do|if|for|while|switch|delete|throw|break"
               r"|continue)"
               r"[A-Za-z_][\w:]*(?:<[^;(){}]*>)?[&* \t]+\w+(?:\[[^\]]*\])?"
               r"[ \t]*(?:=[^=;]*|\{[^;{}]*\})?;")
    for source in sources:
        if source.path.startswith("src/"):
            for line, found in source.matches(pattern):
                yield Finding(source.path, line, f"mutable global: {' '.join(found.split())}")


def check_text(root):
    """Line lengths, white space and TODOs of everything people write by hand."""
    issue_free_todo = re.compile(r"\bTO" + r"DO\b(?!\(#\d+\))")
    for path in sorted(hand_written(root)):
        name = str(path.relative_to(root))
        text = path.read_text(encoding="utf-8", errors="replace")
        if text and not text.endswith("\n"):
            yield Finding(name, text.count("\n") + 1, "the last line has no newline")
        if path.suffix not in (".cc", ".h"):
            yield from check_file_size(name, text.count("\n"))
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_COLUMNS_MAX and not re.search(r"https?://\S{60}", line):
                yield Finding(name, number, f"line has {len(line)} columns, limit "
                              f"{LINE_COLUMNS_MAX}")
            if line != line.rstrip():
                yield Finding(name, number, "white space at the end of the line")
            if "\t" in line and path.name != "Makefile":
                yield Finding(name, number, "a tab; indent by spaces")
            if issue_free_todo.search(line):
                yield Finding(name, number, "a to-do names its issue: (#123), or is done now")


def hand_written(root):
    yield from (path for name in ("Makefile", "CMakeLists.txt") for path in root.glob(name))
    for folder in CPP_FOLDERS:
        yield from (path for path in (root / folder).rglob("*") if path.suffix in (".cc", ".h"))
    for folder in SCRIPT_FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.is_file() and (path.suffix == ".py" or is_script(path)):
                yield path


def is_script(path):
    if path.suffix:
        return path.suffix == ".sh"
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def read_sources(root):
    return [Source(root, path) for folder in CPP_FOLDERS
            for path in sorted((root / folder).rglob("*")) if path.suffix in (".cc", ".h")]


def check(root):
    sources = read_sources(root)
    for rule in (check_layers, check_fences, check_cycles, check_patterns, check_headers,
                 check_sizes, check_globals):
        yield from rule(sources)
    yield from check_text(root)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).parent.parent).resolve()
    findings = list(check(root))
    for finding in findings:
        print(finding if finding.fatal else f"{finding} (no failure)")
    fatal = sum(finding.fatal for finding in findings)
    print(f"tidy: {fatal} to mend, {len(findings) - fatal} above the aim for sizes")
    return 1 if fatal else 0


if __name__ == "__main__":
    sys.exit(main())
