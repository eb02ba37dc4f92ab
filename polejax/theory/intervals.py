"""Block intervals: laws of one node's work, of the first of many nodes to finish, and confidence bands."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from polejax._core import checks
from polejax._core.brief import brief
from polejax._core.types import Array
from polejax.theory import arguments


def exponential_survival(interval: Any, mean: float) -> Array:
    """P(interval > t) for Proof of Work at fixed difficulty and no delay, whose CV is 1.

    Args: interval: seconds, any shape; mean: seconds. Returns probabilities. Source: Nakamoto 2008, s. 11.
    """
    return np.exp(-arguments.times("interval", interval) / arguments.scalar("mean", mean, above=0.0))


def power_share(power: Any) -> Array:
    """Each node's share of the power, which is its share of the blocks if work is exponential and delays are 0.

    Args: power: work units per second [N], not all zero. Returns fractions [N]. Source: ours; exponential
    hazards add.
    """
    return arguments.shares("power", power)


def gamma_survival(work: Any, shape: float, mean: float = 1.0) -> Array:
    """P(work > x) of gamma work.

    Args: work: x, any shape; shape: k, the CV is 1/sqrt(k); mean: in the unit of work. Returns probabilities.
    """
    shape = arguments.scalar("shape", shape, above=0.0)
    return special.gammaincc(shape, arguments.times("work", work) * shape / arguments.scalar("mean", mean, above=0.0))


def lognormal_survival(work: Any, sigma: float, mean: float = 1.0) -> Array:
    """P(work > x) of log-normal work.

    Args: work: x, any shape; sigma: SD of ln work; mean: of work, in its unit. Returns probabilities.
    """
    sigma, location = arguments.scalar("sigma", sigma, above=0.0), math.log(arguments.scalar("mean", mean, above=0.0))
    with np.errstate(divide="ignore"):  # ln 0 = -inf is right here
        return special.ndtr((location - sigma**2 / 2 - np.log(arguments.times("work", work))) / sigma)


def weibull_interval_mean(power: Any, shape: float, work: float) -> float:
    """Mean time to the first of N Weibull works, all started together: `work` over the k-norm of the powers.

    Args: power: work units per second [N]; shape: k (1: exponential); work: mean of one node's work, work
    units. Returns seconds. Source: ours; hazards k t^(k-1) (v_i / scale)^k add, so the minimum is Weibull(k)
    again.
    """
    power, k = arguments.vector("power", power, above=0.0), arguments.scalar("shape", shape, low=0.01)
    largest = power.max()  # factored out, so that no v^k overflows
    return float(arguments.scalar("work", work, above=0.0) / (largest * ((power / largest) ** k).sum() ** (1.0 / k)))


def weibull_interval_cv(shape: float) -> float:
    """CV of the first of N Weibull(k) works, whatever N and the powers: sqrt(G(1+2/k)/G(1+1/k)^2 - 1).

    Args: shape: k. Returns a ratio: 1 at k = 1, about 1.2825 / k for large k. Source: moments of a Weibull.
    """
    k = arguments.scalar("shape", shape, low=0.01)
    return math.sqrt(math.expm1(math.lgamma(1 + 2 / k) - 2 * math.lgamma(1 + 1 / k)))


def weibull_win_share(power: Any, shape: float) -> Array:
    """Chance of each node to be the first of N Weibull(k) works started together, v^k / sum v^k.

    Args: power: v, work units per second [N]; shape: k. Returns fractions [N]. Source: proportional hazards.
    """
    power, k = arguments.vector("power", power, above=0.0), arguments.scalar("shape", shape, low=0.01)
    return power_share((power / power.max()) ** k)


class Moments(NamedTuple):
    """Moments of an interval.

    Attributes:
      mean: seconds.
      cv: coefficient of variation, a ratio.
    """

    mean: float
    cv: float

    def __repr__(self) -> str:
        return brief(self)


def _check_survival(survival: Callable[[Array], Array]) -> None:
    """Raise a ValueError unless a function gives as many probabilities as it is given works."""
    checks.function("survival", survival)
    alive = checks.real("survival(work)", survival(np.array([1.0, 2.0])), low=0.0, high=1.0, ndim=1)
    if alive.shape != (2,):
        raise ValueError(f"survival must give one probability for each work, got {alive.shape} for 2: vectorise it")


def race_moments(survival: Callable[[Array], Array], power: Any) -> Moments:
    """Mean and CV of the first of N independent works of any law, started together, by quadrature.

    Args: survival: P(work > x) of one node, vectorised; power: work units per second [N]. CVs below 0.005 are
    beyond the grid; time grows with the distinct powers. Raises ValueError when the second moment diverges.
    Source: E[X^j] = j int t^(j-1) S(t) dt.
    """
    from scipy import optimize

    _check_survival(survival)
    speeds, counts = np.unique(arguments.vector("power", power, above=0.0), return_counts=True)

    def first(log_time: Array) -> Array:
        time = np.exp(log_time)
        alive = np.ones_like(time)
        with np.errstate(over="ignore"):  # far out, x^k may overflow on its way to S = 0
            for speed, count in zip(speeds, counts, strict=True):
                alive = alive * survival(time * speed) ** int(count)
        return alive

    median = optimize.brentq(lambda y: float(first(np.asarray(y))) - 0.5, -300.0, 300.0)
    log_time, step = np.linspace(-35.0, 65.0, 1 << 17, retstep=True)  # relative to the median
    time, alive = np.exp(log_time), first(log_time + median)
    mean, square = float((time * alive).sum() * step), float(2 * (time**2 * alive).sum() * step)
    if not time[-1] ** 2 * alive[-1] <= 1e-9 * square:
        raise ValueError(f"survival must fall faster than 1/x^2, got {alive[-1]:g} in the far tail: truncate it")
    return Moments(mean * math.exp(median), math.sqrt(square / mean**2 - 1.0))


def task_spread_cv(cv: float, task_cv: float) -> float:
    """CV of intervals when each block's task scales them at random: sqrt((1+c^2)(1+CV_task^2) - 1).

    Args: cv: c, of the interval on one task; task_cv: of the tasks' mean intervals, independent of it.
    Returns a ratio. Source: ours; E[(AX)^2] = E[A^2] E[X^2] for independent factors.
    """
    cv, task_cv = arguments.scalar("cv", cv, low=0.0), arguments.scalar("task_cv", task_cv, low=0.0)
    return math.sqrt((1 + cv**2) * (1 + task_cv**2) - 1)


def dkw_half_width(samples: int, confidence: float = 0.95) -> float:
    """Half width of a confidence band around an empirical distribution: sqrt(ln(2 / (1 - c)) / (2 n)).

    Args: samples: n, independent; confidence: c, in [0, 1). Returns a probability. Source: Massart 1990 (the
    Dvoretzky-Kiefer-Wolfowitz inequality with its best constant).
    """
    confidence = arguments.scalar("confidence", confidence, low=0.0, below=1.0)
    return math.sqrt(math.log(2.0 / (1.0 - confidence)) / (2.0 * checks.whole("samples", samples, low=1)))
