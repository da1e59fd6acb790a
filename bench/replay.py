#!/usr/bin/env python3
"""replay: a request trace through all tiers: Terrace, a real redis-server and an HTTP origin.

Every request of the trace is a GET sent to Terrace over a socket; what Terrace does not have it
asks the regional redis-server for, and then the origin, which answers a value of the trace's size
(within --value-bytes-min and --value-bytes-max; many traces have no sizes, and say 1).

Who answered is found from outside: the origin stamps its values with their time, so a value made
after the request was sent came from the origin; the regional tier answered as many requests as its
count of DUMPs exceeds the requests to the origin; the rest was answered by local memory (or shared
another request's fetch). Which of the replies from a cache came from the regional tier is not
known one by one: its latencies are the slowest of them, as many as it answered.

SIZE is a part of the distinct keys ("5%"), a number of keys ("20000") or of bytes ("64mb"). Keys
become bytes by a measurement: as many keys of the trace as SIZE says (at least 5000, if there are
as many), evenly chosen, are read through a Terrace without limit. The growth of its used_memory
gives the bytes per key; SIZE times that, and what it uses without keys, is the limit.
"""

import argparse
import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

from servers import BUILD, ROOT, Kind, RespClient, Server, info, redis_command

PREFIX = "trace:"
SAMPLE_KEYS_MIN = 5000
SERVER_BYTES_NOISE = 100 * 1024
CONFIG = """\
[server]
port = {port}
dir = "{folder}"
threads = {threads}

[memory]
maxmemory = "{maxmemory}"
maxmemory-policy = "{policy}"

[[regional]]
name = "redis"
host = "127.0.0.1"
port = {regional_port}

[[origin]]
name = "origin"
kind = "http"
url = "http://127.0.0.1:{origin_port}/{{key:1}}/{{key:2}}"

[[route]]
prefix = "trace:"
regional = "redis"
origin = "origin"
write = "forward"
ttl = "2d"
"""


