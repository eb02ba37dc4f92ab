"""The fairness exponent: how much more than its power a faster node wins, as one number."""

import numpy as np

from polejax._core import checks
from polejax._core.sweep import single
from polejax._core.types import Array
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.power import power_share
from polejax.analysis.producers import settled_wins
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled

MOST = 64.0  # of the exponent's size: from there on the fastest nodes win everything, as far as any chain can tell


@single("nodes")
def fairness_exponent(history: History, nodes: Nodes | Scheduled, confidence: float = 0.95) -> Estimate:
    """The exponent k of wins that are proportional to power^k: the slope of log win share against log power share.

    1 is fair; above 1 fast nodes win more than their share. The fit is by maximum likelihood, so that nodes without a
    win count too. It is exact for Weibull work of shape k; of other laws it is the k that comes closest. At most 64 in
    size, which means that only the fastest, or the slowest, won.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      nodes: N nodes, the history's, not all of one power.
      confidence: of the interval, in (0, 1).

    Returns:
      `Estimate` [], ratio; resampling whole seeds.

    Raises:
      ValueError: no settled height, nodes that are not the history's or all of one power, a confidence out of range.

    Source: ours; Weibull races: `theory.weibull_win_share`.
    """
    confidence = checks.confidence(confidence)
    won, _ = settled_wins(history)
    if not isinstance(nodes, Nodes | Scheduled):
        raise ValueError(f"nodes must be made by polejax.nodes, got {checks.shown(nodes)}: pass those simulated")
    if nodes.count != history.num_nodes:
        raise ValueError(f"nodes must be the history's {history.num_nodes}, got {nodes.count}: pass those simulated")
    power = power_share(nodes, np.atleast_2d(history.settled).sum(axis=0))
    if not (power > 0).all() or power.max() < 1.001 * power.min():
        raise ValueError("nodes must have unequal, positive power, got none that differ: make some faster than others")
    value = _fit(won.sum(axis=0)[None], power)[0]
    if len(won) < 2:
        return estimate.unknown(value)
    return estimate.real(value, _fit(estimate.left_out(won), power), confidence)


def _fit(won: Array, power: Array) -> Array:
    """Exponents f64[R] of wins [R, N], by halving: the fitted mean log power of winners rises with the exponent."""
    speed = np.log(power / power.max())
    wanted = (won @ speed) / won.sum(axis=1)
    low, high = np.full(len(won), -MOST), np.full(len(won), MOST)
    for _ in range(64):
        middle = (low + high) / 2
        weight = np.exp(middle[:, None] * speed - (middle[:, None] * speed).max(axis=1, keepdims=True))
        below = (weight @ speed) / weight.sum(axis=1) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
