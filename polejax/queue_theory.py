"""Closed forms of waiting for a block: what `theory.bulk_queue` says of quantiles, of blocks and of fee classes."""

import math
from typing import Any

import numpy as np

from polejax.theory import Array, _scalar, _vector, bulk_queue


# The number ahead is geometric, P(n) = (1 - r) r^n, and the n-th place needs 1 + floor(n / b) blocks, each after an
# exponential time: a geometric number (failure r^b) of exponential times of rate m is exponential of rate m (1 - r^b),
# and r^b = 1 - 1 / (m W) because W is that law's mean.
def bulk_wait_quantile(share: Any, arrival_rate: float, block_rate: float, capacity: int) -> Array:
    """Seconds within which a share of the transactions is included, first come first served: -W ln(1 - share).

    Args: share: in [0, 1), any shape; others: as `bulk_queue`. Returns seconds shaped as `share`; raises what
    `bulk_queue` does. Source: ours; a transaction waits for a geometric number of exponential intervals.
    """
    shares = np.asarray(share, np.float64)
    if not ((shares >= 0.0) & (shares < 1.0)).all():
        raise ValueError(f"share must be at least 0 and below 1, got {share!r}: all are never included in bounded time")
    return -bulk_queue(arrival_rate, block_rate, capacity).wait * np.log1p(-shares)


def full_block_share(arrival_rate: float, block_rate: float, capacity: int) -> float:
    """Share of the blocks without a place left, r^b: that b or more wait when one is found.

    Args and errors: as `bulk_queue`. Returns a fraction. Source: ours; blocks that come as a Poisson process see time
    averages (Wolff 1982).
    """
    return bulk_queue(arrival_rate, block_rate, capacity).root ** capacity


def priority_waits(arrival_rates: Any, block_rate: float, capacity: int) -> Array:
    """Mean seconds until inclusion of each fee class, dearest first: (L_c - L_(c-1)) / arrival_rates_c.

    Classes up to c are served as if no cheaper one were there, so that together they are the bulk queue of their joint
    rate, of length L_c; Little's law shares it out.

    Args: arrival_rates: transactions per second [C]; others: as `bulk_queue`. Returns seconds [C]; raises what
    `bulk_queue` does for all classes together. Source: ours.
    """
    rates = _vector("arrival_rates", arrival_rates, above=0.0)
    lengths = [bulk_queue(float(rate), block_rate, capacity).length for rate in np.cumsum(rates)]
    return np.diff(lengths, prepend=0.0) / rates


def tasks_waiting(load: float) -> float:
    """Mean number of tasks in line behind the one that is worked on, load^2 / (1 - load): the M/M/1 queue.

    Args: load: tasks posted per task done, below 1. Source: Kleinrock 1975 (Queueing Systems I), s. 3.2.
    """
    load = _scalar("load", load, low=0.0, below=1.0)
    return math.pow(load, 2) / (1.0 - load)
