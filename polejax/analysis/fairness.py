"""Fairness: who wins blocks, against who has the power, and how few hold the majority."""

import numpy as np
import numpy.typing as npt

from polejax._core import checks
from polejax._core.brief import sizes
from polejax._core.record import record, static
from polejax._core.sweep import single
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import entries_table, estimate_table
from polejax.analysis.power import power_share
from polejax.analysis.producers import settled_wins
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled


@record
class Fairness(Tabled):
    """Shares of the canonical blocks against shares of the power, and how concentrated each is; float64.

    Attributes:
      win_share: `Estimate` [N], share of the canonical blocks.
      power_share: f64[N]; of power that changes along the chain: its mean over settled heights.
      advantage: `Estimate` [N], win share / power share: 1 is fair; 0 of a node without power.
      gini: `Estimate` [], Gini coefficient of wins: 0 all equal, (N - 1) / N one takes all.
      gini_power: the same of power.
      hhi: `Estimate` [], Herfindahl-Hirschman index of wins: 1 / N all equal, 1 one takes all.
      hhi_power: the same of power.
      nakamoto: `Estimate` [], nodes: the fewest that win most blocks.
      nakamoto_power: nodes: the fewest that hold most of the power.
      num_seeds: seeds that hold a settled height.
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    win_share: Estimate
    power_share: Array
    advantage: Estimate
    gini: Estimate[float]
    gini_power: float
    hhi: Estimate[float]
    hhi_power: float
    nakamoto: Estimate[float]
    nakamoto_power: int
    num_seeds: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """How concentrated wins and power are, and the shares of the first nodes."""
        rows = (
            ("Gini coefficient of wins", "0 to 1", self.gini),
            ("Gini coefficient of power", "0 to 1", self.gini_power),
            ("Herfindahl-Hirschman index of wins", "0 to 1", self.hhi),
            ("Herfindahl-Hirschman index of power", "0 to 1", self.hhi_power),
            ("fewest that win most blocks", "nodes", self.nakamoto),
            ("fewest that hold most of the power", "nodes", self.nakamoto_power),
        )
        shares = {"power share": self.power_share, "win share": self.win_share, "win / power share": self.advantage}
        sample = sizes((self.num_seeds,), "seeds")
        notes = doubts.lines(self.replayed)
        return [estimate_table(rows, self.confidence, sample, notes), entries_table(shares, self.confidence)]


def gini(shares: npt.ArrayLike) -> Array:
    """Gini coefficient of shares [..., N], not negative: half their mean absolute difference over their mean, [...].

    Source: Gini 1912; of mining by Srinivasan and Lee 2017, "Quantifying decentralization".
    """
    ordered = np.sort(_shares(shares), axis=-1)
    count = ordered.shape[-1]
    return np.asarray((ordered * (2 * np.arange(1, count + 1) - count - 1)).sum(axis=-1) / count)


def hhi(shares: npt.ArrayLike) -> Array:
    """Herfindahl-Hirschman index of shares [..., N]: the sum of their squares, [...] in [1/N, 1].

    Source: Herfindahl 1950; Hirschman 1964, American Economic Review 54. Antitrust offices multiply it by 10,000.
    """
    return np.asarray((_shares(shares) ** 2).sum(axis=-1))


def nakamoto(shares: npt.ArrayLike, majority: float = 0.5) -> Array:
    """Nakamoto coefficient of shares [..., N]: the fewest nodes that together hold more than `majority`, [...].

    Source: Srinivasan and Lee 2017, "Quantifying decentralization".
    """
    majority = float(checks.real("majority", majority, low=0.0, below=1.0, ndim=0))
    largest = -np.sort(-_shares(shares), axis=-1)
    return np.asarray(_first_above(np.cumsum(largest, axis=-1), majority))


@single("nodes")
def fairness(history: History, nodes: Nodes | Scheduled, majority: float = 0.5, confidence: float = 0.95) -> Fairness:
    """Estimate on the host, in float64, how wins follow power.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      nodes: N nodes, the history's.
      majority: what the Nakamoto coefficient counts up to, in [0, 1).
      confidence: of the intervals, in (0, 1).

    Returns:
      `Fairness`. Chance alone concentrates wins: the HHI is corrected for that (the jackknife's correction, exact for
      a quadratic form of seeds of equal length), the Gini coefficient is not, but its interval's lower end allows for
      all it can be, sqrt(2/pi) times the sum of the shares' standard errors. The Nakamoto coefficient's interval holds
      every number m for which the share of the m nodes with most wins may be the first above the majority, by that
      share's interval and an allowance for their luck, the sum of the standard errors over sqrt(2 pi).

    Raises:
      ValueError: no settled height, nodes that are not the history's, or a number out of range.

    Source: Miller 1974 (Biometrika 61) for the jackknife; the intervals of Gini and Nakamoto coefficients are ours.
    """
    confidence = checks.confidence(confidence)
    won, blocks = settled_wins(history)
    if not isinstance(nodes, Nodes | Scheduled):
        raise ValueError(f"nodes must be made by polejax.nodes, got {checks.shown(nodes)}: pass those simulated")
    if nodes.count != history.num_nodes:
        raise ValueError(f"nodes must be the history's {history.num_nodes}, got {nodes.count}")
    power = power_share(nodes, np.atleast_2d(history.settled).sum(axis=0))
    share = estimate.share(won, blocks[:, None], confidence)
    value = won.sum(axis=0) / blocks.sum()
    seeds = len(blocks)
    others = estimate.left_out(won) / estimate.left_out(blocks)[:, None] if seeds > 1 else value[None]
    index, indices = hhi(value), hhi(others)
    if seeds > 1:
        index = seeds * index - (seeds - 1) * indices.mean()
    unequal, fewest = concentration(value, others, majority, confidence)
    return Fairness(
        win_share=share,
        power_share=power,
        advantage=Estimate(*(end / np.where(power > 0, power, np.inf) for end in (share.value, share.low, share.high))),
        gini=unequal,
        gini_power=float(gini(power)),
        hhi=estimate.within(estimate.real(index, indices, confidence), 0.0, 1.0),
        hhi_power=float(hhi(power)),
        nakamoto=fewest,
        nakamoto_power=int(nakamoto(power, majority)),
        num_seeds=seeds,
        confidence=confidence,
        replayed=doubts.replayed(history.curves, history.num_nodes),
    )


def concentration(value: Array, others: Array, majority: float, confidence: float) -> tuple[Estimate, Estimate]:
    """Gini and Nakamoto coefficients of wins, with the intervals that `fairness` describes.

    Args:
      value: f64[N], each node's share of the canonical blocks.
      others: f64[S, N], the same from all but one of S seeds, or of S parts of whatever the wins are drawn from.
      majority: what the Nakamoto coefficient counts up to, in [0, 1).
      confidence: of the intervals, in (0, 1).
    """
    unequal = estimate.real(gini(value), gini(others), confidence)
    if len(others) > 1:
        bias = np.sqrt(2 / np.pi) * estimate.jackknife_error(others).sum()
        most = (len(value) - 1) / len(value)
        unequal = Estimate(unequal.value, np.maximum(unequal.low - bias, 0.0), np.minimum(unequal.high, most))
    return unequal, _nakamoto_estimate(value, others, majority, confidence)


def _nakamoto_estimate(value: Array, others: Array, majority: float, confidence: float) -> Estimate:
    order = np.argsort(-value, kind="stable")
    held = estimate.real(np.cumsum(value[order]), np.cumsum(others[:, order], axis=1), confidence)
    count = nakamoto(value, majority).astype(np.float64)[()]
    if len(others) < 2:
        return estimate.unknown(count)
    luck = estimate.jackknife_error(others).sum() / np.sqrt(2 * np.pi)  # those with most wins were lucky: at most this
    fewest, most = (_first_above(end, majority).astype(np.float64) for end in (held.high, held.low - luck))
    return Estimate(count, fewest, most)


def _first_above(held: Array, majority: float) -> Array:
    """How many must join before they hold more than the majority; of [..., N] running sums."""
    above = held > majority
    return np.where(above.any(axis=-1), above.argmax(axis=-1) + 1, held.shape[-1])


def _shares(shares: npt.ArrayLike) -> Array:
    checks.real("shares", shares, low=0.0)
    values = np.asarray(shares, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] == 0 or not (values.sum(axis=-1) > 0).all():
        raise ValueError(f"shares must have a positive sum, got {values.tolist()}: give some node a share")
    return values / values.sum(axis=-1, keepdims=True)
