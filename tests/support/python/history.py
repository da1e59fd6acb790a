"""history: judges what concurrent clients saw of one register, one counter or one list.

Every write stores a value that no other write stores. An operation has the time before it was sent
and the time after its reply was read; a write whose reply never came has no end, and may or may not
have happened. The checks are sound: a violation they report cannot be explained by any order of the
operations. Times are of one machine's monotonic clock, which its processes share.
"""

import bisect
import collections
import math

# value None: a delete, or a read that found nothing. end is math.inf without an answer.
Operation = collections.namedtuple('Operation', 'start end value')

UNANSWERED = math.inf


class Frontier:
    """Answers: of the writes that had ended before a time, which was the latest to start?"""

    def __init__(self, writes):
        ended = sorted((write for write in writes if write.end != UNANSWERED),
                       key=lambda write: write.end)
        self.ends = [write.end for write in ended]
        self.latest = []
        for write in ended:
            if not self.latest or write.start > self.latest[-1].start:
                self.latest.append(write)
            else:
                self.latest.append(self.latest[-1])

    def before(self, time):
        """Returns that write, or None."""
        index = bisect.bisect_left(self.ends, time)
        return self.latest[index - 1] if index > 0 else None


def check_register(writes, reads):
    """Returns violations of a register as texts: values from nowhere or the future, stale reads."""
    by_value = {write.value: write for write in writes if write.value is not None}
    deletes = [write for write in writes if write.value is None]
    # Before the first write there was nothing, as if by a delete at the beginning of time.
    deletes.append(Operation(-math.inf, -math.inf, None))
    frontier = Frontier(writes)
    violations = []
    for read in reads:
        if read.value is None:
            sources = [delete for delete in deletes if delete.start < read.end]
        elif read.value not in by_value:
            violations.append(f'{read} is a value from nowhere')
            continue
        else:
            sources = [by_value[read.value]]
        if all(source.start >= read.end for source in sources):
            violations.append(f'{read} saw a write that had not begun: {sources[0]}')
            continue
        newer = frontier.before(read.start)
        if newer is not None and all(source.end < newer.start for source in sources):
            violations.append(f'{read} is stale: {newer} was acknowledged before it began')
    return violations


def check_counter(increments, final):
    """`increments` are operations whose value is the reply of INCR; `final` is the last value."""
    violations = []
    answered = [op for op in increments if op.end != UNANSWERED]
    values = [op.value for op in answered]
    if len(set(values)) != len(values):
        violations.append('two increments got the same value')
    if not len(answered) <= final <= len(increments):
        violations.append(f'{len(answered)} increments were acknowledged of {len(increments)} '
                          f'sent, and the counter stands at {final}')
    frontier = -math.inf
    ended = sorted(answered, key=lambda op: op.end)
    position = 0
    for op in sorted(answered, key=lambda op: op.start):
        while position < len(ended) and ended[position].end < op.start:
            frontier = max(frontier, ended[position].value)
            position += 1
        if op.value <= frontier:
            violations.append(f'{op} is not above {frontier}, which was answered before it began')
    return violations


def check_list(pushes_by_writer, final):
    """`pushes_by_writer` maps a writer to its pushes in order; `final` is the whole list."""
    violations = []
    positions = {}
    for position, element in enumerate(final):
        if element in positions:
            violations.append(f'{element} is in the list twice')
        positions[element] = position
    known = set()
    for writer, pushes in pushes_by_writer.items():
        last = -1
        for push in pushes:
            known.add(push.value)
            position = positions.get(push.value)
            if position is None:
                if push.end != UNANSWERED:
                    violations.append(f'the acknowledged {push} of {writer} is lost')
                continue
            if position < last:
                violations.append(f'{push} of {writer} overtook an earlier one')
            # What was never answered may have taken effect after what the writer sent later, over
            # another connection.
            if push.end != UNANSWERED:
                last = position
    violations += [f'{element} was never pushed' for element in final if element not in known]
    return violations
