"""Winner rules by events: an independent oracle for `polejax.elections`, in plain Python.

It knows the protocol only: a node works on the height above the block it took last; when it finishes, it publishes,
and goes on listening; everyone else hears of the block after the delay; when the node closes the height it takes the
best claim it has heard, the earliest of equal ones, then the lowest producer. What a node has no use for yet (a height
it has not reached) must never arrive: that heights can be simulated one after another is what is being tested.
At equal times closes come before claims, and claims in the order of their producers.
"""

import heapq
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Blocks are named (height, producer); genesis is (0, -1)."""

    published: dict[tuple[int, int], float] = field(default_factory=dict)  # block -> time
    parent: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    adopted: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # (height, node) -> block


def run(work, score, power, delay, heights, *, window=None, deadline=None) -> Outcome:
    """Race until every node holds a block of height `heights`.

    work[h - 1][i] and score[h - 1][i] are of node i's claim for height h. Give `window`, seconds from the first claim
    to the close, or `deadline`, seconds from the start of a height.
    """
    count = len(power)
    outcome = Outcome({(0, -1): 0.0})
    tip = [(0, -1)] * count
    heard = [[] for _ in range(count)]  # claims of the height that the node works on: (-score, time, producer)
    overdue = [False] * count
    events = []  # time, 0 for closes and 1 for claims, producer, hearer, height

    def begin(node, now):
        heard[node], overdue[node] = [], False
        height = tip[node][0] + 1
        if height <= len(work):
            heapq.heappush(events, (now + work[height - 1][node] / power[node], 1, node, node, height))
            if deadline is not None:
                heapq.heappush(events, (now + deadline, 0, node, node, height))

    def close(node, now):
        height = tip[node][0] + 1
        tip[node] = (height, min(heard[node])[2])
        outcome.adopted[height, node] = tip[node]
        begin(node, now)

    for node in range(count):
        begin(node, 0.0)
    while min(tip)[0] < heights:
        now, claims, producer, hearer, height = heapq.heappop(events)
        if tip[hearer][0] >= height:
            continue
        assert tip[hearer][0] == height - 1, "heard of a height before closing the one below"
        if not claims:
            overdue[hearer] = True
            if heard[hearer]:
                close(hearer, now)
            continue
        if hearer == producer:
            outcome.published[height, producer], outcome.parent[height, producer] = now, tip[producer]
            for other in range(count):
                if other != producer:
                    heapq.heappush(events, (now + delay[producer][other], 1, producer, other, height))
        heard[hearer].append((-score[height - 1][producer], now, producer))
        if len(heard[hearer]) == 1:
            if overdue[hearer] or window == 0:
                close(hearer, now)
            elif window is not None:
                heapq.heappush(events, (now + window, 0, hearer, hearer, height))
    return outcome
