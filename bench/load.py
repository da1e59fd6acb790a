#!/usr/bin/env python3
"""load: Terrace, redis-server, memcached and a bare epoll loop side by side, in one run.

Each server runs on one core, the load generator on the other. In every round each server gets the
same load for the same time, one after the other, so that a machine whose speed drifts does not
favour any. Printed are medians over the rounds: CPU time of the server per operation and
throughput, for GET and SET at several pipeline depths, then for many other commands; then resident
memory per key, and per value of each type. "limit" is a loop that answers a constant without
looking at the key: what the kernel alone costs.

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

import commands
import memory
from measure import (LOAD_VALUE_BYTES, best_peer, fill, generate, print_table, progress,
                     verdict)
from servers import (BUILD, ROOT, Kind, Server, limit_command, memcached_command, pinned,
                     redis_command, terrace_command)

PARTS = ("load", "commands", "memory", "types")
# CPU per operation, as a part of the limit's or the best peer's: (command, pipeline) -> target.
TARGETS = {("get", 1): ("limit", 1.10), ("set", 1): ("limit", 1.11),
           ("get", 16): ("best", 0.52), ("set", 16): ("best", 0.52),
           ("get", 64): ("best", 0.33), ("set", 64): ("best", 0.36)}


def run_redis_benchmark(server, options, command, pipeline, operations):
    """The same load by the stock tool, which wants a count instead of a time."""
    began = time.monotonic()
    subprocess.run(pinned(["redis-benchmark", "-p", str(server.port), "-t", command, "-c", "50",
                           "-P", str(pipeline), "-r", str(options.keys), "-d",
                           str(LOAD_VALUE_BYTES), "-n", str(operations), "-q"],
                          options.generator_core), stdout=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - began
    return {"operations": operations, "operations_per_s": operations / seconds}


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


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of one sample")
    parser.add_argument("--pipelines", default="1,16,64",
                        type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--keys", type=int, default=1000000, help="all present, chosen at random")
    parser.add_argument("--memory-keys", type=int, default=1000000)
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS, help="these parts")
    parser.add_argument("--command-seconds", type=float, default=0.5,
                        help="of one sample of a command")
    parser.add_argument("--commands", nargs="*", default=[], metavar="NAME",
                        help="only these of the commands, by the names in the table")
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
    if "load" in options.only:
        result["load"] = report_cpu(measure_load(kinds, options), names)
    resp = [kind for kind in kinds if kind.protocol == "resp" and kind.name != "limit"]
    if "commands" in options.only:
        result["commands"] = commands.report(commands.measure_commands(resp, options),
                                             [kind.name for kind in resp])
    if "memory" in options.only:
        per_key = memory.measure_keys([kind for kind in kinds if kind.name != "limit"], options)
        result["memory_bytes_per_key"] = per_key
        memory.report_keys(per_key, options.memory_keys)
    if "types" in options.only:
        per_type = memory.measure_types(resp, options)
        result["memory_bytes_per_value"] = per_type
        memory.report_types(per_type)
    path = options.json or ROOT / "build" / "bench" / f"load-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll samples: {path}")


if __name__ == "__main__":
    main()