class Trace:
    """The requests, written as plain text to a temporary file, and the distinct keys."""

    def __init__(self, path, requests_max, folder):
        self.name = pathlib.Path(path).name
        self.file = pathlib.Path(folder) / "trace"
        self.requests = 0
        self.sizes = {}  # of each key at its first request, in order of the first requests
        if not pathlib.Path(path).exists():
            raise SystemExit(f"replay: there is no trace {path}")
        command = ["xz", "-dc", path] if str(path).endswith(".xz") else ["cat", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader, \
                self.file.open("w") as out:
            for line in reader.stdout:
                fields = line.split()
                if len(fields) < 2 or not (fields[0].isdigit() and fields[1].isdigit()):
                    raise SystemExit(f"replay: line {self.requests + 1} of {path} is not "
                                     f"'key size': {line.strip()!r}")
                self.sizes.setdefault(fields[0], fields[1])
                out.write(f"{fields[0]} {fields[1]}\n")
                self.requests += 1
                if self.requests == requests_max:
                    reader.kill()
                    break
        if self.requests == 0:
            raise SystemExit(f"replay: {path} has no requests")

    def sample(self, key_count):
        """Evenly chosen distinct keys, as lines of a trace."""
        items = list(self.sizes.items())
        step = len(items) / key_count
        return "".join("%s %s\n" % items[int(i * step)] for i in range(key_count))


class Tiers:
    """An origin, a regional redis-server and a Terrace, all fresh."""

    def __init__(self, options, maxmemory):
        self.running = []
        try:
            self.origin = self.start(Kind("origin", lambda port, folder: [
                str(BUILD / "bench_http_origin"), "--port", str(port),
                "--value-bytes-min", str(options.value_bytes_min), "--value-bytes-max",
                str(options.value_bytes_max)]))
            self.regional = self.start(Kind("redis-server", redis_command("redis-server")), [
                "--maxmemory", options.regional_memory, "--maxmemory-policy", "allkeys-lru"])
            self.terrace = self.start(Kind("terrace", lambda port, folder: self.command(
                options, maxmemory, port, folder)))
        except BaseException:
            self.stop()
            raise

    def start(self, kind, arguments=()):
        server = Server(kind, options=arguments)
        self.running.append(server)
        return server

    def command(self, options, maxmemory, port, folder):
        config = pathlib.Path(folder) / "terrace.toml"
        config.write_text(CONFIG.format(
            port=port, folder=folder, threads=options.threads, maxmemory=maxmemory,
            policy=options.policy, regional_port=self.regional.port, origin_port=self.origin.port))
        return [options.terrace, "--config", str(config)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for server in reversed(self.running):
            server.stop()

    def replay(self, requests, options, total=0):
        """Sends the requests (an open file or text); returns the report of the replayer."""
        command = [str(BUILD / "bench_replay"), "--port", str(self.terrace.port), "--prefix",
                   PREFIX, "--connections", str(options.connections), "--total", str(total)]
        source = {"input": requests} if isinstance(requests, str) else {"stdin": requests}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **source)
        if not done.stdout:
            raise SystemExit(f"replay: the replayer ended with status {done.returncode}")
        return json.loads(done.stdout)

    def regional_lookups(self):
        """How often Terrace asked the regional tier for a value."""
        stats = info(self.regional, "commandstats").get("cmdstat_dump", "calls=0,")
        return int(re.match(r"calls=(\d+)", stats).group(1))

    def origin_requests(self):
        with socket.create_connection(("127.0.0.1", self.origin.port), timeout=10) as connection:
            connection.sendall(b"GET /stats HTTP/1.1\r\n\r\n")
            reply = connection.recv(4096).decode()
        return json.loads(reply.partition("\r\n\r\n")[2])["requests"]


def key_count_of(server):
    line = info(server, "keyspace").get("db0", "keys=0,")
    return int(re.match(r"keys=(\d+)", line).group(1))


def settled_memory(server):
    """used_memory once two readings agree: some of it is given back a little later."""
    previous = -1
    for _ in range(20):
        used = int(info(server, "memory")["used_memory"])
        if abs(used - previous) < 4096:
            break
        previous = used
        time.sleep(0.2)
    return used


def memory_in_use(tiers, options):
    """used_memory while as many clients are connected, and served, as in the real run."""
    with contextlib.ExitStack() as stack:
        for _ in range(options.connections):
            client = stack.enter_context(RespClient(tiers.terrace.port))
            client.ask("GET", PREFIX + "warm:1")
        return settled_memory(tiers.terrace)


def calibrate(trace, key_count, options):
    """Returns (bytes that hold key_count keys, bytes per key)."""
    # Few keys would drown in what buffers and tables take anyway.
    sample_count = max(key_count, min(len(trace.sizes), SAMPLE_KEYS_MIN))
    with Tiers(options, maxmemory="0") as tiers:
        tiers.replay(trace.sample(1), options)
        before = memory_in_use(tiers, options)
        held_before = key_count_of(tiers.terrace)
        report = tiers.replay(trace.sample(sample_count), options)
        if report["errors"] or report["absent"]:
            raise SystemExit(f"replay: while measuring, {report['errors']} errors and "
                             f"{report['absent']} absent keys in {report['requests']} requests")
        after = memory_in_use(tiers, options)
        added = key_count_of(tiers.terrace) - held_before
    if added < sample_count - 1:
        raise SystemExit(f"replay: {sample_count} keys were read, but local memory took {added}")
    per_key = (after - before) / added
    if per_key * key_count < SERVER_BYTES_NOISE * 10:
        print(f"Note: {key_count} keys take {per_key * key_count / 1024:.0f} KiB. What the server "
              "takes besides varies by some 100 KiB, so that more or fewer will fit; a larger "
              "--value-bytes-min makes this exact.", flush=True)
    return round(before + per_key * key_count), per_key


def choose_limit(trace, options):
    """Returns (maxmemory in bytes, how it was chosen)."""
    size = options.size.strip().lower()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%|kb|mb|gb|)", size)
    if not match:
        raise SystemExit(f"replay: SIZE is like 5%, 20000 or 64mb, not '{options.size}'")
    number, unit = float(match.group(1)), match.group(2)
    if unit in ("kb", "mb", "gb"):
        limit = int(number * {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}[unit])
        return limit, f"{limit} bytes, as given"
    unique = len(trace.sizes)
    key_count = round(unique * number / 100) if unit == "%" else int(number)
    key_count = max(1, min(unique, key_count))
    print(f"Measuring the memory of {key_count} keys ...", flush=True)
    limit, per_key = calibrate(trace, key_count, options)
    return limit, (f"{limit} bytes: what {key_count} of the {unique} distinct keys take, "
                   f"{per_key:.0f} bytes each, and the server without keys")


def percentiles(histogram):
    """p50, p99 and p99.9 of [[upper end, count], ...], or None of each when empty."""
    total = sum(count for _, count in histogram)
    result = []
    for part in (0.5, 0.99, 0.999):
        seen, found = 0, None
        for upper, count in histogram:
            seen += count
            if seen >= part * total:
                found = upper
                break
        result.append(found)
    return result


