#!/usr/bin/env python3
"""load: Terrace, redis-server, memcached and a bare epoll loop side by side, in one run.

Each server runs on one core, the load generator on the other. In every round each server gets the
same load for the same time, one after the other, so that a machine whose speed drifts does not
favour any. Printed are medians over the rounds: CPU time of the server per operation and
throughput, for GET and SET at several pipeline depths; then resident memory per key. "limit" is a
loop that answers a constant without looking at the key: what the kernel alone costs.

Nothing here is a claim: figures hold for this machine and this run. The targets are the aims of
the project, as ratios.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from servers import (BUILD, ROOT, Kind, Server, limit_command, memcached_command, pinned,
                     redis_command, terrace_command)

# CPU per operation, as a part of the limit's or the best peer's: (command, pipeline) -> target.
TARGETS = {("get", 1): ("limit", 1.10), ("set", 1): ("limit", 1.11),
           ("get", 16): ("best", 0.52), ("set", 16): ("best", 0.52),
           ("get", 64): ("best", 0.33), ("set", 64): ("best", 0.36)}
MEMORY_TARGETS = {"without ttl": 84, "with ttl": 88}
KEY_BYTES, MEMORY_VALUE_BYTES, LOAD_VALUE_BYTES = 16, 32, 64
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


def run_redis_benchmark(server, options, command, pipeline, operations):
    """The same load by the stock tool, which wants a count instead of a time."""
    began = time.monotonic()
    subprocess.run(pinned(["redis-benchmark", "-p", str(server.port), "-t", command, "-c", "50",
                           "-P", str(pipeline), "-r", str(options.keys), "-d",
                           str(LOAD_VALUE_BYTES), "-n", str(operations), "-q"],
                          options.generator_core), stdout=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - began
    return {"operations": operations, "operations_per_s": operations / seconds}


def fill(server, options, keys, value_bytes, ttl_seconds=0):
    return generate(server, options, command="set", order="sequential", pipeline=64, keys=keys,
                    value_bytes=value_bytes, ttl_seconds=ttl_seconds)


def measure(server, options, command, pipeline, last):
    """One sample: CPU microseconds per operation and operations per second."""
    before = server.cpu_seconds()
    if options.generator == "redis-benchmark" and server.kind.protocol == "resp":
        rate = last["operations_per_s"] if last else 40000
        report = run_redis_benchmark(server, options, command, pipeline,
                                     max(1000, int(rate * options.seconds)))
    else:
        report = generate(server, options, command=command, pipeline=pipeline, keys=options.keys,
                          value_bytes=LOAD_VALUE_BYTES, seconds=options.seconds)
    report["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / report["operations"]
    return report


def measure_load(kinds, options):
    """Returns {(command, pipeline): {name: [samples]}}."""
    samples = {(command, pipeline): {kind.name: [] for kind in kinds}
               for pipeline in options.pipelines for command in ("get", "set")}
    servers = []
    try:
        for kind in kinds:
            servers.append(Server(kind, options.server_core))
            if kind.name != "limit":
                progress(f"filling {kind.name} with {options.keys} keys")
                fill(servers[-1], options, options.keys, LOAD_VALUE_BYTES)
        for round_index in range(options.rounds):
            for (command, pipeline), by_name in samples.items():
                progress(f"round {round_index + 1} of {options.rounds}: {command} "
                         f"pipeline {pipeline}")
                # Every other round goes the other way, so that no neighbour is always the same.
                for server in servers if round_index % 2 == 0 else reversed(servers):
                    taken = by_name[server.kind.name]
                    taken.append(measure(server, options, command, pipeline,
                                         taken[-1] if taken else None))
    finally:
        for server in servers:
            server.stop()
    progress("")
    return samples


def measure_memory(kinds, options):
    """Returns {"without ttl" or "with ttl": {name: bytes per key}}."""
    result = {}
    for label, ttl_seconds in (("without ttl", 0), ("with ttl", 86400)):
        result[label] = {}
        for kind in kinds:
            if kind.name == "limit":
                continue
            progress(f"memory {label}: {kind.name}, {options.memory_keys} keys")
            with Server(kind, options.server_core, kind.memory_options) as server:
                # The first commands allocate what is there once, whatever the number of keys.
                generate(server, options, command="get", keys=1, pipeline=64, seconds=0.2)
                time.sleep(SETTLE_SECONDS)
                before = server.resident_bytes()
                fill(server, options, options.memory_keys, MEMORY_VALUE_BYTES, ttl_seconds)
                time.sleep(SETTLE_SECONDS)
                grown = server.resident_bytes() - before
            result[label][kind.name] = grown / options.memory_keys
    progress("")
    return result


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def verdict(ratio, target):
    return f"{'hit' if ratio <= target else 'missed'} ({ratio:.2f} of {target:.2f})"


def print_table(title, header, rows):
    print(f"\n{title}")
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))))


def best_peer(values):
    """(name, value) of the least among the peers: all but Terrace and the limit."""
    peers = {name: value for name, value in values.items() if name not in ("terrace", "limit")}
    return min(peers.items(), key=lambda item: item[1]) if peers else (None, None)


def report_cpu(samples, names):
    rows, result = [], []
    for (command, pipeline), by_name in samples.items():
        cpu = {name: statistics.median(s["cpu_us"] for s in by_name[name]) for name in names}
        best_name, best = best_peer(cpu)
        row = [f"{command.upper()}, pipeline {pipeline}"] + [f"{cpu[name]:.2f}" for name in names]
        row.append(f"{cpu['terrace'] / best:.2f} x {best_name}" if best else "-")
        basis, target = TARGETS.get((command, pipeline), (None, None))
        base = {"limit": cpu.get("limit"), "best": best}.get(basis)
        row.append(f"{verdict(cpu['terrace'] / base, target)} x {basis}" if base else "-")
        rows.append(row)
        result.append({"command": command, "pipeline": pipeline, "cpu_us": cpu,
                       "best_peer": best_name, "target": target, "target_basis": basis,
                       "samples": by_name})
    print_table("CPU time of the server per operation, us (median)",
                ["", *names, "terrace / best peer", "target"], rows)
    rows = []
    for (command, pipeline), by_name in samples.items():
        rates = {name: statistics.median(s["operations_per_s"] for s in by_name[name])
                 for name in names}
        fastest = max((rate for name, rate in rates.items() if name not in ("terrace", "limit")),
                      default=None)
        rows.append([f"{command.upper()}, pipeline {pipeline}"] +
                    [f"{rates[name] / 1000:.0f}" for name in names] +
                    [f"{rates['terrace'] / fastest:.2f}" if fastest else "-"])
    print_table("Throughput, thousand operations per second (median)",
                ["", *names, "terrace / fastest peer"], rows)
    return result


def report_memory(memory, names, keys):
    names = [name for name in names if name != "limit"]
    rows = []
    for label, values in memory.items():
        best_name, best = best_peer(values)
        target = MEMORY_TARGETS[label]
        outcome = "hit" if values["terrace"] <= target else "missed"
        rows.append([label] + [f"{values[name]:.1f}" for name in names] +
                    [f"{values['terrace'] / best:.2f} x {best_name}" if best else "-",
                     f"{outcome} ({values['terrace'] / target:.2f} of {target})"])
    print_table(f"Resident bytes per key, {keys} keys of {KEY_BYTES} bytes with values of "
                f"{MEMORY_VALUE_BYTES} (growth of RSS)",
                ["", *names, "terrace / best peer", "target"], rows)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of one sample")
    parser.add_argument("--pipelines", default="1,16,64",
                        type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--keys", type=int, default=1000000, help="all present, chosen at random")
    parser.add_argument("--memory-keys", type=int, default=1000000)
    parser.add_argument("--only", choices=("load", "memory"), help="only this part")
    parser.add_argument("--peers", nargs="*", default=[], metavar="NAME=PATH",
                        help="more servers that take redis-server's options")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME",
                        help="leave out redis, memcached or limit")
    parser.add_argument("--terrace", default=str(BUILD / "terrace"), help="the binary")
    parser.add_argument("--generator", choices=("own", "redis-benchmark"), default="own",
                        help="memcached always gets the own one; redis-benchmark's GETs and SETs "
                             "hit at most --keys keys as well")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--generator-core", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="where to write all samples")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        print("load: one core only: server and generator share it", file=sys.stderr)
        options.server_core = options.generator_core = 0
    return options


def main():
    options = parse_options()
    policy = ["--maxmemory", "64gb", "--maxmemory-policy"]
    kinds = [Kind("limit", limit_command),
             Kind("terrace", terrace_command(options.terrace, 1),
                  memory_options=[*policy, "s3-fifo"]),
             Kind("redis", redis_command("redis-server"), memory_options=[*policy, "allkeys-lru"]),
             Kind("memcached", memcached_command, "memcache")]
    for peer in options.peers:
        name, _, path = peer.partition("=")
        kinds.append(Kind(name, redis_command(path), memory_options=[*policy, "allkeys-lru"]))
    kinds = [kind for kind in kinds if kind.name not in options.without]
    names = [kind.name for kind in kinds]

    load_before = os.getloadavg()[0]
    if load_before > 0.5:
        print(f"load: the machine is busy already (load {load_before:.1f}): figures will vary",
              file=sys.stderr)
    result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "machine": os.uname().machine, "kernel": os.uname().release,
              "cores": os.cpu_count(), "load_average_before": load_before,
              "options": {k: str(v) for k, v in vars(options).items()}}
    if options.only != "memory":
        samples = measure_load(kinds, options)
        result["load"] = report_cpu(samples, names)
    if options.only != "load":
        memory = measure_memory(kinds, options)
        result["memory_bytes_per_key"] = memory
        report_memory(memory, names, options.memory_keys)
    path = options.json or ROOT / "build" / "bench" / f"load-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll samples: {path}")


if __name__ == "__main__":
    main()
