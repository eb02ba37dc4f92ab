"""Difficulty rules: the stationary law of intervals under windows, Ethereum's rules and moving averages."""

import math
from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.theory import arguments
from polejax.theory.intervals import Moments
from polejax.theory.series import geometric_sum


def _retarget(window: int, target: float, measured: int | None, least: int) -> tuple[float, int]:
    window, target = checks.whole("window", window, low=2), arguments.scalar("target", target, above=0.0)
    measured = window - 1 if measured is None else checks.whole("measured", measured, low=1, high=window)
    if measured < least:
        raise ValueError(f"measured must be at least {least}, got {measured}: the moment is infinite, widen window")
    return window * target, measured


# Ours, from Bitcoin's rule D' = D W T / (time of m intervals). At power 1 those take D G, G ~ Gamma(m), so
# D' = W T / G whatever D was, and P(X > t) = E exp(-t G / (W T)) = (1 + t / (W T))^-m: Lomax, tail index m.
def retarget_survival(interval: Any, window: int, target: float, measured: int | None = None) -> Array:
    """P(interval > t) for PoW whose difficulty follows what `measured` of every `window` intervals took.

    The law of one interval past the first window; intervals of one window share a difficulty, so they are
    dependent. Constant total power, no delay, no clamp on the step (Bitcoin's is a factor 4).

    Args: interval: seconds, any shape; window: blocks; target: seconds; measured: intervals timed, at most
    `window` (default `window - 1`, Bitcoin's off-by-one). Returns probabilities shaped as `interval`. Source:
    ours (Lomax law).
    """
    scale, measured = _retarget(window, target, measured, 1)
    return (1.0 + arguments.times("interval", interval) / scale) ** -measured


def retarget_mean(window: int, target: float, measured: int | None = None) -> float:
    """Mean interval in seconds, W T / (m - 1), under `retarget_survival`, whose arguments it shares.

    Raises ValueError for m < 2 (window < 3 by default): the mean is infinite. Source: ours (Lomax law).
    """
    scale, measured = _retarget(window, target, measured, 2)
    return scale / (measured - 1)


def retarget_cv(window: int, measured: int | None = None) -> float:
    """Coefficient of variation sqrt(m / (m - 2)) of an interval under `retarget_survival`.

    Raises ValueError for m < 3 (window < 4 by default): the variance is infinite. For m < 5 the fourth moment
    is, so a sample's CV converges too slowly to test. Source: ours (Lomax law).
    """
    _, measured = _retarget(window, 1.0, measured, 3)
    return math.sqrt(measured / (measured - 2))


# Ours: at equilibrium E[1 + u - floor(X / s)] = 0. For exponential X of mean m, E floor(X / s) = q / (1 - q)
# with q = exp(-s / m); hence q = (1 + u) / (2 + u).
def ethereum_interval(step: float = 10.0, uncle_share: float = 0.0) -> float:
    """Mean interval s / ln((2+u)/(1+u)) under Ethereum's rule: Homestead s = 10, u = 0; Byzantium s = 9.

    Left out: the fluctuation of the difficulty (at u = 0 it shortens the mean by 0.75 times the rule's gain 1/2048,
    0.037%), the clamp at -99 (1e-28) and the rounding of timestamps to seconds.

    Args: step: seconds; uncle_share: fraction of parents with uncles, which Byzantium counts, taken as
    independent of the interval (0 for Homestead). Returns seconds. Source: ours from EIP-2 (Homestead) and
    EIP-100 (Byzantium).
    """
    step, uncles = (
        arguments.scalar("step", step, above=0.0),
        arguments.scalar("uncle_share", uncle_share, low=0.0, high=1.0),
    )
    return step / math.log((2.0 + uncles) / (1.0 + uncles))


