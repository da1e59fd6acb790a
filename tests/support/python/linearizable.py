"""linearizable: is there an order of concurrent operations on one key that explains every reply?

The search is that of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's
memory of configurations seen: take any operation that had begun before all others not yet taken
had ended, and go on if the model gives the reply that was seen. It takes time exponential in the
number of operations that overlap, so histories are short: tens of operations by a few clients.
"""

import collections

# args is the command, reply what the client got; times of one machine's monotonic clock.
Operation = collections.namedtuple('Operation', 'start end args reply')


def is_linearizable(operations, model, initial):
    """`model(state, args)` returns (state, reply) and changes nothing; states can be hashed."""
    operations = sorted(operations)
    everything = (1 << len(operations)) - 1
    seen = set()
    stack = [(0, initial)]
    while stack:
        taken, state = stack.pop()
        if taken == everything:
            return True
        if (taken, state) in seen:
            continue
        seen.add((taken, state))
        left = [index for index in range(len(operations)) if not taken >> index & 1]
        first_end = min(operations[index].end for index in left)
        for index in left:
            if operations[index].start > first_end:
                break  # and all behind it, which began later still
            after, reply = model(state, operations[index].args)
            if reply == operations[index].reply:
                stack.append((taken | 1 << index, after))
    return False
