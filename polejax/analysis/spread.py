"""Spread: the mean, standard deviation and coefficient of variation of block intervals, from each seed's sums."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from polejax._core.types import Array
from polejax.analysis.seed_tally import Tally


class Spread(NamedTuple):
    """Of the intervals of all seeds, float64[], or of all seeds but one, float64[S].

    Attributes:
      mean: s.
      sd: s, standard deviation.
      cv: ratio, sd / mean.
    """

    mean: Array
    sd: Array
    cv: Array


def spread_of(seeds: Tally, reduce: Callable[[Array], Array]) -> Spread:
    """Mean, standard deviation and CV of the intervals, from sums that `reduce` takes over the seeds."""
    count, total, square = reduce(seeds.settled), reduce(seeds.interval), reduce(seeds.square)
    deviation = total / np.maximum(count, 1)
    variance = (square - total * deviation) / np.maximum(count - 1, 1)
    mean, sd = seeds.centre + deviation, np.sqrt(np.maximum(variance, 0.0))
    return Spread(mean, sd, np.where(mean > 0, sd / np.where(mean > 0, mean, 1.0), 0.0))


def summed(sums: Array) -> Array:
    """Sums over all seeds: from [S, ...] to [...]."""
    return sums.sum(axis=0)


def odds(share: Array) -> Array:
    """Stale / canonical blocks from stale / all."""
    return share / (1 - share)
