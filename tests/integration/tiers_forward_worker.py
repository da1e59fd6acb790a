"""One client process of tiers_forward_test: writes and reads for a while, prints what it saw.

Arguments: port, name, seed, seconds. Prints {"history": [[kind, key, start, end, value], ...],
"errors": [text, ...]}; end is null for a write whose outcome is unknown.
"""

import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support/python'))

import raw_client  # noqa: E402

REGISTERS = ('f:r0', 'f:r1', 'f:r2')
COUNTER = 'f:c'


def main():
    port, name, seed, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    rng = random.Random(seed)
    # Two connections: what is written over one is read over the other.
    clients = [raw_client.RawClient(port, timeout_s=30.0) for _ in range(2)]
    history, errors = [], []
    stop = time.monotonic() + seconds
    number = 0
    while time.monotonic() < stop:
        client = rng.choice(clients)
        key = rng.choice(REGISTERS)
        number += 1
        value = f'{name}.{number}'
        kind = rng.choices(('write', 'delete', 'incr', 'read'), (3, 1, 2, 14))[0]
        start = time.monotonic()
        if kind == 'read':
            reply = client.command('GET', key)
        elif kind == 'write':
            reply = client.command('SET', key, value)
        elif kind == 'delete':
            reply = client.command('DEL', key)
        else:
            key, reply = COUNTER, client.command('INCR', COUNTER)
        end = time.monotonic()
        if reply[0] == '-':
            errors.append([kind, end - start, reply[1].decode()])
            if kind == 'read' or b'nothing was written' in reply[1]:
                continue
            end = None
        if kind == 'read':
            value = reply[1].decode() if reply[0] == '$' else None
        elif kind == 'delete':
            kind, value = 'write', None
        elif kind == 'incr':
            value = reply[1] if end is not None else None
        history.append([kind, key, start, end, value])
    print(json.dumps({'history': history, 'errors': errors}))


if __name__ == '__main__':
    main()