def ethereum_interval_clamped(step: float = 10.0, uncle_share: float = 0.0, lowest: int = -99) -> float:
    """Mean interval of Ethereum's rule with its clamp: the root of E max(1 + u - floor(X/s), lowest) = 0.

    Args: as `ethereum_interval`; lowest: the clamp, at most -1. Returns seconds. Source: ours from EIP-2,
    EIP-100.
    """
    from scipy import optimize

    step, uncles = (
        arguments.scalar("step", step, above=0.0),
        arguments.scalar("uncle_share", uncle_share, low=0.0, high=1.0),
    )
    terms = 1 - checks.whole("lowest", lowest, low=-(10**6), high=-1)

    # E min(floor, terms) is the sum of P(floor >= i) for i = 1 .. terms.
    def drift(t: float) -> float:
        return 1 + uncles - (1 - uncles) * geometric_sum(t, terms) - uncles * geometric_sum(t, terms + 1)

    return step / float(optimize.brentq(drift, 1e-9, 1.0, xtol=1e-15))


# D' = D / (1 + (X / T - 1) / B) with X = E D / P, E exponential of mean 1, makes R = T P / D a moving average of
# exponential numbers, R' = (1 - 1/B) R + E / B, whose Laplace transform is the product of 1 / (1 + s w_k),
# w_k = (1 - 1/B)^k / B. X = T E / R with E and R independent, and E[1 / R^j] = int s^(j-1) L(s) ds / (j-1)!.
def ema_interval(target: float, blocks: float) -> Moments:
    """Mean (seconds) and CV of PoW's interval under the exponential moving average `difficulty.ema`, by quadrature.

    The mean is above the target, by about T / (2 B), because rare high difficulties last longest.

    Args: target: T, seconds; blocks: B, memory, at least 2 (near 1 the mean diverges). Constant power, no delay.
    Returns `Moments`. Source: ours.
    """
    target, memory = (
        arguments.scalar("target", target, above=0.0),
        arguments.scalar("blocks", blocks, low=2.0, high=1e4),
    )
    keep = 1.0 - 1.0 / memory
    weights = keep ** np.arange(math.ceil(-35.0 / math.log(keep))) / memory
    log_s, step = np.linspace(-30.0, 12.0, 1 << 10, retstep=True)
    s = np.exp(log_s)
    transform = np.exp(-sum(np.log1p(s * weight) for weight in weights))
    first, second = (float((s**power * transform).sum() * step) for power in (1, 2))
    return Moments(target * first, math.sqrt(2.0 * second / first**2 - 1.0))


# A height of many small miners takes d + E, E exponential of mean W (all start when the last block arrives), and has
# Poisson(d / W) rivals, so that the next block names an uncle with chance u = 1 - exp(-d / W), whatever E is. The rule
# is at equilibrium where 1 + u = E floor((d + E) / s) = n + exp(r / W) q / (1 - q), with n = floor(d / s), r = d - n s,
# q = exp(-s / W).
def byzantium_interval(delay: float, step: float = 9.0) -> float:
    """Mean interval under Ethereum's Byzantium rule when its uncles come from the delay itself.

    For many small miners on a clique. Left out are the rule's clamp at -99 and fluctuations of the order of its gain
    1/2048 (0.04%). A delay of 0 gives `theory.ethereum_interval`.

    Args: delay: d, seconds to everyone else, below 2 steps; step: s, seconds. Returns seconds, d + W. Source: ours from
    EIP-100.
    """
    from scipy import optimize

    step = arguments.scalar("step", step, above=0.0)
    delay = arguments.scalar("delay", delay, low=0.0)
    if delay >= 2.0 * step:
        raise ValueError(f"delay must be below 2 steps ({2 * step:g} s), got {delay:g}: the rule has no equilibrium")
    whole = math.floor(delay / step)
    rest = delay - whole * step

    def drift(work: float) -> float:
        return 1.0 - math.expm1(-delay / work) - whole - math.exp(rest / work) / math.expm1(step / work)

    return delay + float(optimize.brentq(drift, step / 500.0, step * 50.0, xtol=1e-12))
