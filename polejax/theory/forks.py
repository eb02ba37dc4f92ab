"""Closed forms of forks: near ties in Weibull races; stale blocks and lost shares of PoW on a clique.

Symbols of the clique laws: every block reaches every other node `d` seconds after it is found; `T` is the mean time
between blocks found, stale ones included (work / total power); `x = d / T`; `p` are power shares. Nodes with memoryless
work never pause, so blocks are found at exactly rate 1 / T. If the chain grows at rate g, there are exactly 1 / (g T)
blocks per height, and stale_per_block is exactly 1 - g T. There is no closed form of g, because the finder of a block
starts on the next height `d` before all other nodes. The formulas are exact for two nodes and for many small ones, and
approximate between.
"""

import math
from typing import Any

import numpy as np
from scipy import special

from polejax._core.types import Array
from polejax.theory import arguments
from polejax.theory.intervals import power_share


def _delay_ratio(delay: float, interval: float) -> float:
    return arguments.scalar("delay", delay, low=0.0) / arguments.scalar("interval", interval, above=0.0)


# Ours: the density of (second - first) at 0 is the integral of sum_{i != j} h_i h_j S = (1 - sum w^2) h^2 S,
# where w = `weibull_win_share`, h and S are of the minimum; h = k t^(k-1) makes that
# k G(2-1/k) (1 - sum w^2) / scale.
def near_tie_probability(delay: float, interval: float, shape: float, win_share: Any = None) -> float:
    """P(second finisher within `delay` of the first) for Weibull(k) works, to first order in delay.

    (d / mean) k G(2-1/k) G(1+1/k) (1 - sum w^2): the last factor is 1 - 1/N for N equal nodes, 1 for many
    small ones. It is also P(fork) on a clique of that delay to first order: head starts are of higher order.
    Least at k = 1 for a given mean and w: by Cauchy and Schwarz int h^2 S int S >= (int h S)^2 = 1, so for
    equal nodes of any law, memoryless work ties least. Times `weibull_interval_cv` and for many small nodes
    it is 0.81 to 1.29 d / mean for k >= 1, least near k = 1.7.

    Args: delay: seconds; interval: mean of the *minimum*, seconds; shape: k > 1/2 (below, ties are not linear
    in delay); win_share: w [N], sums to 1 (None: many small nodes). Returns a probability when small. Source:
    ours.
    """
    k = arguments.scalar("shape", shape, above=0.5)
    distinct = 1.0 if win_share is None else 1.0 - float((arguments.shares("win_share", win_share) ** 2).sum())
    chance = _delay_ratio(delay, interval) * k * math.gamma(2 - 1 / k) * math.gamma(1 + 1 / k) * distinct
    if chance > 1.0:
        raise ValueError(
            f"delay must be short against interval, got a first-order chance of {chance:g}: use tie_probability"
        )
    return chance


def tie_probability(delay: float, interval: float, shape: float, win_share: Any) -> float:
    """P(second finisher within `delay` of the first) for Weibull(k) works, at any delay, by quadrature.

    Args: as `near_tie_probability`, any shape > 0. Returns a probability. Source: ours;
    1 - sum_i w_i int exp(-w_i u - (1 - w_i) (u^(1/k) + d / scale)^k) du, u the minimum's cumulative hazard.
    """
    from scipy import integrate

    k, shares = arguments.scalar("shape", shape, low=0.1, high=1e3), arguments.shares("win_share", win_share)
    gap = _delay_ratio(delay, interval) * math.gamma(1 + 1 / k)

    def alone(u: float, w: float) -> float:
        try:
            others = (u ** (1 / k) + gap) ** k
        except OverflowError:  # then the others are sure to have finished
            return math.exp(-u) if w == 1 else 0.0
        return math.exp(-w * u - (1 - w) * others)

    alike = zip(*np.unique(shares, return_counts=True), strict=True)  # equal nodes need one integral
    lone = sum(n * w * integrate.quad(alone, 0, np.inf, args=(w,), limit=200)[0] for w, n in alike)
    return max(1.0 - float(lone), 0.0)


def propagation_fork_probability(uninformed: float, interval: float) -> float:
    """P(a block has a rival) from how blocks spread: 1 - (1 - 1/T)^(int 1 - f(t) dt), one trial every second.

    First order in u / T: miners are assumed to work at all times, even before they have heard of the block's parent.

    Args: uninformed: u = int 1 - f(t) dt, seconds, the mean time until a miner hears, f the share of the power that
    has heard t seconds after publishing; interval: T > 1, mean time between blocks, seconds. Returns a probability.
    Source: Decker and Wattenhofer 2013 (IEEE P2P), "Information propagation in the Bitcoin network", s. 4, who find
    1.78% from measured spreading where 1.69% of 10,000 blocks forked.
    """
    interval = arguments.scalar("interval", interval, above=1.0)
    return -math.expm1(arguments.scalar("uninformed", uninformed, low=0.0) * math.log1p(-1.0 / interval))


