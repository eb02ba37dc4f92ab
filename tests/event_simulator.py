"""An independent longest-chain simulator: plain Python, an event heap, no heights in lockstep, no min-plus product.

It knows the protocol only: a node works on the first-received block of the greatest height it knows; when it finishes,
it publishes and everyone else hears of it after the delay; hearing of a greater height, it drops its work and moves on.
Simultaneous events are ordered by the index of the block's producer, the engine's documented order for exact ties.
"""

import heapq
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Blocks are named (height, producer); genesis is (0, -1)."""

    published: dict[tuple[int, int], float] = field(default_factory=dict)  # block -> time
    parent: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    adopted: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # (height, node) -> block


def run(work: list[list[float]], power: list[float], delay: list[list[float]], heights: int) -> Outcome:
    """Race until every node holds a block of height `heights`; `work[h - 1][i]` is node i's work for height h."""
    count = len(power)
    outcome = Outcome({(0, -1): 0.0})
    tip = [(0, -1)] * count
    events: list[tuple[float, int, int, int]] = []  # time, producer, hearer, height

    def set_to_work(node: int, now: float) -> None:
        height = tip[node][0] + 1
        if height <= len(work):
            heapq.heappush(events, (now + work[height - 1][node] / power[node], node, node, height))

    for node in range(count):
        set_to_work(node, 0.0)
    while min(tip)[0] < heights:
        now, producer, hearer, height = heapq.heappop(events)
        if tip[hearer][0] >= height:
            continue  # overtaken while it worked, or heard too late
        block = (height, producer)
        if hearer == producer:
            outcome.published[block], outcome.parent[block] = now, tip[producer]
            for other in range(count):
                if other != producer:
                    heapq.heappush(events, (now + delay[producer][other], producer, other, height))
        tip[hearer] = block
        outcome.adopted[height, hearer] = block
        set_to_work(hearer, now)
    return outcome
