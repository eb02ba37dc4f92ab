"""Closed forms: the laws that simulations must obey, for tests, figures and quick answers (NumPy float64).

Every argument is checked: ValueErrors name it, its value and its bounds.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from polejax._core import checks

Array = np.ndarray


def _scalar(name: str, value: Any, **bounds: Any) -> float:
    checks.real(name, value, ndim=0, **bounds)  # compares in float32; the law itself stays in float64
    return float(value)


def _vector(name: str, value: Any, **bounds: Any) -> Array:
    checks.real(name, value, ndim=1, **bounds)
    return np.asarray(value, dtype=np.float64)


def _times(name: str, value: Any) -> Array:
    values = np.asarray(value, dtype=np.float64)  # not `checks.real`: quadrature goes beyond float32
    if not (values >= 0.0).all():
        raise ValueError(f"{name} must be at least 0, got {values.min():g}: count it from the start")
    return values


def _shares(name: str, value: Any) -> Array:
    values = _vector(name, value, low=0.0)
    if not values.sum() > 0.0:
        raise ValueError(f"{name} must have a positive sum, got {values.sum():g}: give some node power")
    return values / values.sum()


def _geometric_sum(exponent: float, terms: int) -> float:
    """Sum of exp(-exponent * i) for i = 1 .. terms, without cancellation near exponent 0."""
    return math.exp(-exponent) * math.expm1(-terms * exponent) / math.expm1(-exponent)


# --- intervals under a difficulty rule ----------------------------------------------------------------------


def exponential_survival(interval: Any, mean: float) -> Array:
    """P(interval > t) for Proof of Work at fixed difficulty and no delay, whose CV is 1.

    Args: interval: seconds, any shape; mean: seconds. Returns probabilities. Source: Nakamoto 2008, s. 11.
    """
    return np.exp(-_times("interval", interval) / _scalar("mean", mean, above=0.0))


def power_share(power: Any) -> Array:
    """Each node's share of the power: its share of the blocks when work is exponential and delays are nil.

    Args: power: work units per second [N], not all zero. Returns fractions [N]. Source: ours; exponential
    hazards add.
    """
    return _shares("power", power)


def _retarget(window: int, target: float, measured: int | None, least: int) -> tuple[float, int]:
    window, target = checks.whole("window", window, low=2), _scalar("target", target, above=0.0)
    measured = window - 1 if measured is None else checks.whole("measured", measured, low=1, high=window)
    if measured < least:
        raise ValueError(f"measured must be at least {least}, got {measured}: it diverges, widen window")
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
    return (1.0 + _times("interval", interval) / scale) ** -measured


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

    Leaves out: the difficulty's own fluctuation (at u = 0 it takes off 0.75 times the rule's gain 1/2048,
    0.037%), the clamp at -99 (1e-28) and the rounding of timestamps to seconds.

    Args: step: seconds; uncle_share: fraction of parents with uncles, which Byzantium counts, taken as
    independent of the interval (0 for Homestead). Returns seconds. Source: ours from EIP-2 (Homestead) and
    EIP-100 (Byzantium).
    """
    step, uncles = _scalar("step", step, above=0.0), _scalar("uncle_share", uncle_share, low=0.0, high=1.0)
    return step / math.log((2.0 + uncles) / (1.0 + uncles))


def ethereum_interval_clamped(step: float = 10.0, uncle_share: float = 0.0, lowest: int = -99) -> float:
    """Mean interval of Ethereum's rule with its clamp: the root of E max(1 + u - floor(X/s), lowest) = 0.

    Args: as `ethereum_interval`; lowest: the clamp, at most -1. Returns seconds. Source: ours from EIP-2,
    EIP-100.
    """
    from scipy import optimize

    step, uncles = _scalar("step", step, above=0.0), _scalar("uncle_share", uncle_share, low=0.0, high=1.0)
    terms = 1 - checks.whole("lowest", lowest, low=-(10**6), high=-1)

    # E min(floor, terms) is the sum of P(floor >= i) for i = 1 .. terms.
    def drift(t: float) -> float:
        return 1 + uncles - (1 - uncles) * _geometric_sum(t, terms) - uncles * _geometric_sum(t, terms + 1)

    return step / optimize.brentq(drift, 1e-9, 1.0, xtol=1e-15)


# --- attacks ------------------------------------------------------------------------------------------------


