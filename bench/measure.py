"""measure: what the benches share: they load servers, wait, compare, and print tables."""

import json
import subprocess
import sys

from servers import BUILD, pinned

KEY_BYTES, LOAD_VALUE_BYTES = 16, 64
SETTLE_SECONDS = 1.0


def generate(server, options, **load):
    """Runs the generator once; returns its report."""
    command = [str(BUILD / "bench_load_generator"), "--port", str(server.port),
               "--protocol", server.kind.protocol]
    for name, value in load.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(pinned(command, options.generator_core), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"load on {server.kind.name} failed: {done.stderr}")
    return json.loads(done.stdout)


def fill(server, options, keys, value_bytes, ttl_seconds=0):
    return generate(server, options, command="set", order="sequential", pipeline=64, keys=keys,
                    value_bytes=value_bytes, ttl_seconds=ttl_seconds)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def print_table(title, header, rows):
    print(f"\n{title}")
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))))


def verdict(ratio, target):
    return f"{'hit' if ratio <= target else 'missed'} ({ratio:.2f} of {target:.2f})"


def best_peer(values):
    """(name, value) of the least among the peers: all but Terrace and the limit."""
    peers = {name: value for name, value in values.items() if name not in ("terrace", "limit")}
    return min(peers.items(), key=lambda item: item[1]) if peers else (None, None)
