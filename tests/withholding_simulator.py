"""Timed withholding by events: an independent oracle for `polejax.attacks.Withholding`, in plain Python.

The protocol as in event_simulator.py, plus: node i keeps a block that it finishes for `hold[i]` seconds, or until it
hears of a block of the same height by somebody else, and meanwhile works on from it.
"""

import heapq
from collections.abc import Callable


def run(work, power, delay, hold, heights) -> tuple[dict, dict]:
    """Parents of all blocks (height, producer) up to `heights`, and when each left its producer's hands."""
    count = len(power)
    parent: dict = {}
    released: dict = {}
    tip = [(0, -1)] * count
    events: list[tuple[float, int, int, int, Callable]] = []  # time, producer, hearer, height, what happens

    def set_to_work(node: int, now: float) -> None:
        height = tip[node][0] + 1
        if height <= len(work):
            heapq.heappush(events, (now + work[height - 1][node] / power[node], node, node, height, finish))

    def finish(now: float, node: int, _: int, height: int) -> None:
        if tip[node][0] >= height:
            return
        parent[height, node] = tip[node]
        tip[node] = (height, node)
        if heard.get((height, node), False):
            release(now, node, node, height)  # cannot be: it would have dropped its work
        else:
            heapq.heappush(events, (now + hold[node], node, node, height, release))
        set_to_work(node, now)

    def release(now: float, node: int, _: int, height: int) -> None:
        if (height, node) in released:
            return
        released[height, node] = now
        for other in range(count):
            if other != node:
                heapq.heappush(events, (now + delay[node][other], node, other, height, hear))

    heard: dict = {}

    def hear(now: float, producer: int, hearer: int, height: int) -> None:
        heard[height, hearer] = True
        if (height, hearer) in parent:
            release(now, hearer, hearer, height)
        if tip[hearer][0] < height:
            tip[hearer] = (height, producer)
            set_to_work(hearer, now)

    for node in range(count):
        set_to_work(node, 0.0)
    while events:
        now, producer, hearer, height, happen = heapq.heappop(events)
        happen(now, producer, hearer, height)
    return {block: origin for block, origin in parent.items() if block[0] <= heights}, released