def selfish_revenue(alpha: float, gamma: float) -> float:
    """A selfish pool's share of the main chain.

    Args: alpha: the pool's power share, below 1/2; gamma: the share of honest power that mines on the pool's
    block in a tie. Returns a fraction. Source: Eyal and Sirer 2014 (arXiv 1311.0243), eq. 8.
    """
    a, g = _scalar("alpha", alpha, low=0.0, below=0.5), _scalar("gamma", gamma, low=0.0, high=1.0)
    return (a * (1 - a) ** 2 * (4 * a + g * (1 - 2 * a)) - a**3) / (1 - a * (1 + (2 - a) * a))


def selfish_threshold(gamma: float) -> float:
    """The power share above which selfish mining earns more than its share, (1 - gamma) / (3 - 2 gamma).

    Args: gamma: as in `selfish_revenue`. Returns a fraction. Source: Eyal and Sirer 2014 (arXiv 1311.0243),
    eq. 9.
    """
    gamma = _scalar("gamma", gamma, low=0.0, high=1.0)
    return (1 - gamma) / (3 - 2 * gamma)


# Rosenfeld's sum, 1 - sum_{m<=z} C(m+z-1, m) (p^z q^m - p^m q^z), is two negative-binomial tails; as
# incomplete beta functions they add without cancellation.
def double_spend(share: float, confirmations: int) -> float:
    """Exact chance of a double spend after z confirmations, by an attacker who has premined one block.

    Args: share: the attacker's power share q (from 1/2 on the answer is 1); confirmations: blocks z >= 0.
    Returns a probability. Source: Rosenfeld 2014 (arXiv 1402.2009).
    """
    q, z = _scalar("share", share, low=0.0, high=1.0), checks.whole("confirmations", confirmations)
    if z == 0 or q >= 0.5:
        return 1.0
    return float(special.betainc(z + 1, z, q) + special.betainc(z, z + 1, q))


# Nakamoto's sum is P(Poisson(zq/p) > z) + sum_{k<=z} Poisson(k; zq/p) (q/p)^(z-k), whose second part is
# (q/p)^z exp(z - zq/p) P(Poisson(z) <= z).
def double_spend_nakamoto(share: float, confirmations: int) -> float:
    """Nakamoto's Poisson approximation of `double_spend`: 0.00024 rather than 0.00059 at q = 0.1, z = 6.

    Args and result: as `double_spend`. Source: Nakamoto 2008, s. 11.
    """
    q, z = _scalar("share", share, low=0.0, high=1.0), checks.whole("confirmations", confirmations)
    if z == 0 or q >= 0.5:
        return 1.0
    odds = q / (1 - q)
    behind = (odds * math.exp(1 - odds)) ** z * special.gammaincc(z + 1, z)
    return float(behind + special.gammainc(z + 1, z * odds))


# --- transactions -------------------------------------------------------------------------------------------


def first_confirmation_wait(mean: float, cv: float) -> float:
    """Mean wait E[S](1 + CV^2) / 2 from a transaction's arrival to the next block, when blocks have no limit.

    Args: mean: of the interval S, seconds; cv: of S. Intervals need only be stationary. Returns seconds.
    Source: the inspection paradox, Kleinrock 1975 (Queueing Systems I), s. 5.2.
    """
    return _scalar("mean", mean, above=0.0) * (1.0 + _scalar("cv", cv, low=0.0) ** 2) / 2.0


class BulkQueue(NamedTuple):
    """A stationary bulk-service queue: P(n waiting) = (1 - root) root^n, `length` E[n], `wait` seconds."""

    root: float
    length: float
    wait: float


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

    arrivals = _scalar("arrival_rate", arrival_rate, above=0.0)
    blocks = _scalar("block_rate", block_rate, above=0.0)
    capacity = checks.whole("capacity", capacity, low=1)
    load = arrivals / (blocks * capacity)
    if load >= 1.0:
        raise ValueError(f"arrival_rate must be below block_rate * capacity, got load {load:g}: lower it")
    low, high = -2.0 * math.log(load) / (capacity + 1) * (1 - 1e-6), -math.log(load) * (1 + 1e-6)

    def excess(t: float) -> float:
        return _geometric_sum(t, capacity) * blocks / arrivals - 1.0

    t = optimize.brentq(excess, low, high, xtol=1e-300, rtol=1e-14)
    length = 1.0 / math.expm1(t)
    return BulkQueue(math.exp(-t), length, length / arrivals)


# --- races: the first of N independent works ----------------------------------------------------------------


