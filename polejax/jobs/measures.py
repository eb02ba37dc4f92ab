"""Measures of simulations against closed forms: estimates with standard errors over independent seeds."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from polejax import network
from polejax._core.record import replace
from polejax._core.types import Array
from polejax._engine.runner import simulate_many
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.consensus import nodes
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.scenario import Scenario

SHARES = (30, 29, 12, 11, 8, 5, 3, 1, 1)
"""Powers of nine unequal nodes, percent."""

Measured = tuple[float, float]
"""An estimate and its standard error; an error of 0 means that the estimate must be exact."""

Measure = Callable[[History], Measured]
Measurement = Callable[[Array], Measured]  # from a typed key


class Case(NamedTuple):
    """One closed form or published number, and the simulation that should agree with it.

    Attributes:
      name: of the case, unique.
      source: where the expected value is from.
      expected: the value that the source gives.
      measure: from a typed key to (estimate, standard error).
      spread: standard error of the expected value itself, where it was simulated or counted.
      tolerance: how far two models that are known to differ may be apart; 0: they are one model.
    """

    name: str
    source: str
    expected: float
    measure: Measurement
    spread: float = 0.0
    tolerance: float = 0.0


def ratio(top: Array, bottom: Array) -> Measured:
    """Sum of top f64[S] over sum of bottom f64[S], with the jackknife's error."""
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    error = estimate.jackknife_error(estimate.left_out(top) / estimate.left_out(bottom))
    return float(top.sum() / bottom.sum()), float(error)


def share(hits: Array) -> Measured:
    """Share of independent trials bool[M]; the error has a count of one more success and failure, lest it be 0."""
    hit, tried = int(np.sum(hits)), np.size(hits)
    smoothed = (hit + 1) / (tried + 2)
    return hit / tried, math.sqrt(smoothed * (1 - smoothed) / tried)


def of_estimate(value: Estimate, seeds: int) -> Measured:
    """An estimate with a symmetric 95% interval from `seeds` seeds."""
    return float(value.value), float(value.high - value.low) / 2 / estimate.student(seeds, 0.95)


def interval_mean(history: History) -> Measured:
    """Mean interval in seconds."""
    return ratio((history.interval * history.settled).sum(axis=1, dtype=np.float64), history.settled.sum(axis=1))


def interval_cv(history: History) -> Measured:
    """CV of the intervals; its bias of the order 1 / all blocks is far below its error."""
    interval = np.where(history.settled, history.interval, 0.0).astype(np.float64)
    sums = np.stack([history.settled.sum(axis=1), interval.sum(axis=1), (interval**2).sum(axis=1)])

    def cv(count: Array, total: Array, square: Array) -> Array:
        return np.sqrt(square * count / total**2 - 1.0)

    error = estimate.jackknife_error(cv(*(estimate.left_out(one) for one in sums)))
    return float(cv(*sums.sum(axis=1))), float(error)


def longer_than(seconds: float, history: History) -> Measured:
    """Share of the intervals that are longer than so many seconds."""
    return ratio(((history.interval > seconds) & history.settled).sum(axis=1), history.settled.sum(axis=1))


def win_share(node: int, history: History) -> Measured:
    """A node's share of the canonical blocks."""
    return ratio(((history.producer == node) & history.settled).sum(axis=1), history.settled.sum(axis=1))


def stale_per_block(history: History) -> Measured:
    """Stale blocks' share of all published ones."""
    published = (history.published * history.settled).sum(axis=1)
    return ratio(published - history.settled.sum(axis=1), published)


def forked_share(history: History) -> Measured:
    """Share of the heights with rival blocks."""
    return ratio(((history.published > 1) & history.settled).sum(axis=1), history.settled.sum(axis=1))


def tasks_waiting(history: History) -> Measured:
    """Mean number of tasks left in the queue when a block is begun."""
    assert history.taken is not None  # of a task stream
    return ratio((history.taken.waiting * history.settled).sum(axis=1), history.settled.sum(axis=1))


def undelayed(mechanism: Mechanism, **rules: Any) -> Scenario:
    """Nine unequal nodes (`SHARES`) without delay."""
    return Scenario(nodes.from_shares(SHARES), network.instant(len(SHARES)), mechanism, **rules)


def chains(scenario: Scenario, seeds: int, blocks: int, skip: int = 0) -> Callable[[Measure], Measurement]:
    """What turns a measure of histories into one of `seeds` chains of `blocks` blocks, the first `skip` left out.

    So are the last 24: which of them are settled depends on whether they fork.
    """
    heights = np.arange(blocks)

    def of(measure: Measure) -> Measurement:
        def simulated(key: Array) -> Measured:
            history = simulate_many(jax.random.split(key, seeds), scenario, blocks)
            counted = (heights >= skip) & (heights < blocks - 24)
            return measure(replace(history, settled=history.settled & counted))

        return simulated

    return of