def many_small_stale_per_block(delay: float, interval: float) -> float:
    """Stale share of all PoW blocks on a clique of many small nodes: x / (1 + x), exact in that limit.

    All start together, so a height takes d + T, has Poisson(x) rivals of the first block,
    and forks with probability 1 - exp(-x).

    Args: delay: d, seconds; interval: T, seconds. Returns a fraction. Source: ours; growth 1/(T + d) is that
    of Pass, Seeman and Shelat 2017 (eprint 2016/454).
    """
    x = _delay_ratio(delay, interval)
    return x / (1.0 + x)


# Growth is q + p P(b's lead = 0) in b's shifted clock, where b's lead over a is a queue whose customers stay
# at most 2 d: the M/M/1 workload capped at 2 d, P(0) = (p - q) / (p - q exp(-2 x (p - q))). The rest of the
# blocks, p (1 - P(0)), are stale.
def two_node_stale_per_block(delay: float, interval: float, share: float) -> float:
    """Stale share of all PoW blocks of two nodes `delay` apart, exact at any delay.

    Args: delay: d, seconds; interval: T, seconds; share: power share of either. Returns a fraction. Source:
    Sompolinsky and Zohar 2015 (eprint 2013/881), the growth rate of two nodes; derivation ours.
    """
    x, share = _delay_ratio(delay, interval), arguments.scalar("share", share, low=0.0, high=1.0)
    p, q = max(share, 1 - share), min(share, 1 - share)
    congestion = 2 * x * q * float(special.exprel(-2 * x * (p - q)))
    return p * congestion / (1 + congestion)


def clique_stale_per_block(delay: float, interval: float, power: Any) -> float:
    """Stale share of all PoW blocks on a clique, approximately: (1 - sum p^2) x / (1 + x).

    Exact to second order in x for two nodes and at any x for one node, two equal ones and many small ones.
    Against simulated cliques of 2 to 9 nodes, none above 0.7: within 0.3% of the value up to x = 0.2, too
    high by up to 3% at x = 1; two nodes of 0.9 and 0.1: by 0.7% and 10%.

    Args: delay: d, seconds; interval: T, seconds; power: any unit [N]. Returns a fraction. Source: ours.
    """
    shares = power_share(power)
    return (1.0 - float((shares**2).sum())) * many_small_stale_per_block(delay, interval)


# Ours: say node i, taken with chance p_i, found the last height alone: it starts at 0 and the rest at d. Either
# i finds this height too at some t < d, when rivals have only t: unrivalled with p_i (1 - exp(-x)) in all; or
# everyone has started, with chance exp(-p_i x), and j is first and unrivalled with p_j exp(-(1 - p_j) x).
def clique_fork_probability(delay: float, interval: float, power: Any) -> float:
    """P(a height has rival blocks) for PoW on a clique, approximately: as if the height before had none.

    1 - (1 - exp(-x)) sum p^2 - sum p exp(-p x) sum p exp(-(1 - p) x): exact for one node and for many small
    ones (1 - exp(-x)), and to second order in x for two. Against simulated cliques of 2 to 9 nodes: within
    0.4% of the value up to x = 0.2 and 6% at x = 1. Two nodes exactly: s / (1 - s), s =
    `two_node_stale_per_block`.

    Args: delay: d, seconds; interval: T, seconds; power: any unit [N]. Returns a probability. Source: ours.
    """
    x, p = _delay_ratio(delay, interval), power_share(power)
    again = -math.expm1(-x) * (p**2).sum()
    together = (p * np.exp(-p * x)).sum() * (p * np.exp(-(1 - p) * x)).sum()
    return float(1.0 - again - together)


# Ours: to first order node i is first with p_i (1 + x (p_i - sum p^2)), and has j as a rival with p_j x, to
# whom it then loses with chance p_j (only j itself builds on j's later block).
def clique_win_share(delay: float, interval: float, power: Any) -> Array:
    """Shares of the main chain for PoW on a clique, to first order in x: large nodes gain.

    p_i (1 + 2 x (p_i - sum p^2)).
    Node i's stale share is exactly 1 - win_share_i (1 - stale_per_block) / p_i. The shares of two nodes of
    0.7 and 0.3 are off by 0.002 at x = 0.2; do not use it near x = 1.

    Args: delay: d, seconds; interval: T, seconds; power: any unit [N]. Returns fractions [N]. Source: ours.
    """
    x, shares = _delay_ratio(delay, interval), power_share(power)
    wins = shares * (1.0 + 2.0 * x * (shares - (shares**2).sum()))
    if (wins < 0.0).any():
        raise ValueError(
            f"delay must be short against interval, got a first-order share of {wins.min():g}: simulate it"
        )
    return wins
