"""A baseline: Proof of Work with forks as an event loop, in plain Python with NumPy's random numbers."""

import heapq

import numpy as np


def simulate(rng: np.random.Generator, delay: np.ndarray, power: np.ndarray, work: float, num_blocks: int) -> int:
    """Play until the chain is `num_blocks` long.

    Args:
      rng: of the work.
      delay: [N, N] seconds from row to column.
      power: [N] work units per second.
      work: mean, per block.
      num_blocks: height to reach.

    Returns:
      Number of blocks published, stale ones included.
    """
    count = len(power)
    height = np.zeros(count, int)  # of each node's tip
    race = np.zeros(count, int)  # which race a node is in; an event of an earlier one is void
    events = [(seconds, node, node, 1, 0) for node, seconds in enumerate(rng.exponential(work / power).tolist())]
    heapq.heapify(events)
    published = 0
    while height.min() < num_blocks:
        now, node, producer, tall, entered = heapq.heappop(events)
        if tall <= height[node] or (producer == node and entered != race[node]):
            continue
        if producer == node:
            published += 1
            for other, seconds in enumerate(delay[node].tolist()):
                if other != node:
                    heapq.heappush(events, (now + seconds, other, node, tall, 0))
        height[node] = tall
        race[node] += 1
        finish = now + rng.exponential(work / power[node])
        heapq.heappush(events, (finish, node, node, tall + 1, int(race[node])))
    return published