def weibull_interval_mean(power: Any, shape: float, work: float) -> float:
    """Mean time to the first of N Weibull works, all started together: `work` over the k-norm of the powers.

    Args: power: work units per second [N]; shape: k (1: exponential); work: mean of one node's work, work
    units. Returns seconds. Source: ours; hazards k t^(k-1) (v_i / scale)^k add, so the minimum is Weibull(k)
    again.
    """
    power, k = _vector("power", power, above=0.0), _scalar("shape", shape, above=0.0)
    largest = power.max()  # taken out, so that no v^k overflows
    return float(_scalar("work", work, above=0.0) / (largest * ((power / largest) ** k).sum() ** (1.0 / k)))


def weibull_interval_cv(shape: float) -> float:
    """CV of the first of N Weibull(k) works, whatever N and the powers: sqrt(G(1+2/k)/G(1+1/k)^2 - 1).

    Args: shape: k. Returns a ratio: 1 at k = 1, about 1.2825 / k for large k. Source: moments of a Weibull.
    """
    k = _scalar("shape", shape, above=0.0)
    return math.sqrt(math.expm1(math.lgamma(1 + 2 / k) - 2 * math.lgamma(1 + 1 / k)))


def weibull_win_share(power: Any, shape: float) -> Array:
    """Chance of each node to be the first of N Weibull(k) works started together, v^k / sum v^k.

    Args: power: v, work units per second [N]; shape: k. Returns fractions [N]. Source: proportional hazards.
    """
    power, k = _vector("power", power, above=0.0), _scalar("shape", shape, above=0.0)
    return power_share((power / power.max()) ** k)


def gamma_survival(work: Any, shape: float, mean: float = 1.0) -> Array:
    """P(work > x) of gamma work.

    Args: work: x, any shape; shape: k, the CV is 1/sqrt(k); mean: in the unit of work. Returns probabilities.
    """
    shape = _scalar("shape", shape, above=0.0)
    return special.gammaincc(shape, _times("work", work) * shape / _scalar("mean", mean, above=0.0))


def lognormal_survival(work: Any, sigma: float, mean: float = 1.0) -> Array:
    """P(work > x) of log-normal work.

    Args: work: x, any shape; sigma: SD of ln work; mean: of work, in its unit. Returns probabilities.
    """
    sigma, location = _scalar("sigma", sigma, above=0.0), math.log(_scalar("mean", mean, above=0.0))
    with np.errstate(divide="ignore"):  # ln 0 = -inf is right here
        return special.ndtr((location - sigma**2 / 2 - np.log(_times("work", work))) / sigma)


class Moments(NamedTuple):
    """Mean (seconds) and coefficient of variation of an interval."""

    mean: float
    cv: float


def race_moments(survival: Callable[[Array], Array], power: Any) -> Moments:
    """Mean and CV of the first of N independent works of any law, started together, by quadrature.

    Args: survival: P(work > x) of one node, vectorised; power: work units per second [N]. CVs below 0.005 are
    beyond the grid; time grows with the distinct powers. Raises ValueError when the second moment diverges.
    Source: E[X^j] = j int t^(j-1) S(t) dt.
    """
    from scipy import optimize

    speeds, counts = np.unique(_vector("power", power, above=0.0), return_counts=True)

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
        raise ValueError(f"survival must fall faster than 1/x^2, got {alive[-1]:g} far out: cut its tail")
    return Moments(mean * math.exp(median), math.sqrt(square / mean**2 - 1.0))


def task_spread_cv(cv: float, task_cv: float) -> float:
    """CV of intervals when each block's task scales them at random: sqrt((1+c^2)(1+CV_task^2) - 1).

    Args: cv: c, of the interval on one task; task_cv: of the tasks' mean intervals, independent of it.
    Returns a ratio. Source: ours; E[(AX)^2] = E[A^2] E[X^2] for independent factors.
    """
    cv, task_cv = _scalar("cv", cv, low=0.0), _scalar("task_cv", task_cv, low=0.0)
    return math.sqrt((1 + cv**2) * (1 + task_cv**2) - 1)


def dkw_half_width(samples: int, confidence: float = 0.95) -> float:
    """Half width of a confidence band around an empirical distribution: sqrt(ln(2 / (1 - c)) / (2 n)).

    Args: samples: n, independent; confidence: c, in [0, 1). Returns a probability. Source: Massart 1990 (the
    Dvoretzky-Kiefer-Wolfowitz inequality with its best constant).
    """
    confidence = _scalar("confidence", confidence, low=0.0, below=1.0)
    return math.sqrt(math.log(2.0 / (1.0 - confidence)) / (2.0 * checks.whole("samples", samples, low=1)))
