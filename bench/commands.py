"""commands: CPU time and throughput of many commands, the servers side by side in one run."""

import hashlib
import statistics

from measure import best_peer, generate, print_table, progress
from servers import Server

PIPELINES = (1, 16)
KEY_COUNT = 100000  # of what has one element a key
VALUE_COUNT = 1000  # of values with many elements
TARGET = 1.0


def numbered(word, count):
    return " ".join(word.replace("?", str(i)) for i in range(count))


class Case:
    """words: what the generator sends. before: what it sends for each key beforehand. once: what
    the server is told first."""

    def __init__(self, words, keys=KEY_COUNT, before=None, before_times=1, once=None, **load):
        self.words, self.keys, self.load, self.once = words, keys, load, once
        self.before, self.before_times = before, before_times

    def missing(self, server):
        """The commands among the words that the server does not know."""
        names = {part.split()[0] for part in
                 f"{self.words}|{self.load.get('odd_words', '')}".split("|") if part.strip()}
        return [name for name in names if not server.ask("COMMAND", "INFO", name)[0]]


SCRIPT = "return(redis.call('get',KEYS[1]))"
HUNDRED_KEYS = " ".join(["key:{}"] * 100)
CASES = {
    "INCR": Case("INCR counter:{}"),
    "LPUSH, LPOP": Case("LPUSH list:{} element | LPOP list:{}"),
    "SADD": Case("SADD set:{} member:{}", keys=1000),
    "SISMEMBER": Case("SISMEMBER many:{} member-7", VALUE_COUNT,
                      before="SADD many:{} " + numbered("member-?", 50)),
    "HSET": Case("HSET hash:{} field value-of-it"),
    "HGET": Case("HGET hash:{} field-7", before="HSET hash:{} " + numbered("field-? value", 10)),
    "HGETALL 50": Case("HGETALL fifty:{}", VALUE_COUNT,
                       before="HSET fifty:{} " + numbered("field-? value-?", 50)),
    "ZADD": Case("ZADD zset:{} {} member:{}", keys=1000),
    "ZRANGE 100": Case("ZRANGE thousand:{} 200 299", 100,
                       before="ZADD thousand:{} " + numbered("? member-?", 1000)),
    "ZRANGEBYSCORE 100": Case("ZRANGEBYSCORE thousand:{} 200 299", 100,
                              before="ZADD thousand:{} " + numbered("? member-?", 1000)),
    "XADD": Case("XADD stream:{} * name value-of-it", keys=1000),
    "XRANGE 100": Case("XRANGE hundreds:{} - + COUNT 100", 10,
                       before="XADD hundreds:{} * name value-of-it", before_times=200),
    "MGET 100": Case("MGET " + HUNDRED_KEYS, before="SET key:{} value-of-this-key"),
    "MSET 10": Case("MSET " + " ".join(["key:{} value-of-this-key"] * 10)),
    "EVAL": Case(f"EVAL {SCRIPT} 1 key:{{}}", before="SET key:{} value"),
    "EVALSHA": Case(f"EVALSHA {hashlib.sha1(SCRIPT.encode()).hexdigest()} 1 key:{{}}",
                    before="SET key:{} value", once=("SCRIPT", "LOAD", SCRIPT)),
    "PUBLISH to 50": Case("PUBLISH news hello-to-all-of-you", listeners=50,
                          listener_words="SUBSCRIBE news"),
    "BLPOP ping-pong": Case("LPUSH to:# ball | BLPOP back:# 0",
                            odd_words="BLPOP to:# 0 | LPUSH back:# ball"),
}


def prepare(case, server, options):
    server.ask("FLUSHALL")
    if case.once:
        server.ask(*case.once)
    for _ in range(case.before_times if case.before else 0):
        generate(server, options, words=case.before, order="sequential", keys=case.keys,
                 pipeline=16)


def sample(case, server, options, pipeline):
    before = server.cpu_seconds()
    report = generate(server, options, words=case.words, keys=case.keys, pipeline=pipeline,
                      seconds=options.command_seconds, **case.load)
    report["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(report["operations"], 1)
    return report


def measure_commands(kinds, options):
    """Returns {(command, pipeline): {name: [samples]}}."""
    samples, servers = {}, [Server(kind, options.server_core) for kind in kinds]
    try:
        for name, case in CASES.items():
            if options.commands and name not in options.commands:
                continue
            unknown = {server.kind.name: case.missing(server) for server in servers}
            if any(unknown.values()):
                print(f"{name}: left out, for lack of " + ", ".join(
                    f"{' '.join(words)} in {server}" for server, words in unknown.items() if words))
                continue
            progress(f"command {name}")
            for server in servers:
                prepare(case, server, options)
            for pipeline in PIPELINES:
                by_name = samples[name, pipeline] = {kind.name: [] for kind in kinds}
                for round_index in range(options.rounds):
                    for server in servers if round_index % 2 == 0 else reversed(servers):
                        by_name[server.kind.name].append(sample(case, server, options, pipeline))
    finally:
        for server in servers:
            server.stop()
    progress("")
    return samples


def report(samples, names):
    rows, result = [], []
    for (command, pipeline), by_name in samples.items():
        cpu = {name: statistics.median(s["cpu_us"] for s in by_name[name]) for name in names}
        rates = {name: statistics.median(s["operations_per_s"] for s in by_name[name])
                 for name in names}
        best_name, best = best_peer(cpu)
        ratio = cpu["terrace"] / best if best else None
        rows.append([f"{command}, pipeline {pipeline}"] +
                    [f"{cpu[name]:.2f}" for name in names] +
                    [f"{rates[name] / 1000:.0f}" for name in names] +
                    ([f"{ratio:.2f} x {best_name}", "hit" if ratio <= TARGET else "missed"]
                     if best else ["-", "-"]))
        result.append({"command": command, "pipeline": pipeline, "cpu_us": cpu,
                       "operations_per_s": rates})
    print_table("By command: CPU time of the server per operation, us, and thousand operations per "
                "second (medians)",
                ["", *names, *(f"{name} k/s" for name in names), "cpu, terrace / best peer",
                 f"target {TARGET:.2f}"], rows)
    return result
