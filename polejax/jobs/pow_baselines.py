"""Proof of Work to compare with: the same nodes and network, at the same mean interval or at the same stale rate.

Users know it as `polejax.baselines`; `polejax compare` makes its columns of Proof of Work by it.
"""

import math

import jax
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.keys import key_of
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Key
from polejax._engine.runner import simulate_many
from polejax.analysis.summaries import summarise
from polejax.consensus import difficulty
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario, check_one
from polejax.mechanisms.pow import PoW

__all__ = ["at_interval", "at_stale_rate", "mean_interval"]

SEEDS, BLOCKS = 64, 2_048
"""Chains and heights of a calibration: a standard error of 0.3% of the mean interval."""


def race(beside: Scenario, work: float) -> Scenario:
    """Proof of Work of `work` expected hashes a block, fixed, on the nodes and network of another scenario."""
    return Scenario(beside.nodes, beside.network, PoW(work), difficulty=difficulty.fixed())


@checked
@steady
def at_interval(beside: Scenario, interval: float, seed: int = 0) -> Scenario:
    """Proof of Work of a given mean interval.

    Args:
      beside: whose nodes and network it has.
      interval: mean interval to meet, seconds between canonical blocks.
      seed: of the calibration's own chains.

    Returns:
      A scenario whose expected hashes per block are found by three steps of proportional adjustment; only these, not
      the mean, are searched for, so PoW's measured mean still varies by chance.

    Raises:
      ValueError: an interval that is not positive, or delays so long that no height is settled.
    """
    interval = checks.number("interval", interval, low=1e-12, high=1e18)
    check_one(beside)
    work = interval * _power(beside)
    keys = _keys(seed, 0x506F57)
    for _ in range(3):
        history = simulate_many(keys, race(beside, work), BLOCKS)
        work *= interval / mean_interval(history, beside)
    return race(beside, work)


@checked
@single("scenario")
@steady
def mean_interval(history: History, scenario: Scenario) -> float:
    """Mean interval of the settled heights of a scenario's chains, s; raises ValueError where there are none."""
    if not np.any(history.settled):
        delay = float(np.max(scenario.network.max_delay))
        raise ValueError(
            f"no height is settled: with a delay of {delay:g} s, nodes are on different branches to the end of "
            f"{history.num_blocks} blocks; give more blocks or a shorter delay"
        )
    return float(history.interval[history.settled].mean(dtype=np.float64))


@checked
@steady
def at_stale_rate(beside: Scenario, stale_per_main: float, interval: float, seed: int = 0) -> Scenario:
    """Proof of Work of a given stale rate, by tuning its interval.

    Args:
      beside: whose nodes and network it has.
      stale_per_main: stale / canonical blocks to meet, positive.
      interval: seconds between canonical blocks to begin the search at.
      seed: of the calibration's own chains.

    Returns:
      A scenario whose measured stale rate, over chains of the calibration, is within 0.5% of the asked one. The stale
      rate falls as the interval grows: the search brackets it, then interpolates in logarithms.

    Raises:
      ValueError: a stale rate that no interval can reach.
    """
    interval = checks.number("interval", interval, low=1e-12, high=1e18)
    check_one(beside)
    asked = float(checks.real("stale_per_main", stale_per_main, low=0.0, ndim=0))
    count, keys = beside.nodes.count, _keys(seed, 0x5374616C)
    if not 0.0 < asked < count - 1:
        raise ValueError(
            f"stale_per_main must be above 0 and below {count - 1} (the nodes less one), or no interval reaches "
            f"it, got {asked:g}: let nodes be apart, or fork less"
        )

    def measured(work: float) -> float:
        # By rounds: `at_interval` has compiled this program; the faster Poisson sums would be one more to compile.
        return float(summarise(simulate_many(keys, race(beside, work), BLOCKS)).stale_per_main.value)

    high = interval * _power(beside)  # more work: longer intervals, fewer stale blocks
    low, at_high = high, measured(high)
    at_low = at_high
    for _ in range(24):
        if at_low > asked:
            break
        low /= 4.0
        at_low = measured(low)
    for _ in range(24):
        if at_high < asked:
            break
        high *= 4.0
        at_high = measured(high)
    if not at_high < asked < at_low:
        raise ValueError(
            f"stale_per_main must be one that some interval reaches on this network, got {asked:g}: measured "
            f"{at_high:.3g} to {at_low:.3g}"
        )
    for _ in range(24):
        work = _between(low, high, at_low, at_high, asked)
        found = measured(work)
        if abs(found / asked - 1.0) < 0.005:
            return race(beside, work)
        low, at_low, high, at_high = (work, found, high, at_high) if found > asked else (low, at_low, work, found)
    raise ValueError(f"stale_per_main must not be so rare that chance hides it, got {asked:g}: use longer chains")


def _between(low: float, high: float, at_low: float, at_high: float, asked: float) -> float:
    """Work at which the stale rate is the one asked for, by a power law through both ends; the middle if one is 0."""
    if at_high <= 0.0:
        return math.sqrt(low * high)
    share = math.log(at_low / asked) / math.log(at_low / at_high)
    return low * math.pow(high / low, min(max(share, 0.02), 0.98))


def _power(scenario: Scenario) -> float:
    return float(np.sum(scenario.nodes.power, dtype=np.float64))


def _keys(seed: int, purpose: int) -> Key:
    number = checks.whole("seed", seed, high=2**32 - 1)
    return jax.random.split(jax.random.fold_in(key_of(number), purpose), SEEDS)


def __dir__() -> list[str]:
    return __all__