def split_slowest(histogram, count):
    """Splits a histogram into (the rest, the slowest count)."""
    rest, slowest = [], []
    for upper, here in reversed(histogram):
        taken = min(here, count)
        count -= taken
        if taken:
            slowest.insert(0, [upper, taken])
        if here - taken:
            rest.insert(0, [upper, here - taken])
    return rest, slowest


def collect(tiers, report):
    from_origin = sum(count for _, count in report["origin_us"])
    origin_requests = tiers.origin_requests()
    lookups = tiers.regional_lookups()
    from_regional = max(0, lookups - origin_requests)
    local_us, regional_us = split_slowest(report["cache_us"], from_regional)
    answered = {"local": sum(count for _, count in local_us), "regional": from_regional,
                "origin": from_origin}
    return {"requests": report["requests"], "errors": report["errors"],
            "absent": report["absent"], "seconds": report["seconds"], "answered": answered,
            "origin_requests": origin_requests, "regional_lookups": lookups,
            "latency_us": {"local": percentiles(local_us), "regional": percentiles(regional_us),
                           "origin": percentiles(report["origin_us"])},
            "used_memory": int(info(tiers.terrace, "memory")["used_memory"]),
            "resident": tiers.terrace.resident_bytes(),
            "local_keys": key_count_of(tiers.terrace),
            "regional_memory": int(info(tiers.regional, "memory")["used_memory"]),
            "info_tiers": info(tiers.terrace, "tiers")}


def print_report(trace, options, how, result):
    requests = result["requests"]
    print(f"\n{trace.name}: {requests} requests of {len(trace.sizes)} distinct keys in "
          f"{result['seconds']:.1f} s ({requests / result['seconds']:.0f} a second, "
          f"{options.connections} connections)")
    print(f"policy {options.policy}; limit of local memory: {how}\n")
    print(f"  {'answered by':<12}{'requests':>10}{'share':>9}{'p50 us':>10}{'p99 us':>10}"
          f"{'p99.9 us':>10}")
    for tier, count in result["answered"].items():
        cells = "".join(f"{'-' if value is None else format(value, '.0f'):>10}"
                        for value in result["latency_us"][tier])
        print(f"  {tier:<12}{count:>10}{count / requests:>9.2%}{cells}")
    local_misses = requests - result["answered"]["local"]
    print(f"\nmiss ratio of local memory: {local_misses / requests:.4f}; "
          f"of all caches: {result['answered']['origin'] / requests:.4f}")
    print(f"origin: {result['origin_requests']} requests, "
          f"{1 - result['origin_requests'] / requests:.2%} saved")
    print(f"memory: used {result['used_memory']} bytes, resident {result['resident']}, "
          f"{result['local_keys']} keys; regional {result['regional_memory']} bytes")
    if result["errors"] or result["absent"]:
        print(f"NOT AS IT SHOULD BE: {result['errors']} error replies, {result['absent']} absent")
    if result["info_tiers"]:
        print("\nINFO tiers of Terrace:")
        for name, value in result["info_tiers"].items():
            print(f"  {name}:{value}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trace", required=True, help="lines of 'key size', .xz or plain")
    parser.add_argument("--size", default="5%", help="of local memory: 5%%, 20000 (keys), 64mb")
    parser.add_argument("--policy", default="s3-fifo")
    parser.add_argument("--requests", type=int, default=0, help="only the first N; 0: all")
    parser.add_argument("--connections", type=int, default=16, help="1: exactly in order")
    parser.add_argument("--threads", type=int, default=1, help="of Terrace")
    parser.add_argument("--regional-memory", default="0", help="limit of the redis-server; 0: none")
    parser.add_argument("--value-bytes-min", type=int, default=500)
    parser.add_argument("--value-bytes-max", type=int, default=65536)
    parser.add_argument("--terrace", default=str(BUILD / "terrace"), help="the binary")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    return parser.parse_args()


def main():
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="terrace-replay-") as folder:
        print(f"Reading {options.trace} ...", flush=True)
        trace = Trace(options.trace, options.requests, folder)
        limit, how = choose_limit(trace, options)
        print(f"Replaying {trace.requests} requests ...", flush=True)
        with Tiers(options, maxmemory=str(limit)) as tiers, trace.file.open() as requests:
            report = tiers.replay(requests, options, total=trace.requests)
            result = collect(tiers, report)
    print_report(trace, options, how, result)
    result.update(trace=trace.name, unique=len(trace.sizes), policy=options.policy,
                  maxmemory=limit, limit_chosen=how)
    path = options.json or (ROOT / "build" / "bench" /
                            f"replay-{trace.name.partition('.')[0]}-{options.policy}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nResult: {path}")
    return 1 if result["errors"] or result["absent"] else 0


if __name__ == "__main__":
    sys.exit(main())
