"""memory: resident bytes per key, and per value of each type, of the servers side by side.

Each figure is the growth of a fresh server's resident set over what it had after its first
commands.
"""

import time

from measure import (KEY_BYTES, SETTLE_SECONDS, best_peer, fill, generate, print_table, progress)
from servers import Server

VALUE_BYTES = 32
TARGETS = {"without ttl": 84, "with ttl": 88}
SMALL_COUNT, LARGE_COUNT = 100000, 2000000

# What is written, as words of the load generator: {} counts up.
SMALL_TYPES = {
    "hash of 8 fields": "HSET hash:{} " + " ".join(f"field{i} value-{i}-of-it" for i in range(8)),
    "set of 8 integers": "SADD set:{} " + " ".join(str(1000 + 17 * i) for i in range(8)),
    "set of 8 words": "SADD set:{} " + " ".join(f"member-{i}" for i in range(8)),
    "list of 8 words": "RPUSH list:{} " + " ".join(f"element-{i}" for i in range(8)),
    "sorted set of 8": "ZADD zset:{} " + " ".join(f"{i * 1.5} member-{i}" for i in range(8)),
    "stream of 2": "XADD stream:{} * name terrace kind cache | "
                   "XADD stream:{} * name terrace kind cache",
}
LARGE_TYPES = {
    "field of a hash": "HSET large field:{} value:{}",
    "integer of a set": "SADD large {}",
    "word of a set": "SADD large member:{}",
    "element of a list": "RPUSH large element:{}",
    "member of a sorted set": "ZADD large {} member:{}",
    "entry of a stream": "XADD large * name value:{}",
}


def measure_keys(kinds, options):
    """Returns {"without ttl" or "with ttl": {name: bytes per key}}."""
    result = {}
    for label, ttl_seconds in (("without ttl", 0), ("with ttl", 86400)):
        result[label] = {}
        for kind in kinds:
            progress(f"memory {label}: {kind.name}, {options.memory_keys} keys")
            with Server(kind, options.server_core, kind.memory_options) as server:
                # The first commands allocate what is there once, whatever the number of keys.
                generate(server, options, command="get", keys=1, pipeline=64, seconds=0.2)
                time.sleep(SETTLE_SECONDS)
                before = server.resident_bytes()
                fill(server, options, options.memory_keys, VALUE_BYTES, ttl_seconds)
                time.sleep(SETTLE_SECONDS)
                grown = server.resident_bytes() - before
            result[label][kind.name] = grown / options.memory_keys
    progress("")
    return result


def grown_bytes(kind, options, words, count):
    """How much count times these words add to the resident set of a fresh server."""
    with Server(kind, options.server_core, kind.memory_options) as server:
        # The first commands of each kind allocate what is there once.
        generate(server, options, words=words.replace(":{}", ":warm{}").replace("large", "warm"),
                 order="sequential", keys=200, pipeline=16)
        time.sleep(SETTLE_SECONDS)
        before = server.resident_bytes()
        generate(server, options, words=words, order="sequential", keys=count, pipeline=16,
                 connections=8)
        time.sleep(SETTLE_SECONDS)
        return server.resident_bytes() - before


def measure_types(kinds, options):
    """Returns {what: {name: bytes of one}}."""
    result = {}
    for types, count in ((SMALL_TYPES, SMALL_COUNT), (LARGE_TYPES, LARGE_COUNT)):
        for label, words in types.items():
            progress(f"memory of a {label}")
            # Where several commands make one value, a key is counted for each of them.
            keys = count * (words.count("|") + 1)
            result[label] = {kind.name: grown_bytes(kind, options, words, keys) / count
                             for kind in kinds}
    progress("")
    return result


def report_types(memory):
    names = list(next(iter(memory.values())))
    rows = []
    for label, values in memory.items():
        best_name, best = best_peer(values)
        rows.append([label] + [f"{values[name]:.1f}" for name in names] +
                    [f"{values['terrace'] / best:.2f} x {best_name}" if best else "-"])
    print_table(f"Resident bytes of one of {SMALL_COUNT} small values, and of one element of a "
                f"large value of {LARGE_COUNT}", ["", *names, "terrace / best peer"], rows)


def report_keys(memory, keys):
    names = list(memory["without ttl"])
    rows = []
    for label, values in memory.items():
        best_name, best = best_peer(values)
        target = TARGETS[label]
        outcome = "hit" if values["terrace"] <= target else "missed"
        rows.append([label] + [f"{values[name]:.1f}" for name in names] +
                    [f"{values['terrace'] / best:.2f} x {best_name}" if best else "-",
                     f"{outcome} ({values['terrace'] / target:.2f} of {target})"])
    print_table(f"Resident bytes per key, {keys} keys of {KEY_BYTES} bytes with values of "
                f"{VALUE_BYTES} (growth of RSS)",
                ["", *names, "terrace / best peer", "target"], rows)
