"""The cases of `polejax validate` with several selfish pools."""

import functools

import jax
import numpy as np

from polejax import theory
from polejax._core.types import Array
from polejax.attacks import selfish_pools as attack
from polejax.jobs import measures
from polejax.jobs.measures import Case, Measured

_FOUND = 10_000  # blocks of a chain

# Bai et al. 2018 (arXiv 1811.08263), abstract: two alike pools gain from 21.48% of the power on. Their transitions
# could not be read. With the rules that could (`polejax.attacks.selfish_pools`) the threshold is 20.7%: the same
# authors' later paper (2023, arXiv 2112.10454, abstract) says "below 21.48%" for two pools, "around 10%" for eight.
_TWO, _TWO_APART = 0.2148, 0.01
_EIGHT, _EIGHT_APART = 0.10, 0.005


def selfish_pools(scale: int) -> list[Case]:
    """Revenues of two selfish pools by our limit, and thresholds as published."""
    found = []
    for shares in ((_TWO, _TWO), (0.25, 0.2)):
        name = "two selfish pools, {:.4g} and {:.4g}".format(*shares)
        measured = functools.partial(_revenue, shares=shares, seeds=256 * scale)
        found.append(Case(name, "ours (expected blocks)", _limit(shares), measured))
    two = functools.partial(_threshold, pools=2, bracket=(0.2, 0.215), seeds=64 * scale)
    eight = functools.partial(_threshold, pools=8, bracket=(0.095, 0.105), seeds=32 * scale)
    return [
        *found,
        Case("two selfish pools, threshold", "Bai et al. 2018, abstract", _TWO, two, tolerance=_TWO_APART),
        Case("eight selfish pools, threshold", "Bai et al. 2023, abstract", _EIGHT, eight, tolerance=_EIGHT_APART),
    ]


@functools.cache
def _limit(shares: tuple[float, ...]) -> float:
    return theory.selfish_pools_revenue(shares, 1e-8)[0]


def _revenue(key: Array, shares: tuple[float, ...], seeds: int) -> Measured:
    """The first pool's share of the main chain."""
    revenue = attack.mine_many(jax.random.split(key, seeds), shares, _FOUND)
    return measures.ratio(revenue.pools[:, 0], revenue.pools.sum(axis=1) + revenue.honest)


def _threshold(key: Array, pools: int, bracket: tuple[float, float], seeds: int) -> Measured:
    """The share of each of several alike pools at which they earn what honest pools would, between two shares."""
    gains, errors = [], []
    for number, share in enumerate(bracket):
        keys = jax.random.split(jax.random.fold_in(key, number), seeds)
        revenue = attack.mine_many(keys, np.full(pools, share), _FOUND)
        together = revenue.pools.sum(axis=1)
        earned, error = measures.ratio(together, together + revenue.honest)
        gains.append(earned / pools - share)
        errors.append(error / pools)
    slope = (gains[1] - gains[0]) / (bracket[1] - bracket[0])
    place = -gains[0] / (gains[1] - gains[0])
    error = float(np.hypot((1.0 - place) * errors[0], place * errors[1])) / slope
    return bracket[0] + place * (bracket[1] - bracket[0]), error
