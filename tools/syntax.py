#!/usr/bin/env python3
"""syntax: compiles without making objects, to learn what the build does not tell.

  headers   each header of src on its own, by g++: does it include all it needs?
  clang     each source of src, by clang++: what does another compiler warn about?

A file that was good is not compiled again until it, or a project header it includes, or the flags
change: build/check/syntax holds the digests.

usage: tools/syntax.py headers|clang [ROOT]
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-Wno-unused-parameter",
            "-Wno-missing-field-initializers"]


class Project:
    def __init__(self, root):
        self.root = root
        self.texts = {}

    def text(self, path):
        if path not in self.texts:
            self.texts[path] = path.read_bytes()
        return self.texts[path]

    def closure(self, path):
        """The file and all project headers it includes, directly or not, in a stable order."""
        seen, todo = {path}, [path]
        while todo:
            for name in re.findall(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', self.text(todo.pop()),
                                   re.MULTILINE):
                other = self.root / "src" / name.decode()
                if other not in seen and other.exists():
                    seen.add(other)
                    todo.append(other)
        return sorted(seen)

    def include_flags(self):
        """-I, -isystem and -D as the release build has them, if there is one yet."""
        flags = {"-Isrc": None}
        database = self.root / "build" / "release" / "compile_commands.json"
        for entry in json.loads(database.read_text()) if database.exists() else []:
            words = shlex.split(entry["command"])
            for word, following in zip(words, words[1:] + [""]):
                if word == "-isystem":
                    flags[f"-isystem{following}"] = None
                elif re.match(r"-(I|D)\S", word) and f"{self.root}/" not in word:
                    flags[word] = None
        return list(flags)


def compile_one(project, mode, path, flags):
    """Returns None when good, else what the compiler said."""
    name = str(path.relative_to(project.root))
    if mode == "headers":
        # A source that includes it first, because a header as the main file warns of its pragma.
        command = ["g++", *flags, "-x", "c++", "-"]
        source = f'#include "{path.relative_to(project.root / "src")}"\n'
    else:
        command, source = ["clang++", *flags, name], ""
    digest = hashlib.sha256(shlex.join(command).encode() + source.encode())
    for part in project.closure(path):
        digest.update(str(part).encode() + project.text(part))
    stamp = project.root / "build" / "check" / "syntax" / digest.hexdigest()
    if stamp.exists():
        return None
    done = subprocess.run(command, input=source, cwd=project.root, capture_output=True, text=True,
                          check=False)
    if done.returncode == 0:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        return None
    return f"{name}: does not compile on its own\n{done.stderr.strip()}"


def main():
    mode = sys.argv[1]
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else
                        pathlib.Path(__file__).parent.parent).resolve()
    project = Project(root)
    suffix = {"headers": ".h", "clang": ".cc"}[mode]
    paths = sorted((root / "src").rglob(f"*{suffix}"))
    flags = ["-std=c++20", "-fsyntax-only", *WARNINGS, *project.include_flags()]
    failed, done = 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for complaint in pool.map(lambda path: compile_one(project, mode, path, flags), paths):
            done += 1
            if complaint:
                failed += 1
                print(complaint, flush=True)
            elif done % 25 == 0:
                print(f"{mode}: {done} of {len(paths)}", flush=True)
    print(f"{mode}: {len(paths) - failed} good, {failed} bad")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
