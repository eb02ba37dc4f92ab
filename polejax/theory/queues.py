"""Queues: how long transactions and tasks wait for blocks."""

import math
from typing import Any, NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.brief import brief
from polejax._core.types import Array
from polejax.theory import arguments
from polejax.theory.series import geometric_sum


def first_confirmation_wait(mean: float, cv: float) -> float:
    """Mean wait E[S](1 + CV^2) / 2 from a transaction's arrival to the next block, when blocks have no limit.

    Args: mean: of the interval S, seconds; cv: of S. Intervals need only be stationary. Returns seconds.
    Source: the inspection paradox, Kleinrock 1975 (Queueing Systems I), s. 5.2.
    """
    return arguments.scalar("mean", mean, above=0.0) * (1.0 + arguments.scalar("cv", cv, low=0.0) ** 2) / 2.0


class BulkQueue(NamedTuple):
    """A stationary bulk-service queue, in which P(n waiting) = (1 - root) root^n.

    Attributes:
      root: r, in (0, 1).
      length: mean number waiting.
      wait: mean seconds until inclusion.
    """

    root: float
    length: float
    wait: float

    def __repr__(self) -> str:
        return brief(self)


# Balance: (l + m) p_n = l p_{n-1} + m p_{n+b}; p_n ~ r^n gives l - (l+m) r + m r^(b+1) = 0. Dividing out the
# root r = 1 leaves r + ... + r^b = l / m, monotone; with r = exp(-t), Jensen's inequality brackets t.
def bulk_queue(arrival_rate: float, block_rate: float, capacity: int) -> BulkQueue:
    """The queue of Poisson transactions that blocks at exponential intervals serve, `capacity` at a time.

    Args: arrival_rate: transactions per second; block_rate: blocks per second; capacity: transactions per
    block. Returns root r in (0, 1), L = r / (1 - r) transactions waiting, and W = L / arrival_rate seconds
    until inclusion. Raises ValueError when load >= 1. Source: Kleinrock 1975 (Queueing Systems I), s. 4.6,
    for blocks that may be empty.
    """
    from scipy import optimize

    arrivals = arguments.scalar("arrival_rate", arrival_rate, above=0.0)
    blocks = arguments.scalar("block_rate", block_rate, above=0.0)
    capacity = checks.whole("capacity", capacity, low=1)
    load = arrivals / (blocks * capacity)
    if load >= 1.0:
        raise ValueError(f"arrival_rate must be below block_rate * capacity, got load {load:g}: lower it")
    low, high = -2.0 * math.log(load) / (capacity + 1) * (1 - 1e-6), -math.log(load) * (1 + 1e-6)

    def excess(t: float) -> float:
        return geometric_sum(t, capacity) * blocks / arrivals - 1.0

    t = optimize.brentq(excess, low, high, xtol=1e-300, rtol=1e-14)
    length = 1.0 / math.expm1(t)
    return BulkQueue(math.exp(-t), length, length / arrivals)


# The number ahead is geometric, P(n) = (1 - r) r^n, and the n-th place needs 1 + floor(n / b) blocks, each after an
# exponential time: a geometric number (failure r^b) of exponential times of rate m is exponential of rate m (1 - r^b),
# and r^b = 1 - 1 / (m W) because W is that law's mean.
def bulk_wait_quantile(share: Any, arrival_rate: float, block_rate: float, capacity: int) -> Array:
    """Seconds within which a share of the transactions is included, first come first served: -W ln(1 - share).

    Args: share: in [0, 1), any shape; others: as `bulk_queue`. Returns seconds shaped as `share`; raises what
    `bulk_queue` does. Source: ours; a transaction waits for a geometric number of exponential intervals.
    """
    shares = checks.numbers("share", share).astype(np.float64)
    if not ((shares >= 0.0) & (shares < 1.0)).all():
        shown = checks.shown(share)
        raise ValueError(f"share must be at least 0 and below 1, got {shown}: no finite time includes all of them")
    return -bulk_queue(arrival_rate, block_rate, capacity).wait * np.log1p(-shares)


def full_block_share(arrival_rate: float, block_rate: float, capacity: int) -> float:
    """Share of the blocks that are full, r^b: the chance that b or more transactions wait when a block is found.

    Args and errors: as `bulk_queue`. Returns a fraction. Source: ours; blocks that come as a Poisson process see time
    averages (Wolff 1982).
    """
    return bulk_queue(arrival_rate, block_rate, capacity).root ** capacity


def priority_waits(arrival_rates: Any, block_rate: float, capacity: int) -> Array:
    """Mean seconds until inclusion of each fee class, highest fee first: (L_c - L_(c-1)) / arrival_rates_c.

    Classes 1 to c are served as if lower fees did not exist, so together they form the bulk queue of their joint rate,
    of length L_c. Little's law then gives each class's wait.

    Args: arrival_rates: transactions per second [C]; others: as `bulk_queue`. Returns seconds [C]; raises what
    `bulk_queue` does for all classes together. Source: ours.
    """
    rates = arguments.vector("arrival_rates", arrival_rates, above=0.0)
    lengths = [bulk_queue(float(rate), block_rate, capacity).length for rate in np.cumsum(rates)]
    return np.diff(lengths, prepend=0.0) / rates


# Heavy traffic: the backlog is a Brownian motion reflected at 0, of drift m = -(1 - load) b and variance s^2 =
# load^2 b^2 cv^2 + load b a block. Begun at 0, its mean is 0.9885 of the stationary one at time 4 s^2 / m^2, from
# P(R(t) <= x) = Phi((x + t) / sqrt t) - exp(-2 x) Phi((t - x) / sqrt t) for drift -1 and variance 1 (Harrison 1985).
def mempool_warm_up(load: float, cv: float, capacity: int) -> float:
    """Blocks after which the mean backlog of a mempool that began empty is within 1.2% of the stationary one.

    4 (load^2 cv^2 + load / capacity) / (1 - load)^2, for Poisson arrivals in heavy traffic and intervals that hardly
    depend on each other.

    Args: load: arrivals per block / capacity, in (0, 1); cv: of the block interval; capacity: transactions per block.
    Returns blocks. Source: Harrison 1985 (Brownian Motion and Stochastic Flow Systems), s. 3.6; its use here is ours.
    """
    load = arguments.scalar("load", load, above=0.0, below=1.0)
    cv = arguments.scalar("cv", cv, low=0.0)
    capacity = checks.whole("capacity", capacity, low=1)
    return 4.0 * (load**2 * cv**2 + load / capacity) / (1.0 - load) ** 2


def tasks_waiting(load: float) -> float:
    """Mean number of tasks waiting behind the one in work, load^2 / (1 - load): the M/M/1 queue.

    Args: load: tasks posted per task done, below 1. Source: Kleinrock 1975 (Queueing Systems I), s. 3.2.
    """
    load = arguments.scalar("load", load, low=0.0, below=1.0)
    return math.pow(load, 2) / (1.0 - load)
