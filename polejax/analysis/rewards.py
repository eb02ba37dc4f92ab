"""Rewards: what each node earns by canonical blocks and their fees."""

import numpy as np

from polejax._core import checks
from polejax._core.brief import sizes
from polejax._core.record import record, static
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import entries_table, estimate_table
from polejax.analysis.producers import by_producer
from polejax.analysis.seed_tally import check_history, check_settled
from polejax.consensus.history import History


@record
class Rewards(Tabled):
    """What nodes earn by canonical blocks, block rewards and fees together; stale blocks earn nothing (no uncles).

    Attributes:
      share: `Estimate` [N], of all coins.
      coins_per_second: `Estimate` [N], coins/s.
      fee_share: `Estimate` [], share of all coins that are fees; None: there are no fees.
      num_seeds: seeds that hold a settled height.
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    share: Estimate
    coins_per_second: Estimate
    fee_share: Estimate[float] | None
    num_seeds: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """What the first nodes earn, and how much of it all is fees."""
        by_node = {"share of all coins": self.share, "coins / s": self.coins_per_second}
        fees = [("coins that are fees", "share", self.fee_share)]
        title = f"{sizes((self.num_seeds,), 'seeds')}, by node"
        told = [entries_table(by_node, self.confidence, title=title, notes=doubts.lines(self.replayed))]
        return told if self.fee_share is None else [estimate_table(fees, self.confidence), *told]


def rewards(history: History, block_reward: float, fees: Array | None = None, confidence: float = 0.95) -> Rewards:
    """Estimate on the host, in float64, what each node earns.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      block_reward: coins a canonical block pays its producer, not negative.
      fees: float64, shaped as the history's intervals: coins of fees in each block (`polejax.analysis.block_fees`).
      confidence: of the intervals, in (0, 1).

    Returns:
      `Rewards`.

    Raises:
      ValueError: no settled height, coins that are negative or add up to none, fees of another shape.
    """
    confidence = checks.confidence(confidence)
    reward = float(checks.real("block_reward", block_reward, low=0.0, ndim=0))
    check_history(history)
    shape = np.shape(history.settled)
    paid = np.zeros(shape) if fees is None else np.asarray(checks.real("fees", fees, low=0.0), dtype=np.float64)
    if paid.shape != shape:
        raise ValueError(f"fees must have the history's shape {shape}, got {paid.shape}: one number per block")
    settled = np.atleast_2d(history.settled)
    check_settled(history)
    some = settled.any(axis=1)
    coins, blocks = by_producer(history, reward + paid)[some], settled.sum(axis=1)[some]
    total = coins.sum(axis=1)
    if not total.sum() > 0:
        raise ValueError(f"block_reward and fees must pay some coins, got {reward:g}: raise one")
    seconds = np.where(settled, np.atleast_2d(history.interval), 0.0)[some].sum(axis=1, dtype=np.float64)
    share = _ratios(coins, total, confidence)
    return Rewards(
        share=estimate.within(share, 0.0, 1.0),
        coins_per_second=estimate.within(_ratios(coins, seconds, confidence), low=0.0),
        fee_share=None if fees is None else estimate.mean(total - reward * blocks, total, confidence, 0.0, 1.0),
        num_seeds=len(blocks),
        confidence=confidence,
        replayed=doubts.replayed(history.curves, history.num_nodes),
    )


def _ratios(parts: Array, wholes: Array, confidence: float) -> Estimate:
    """Estimate of parts [S, N] over wholes [S]."""
    value = parts.sum(axis=0) / wholes.sum()
    if len(wholes) < 2:
        return estimate.unknown(value)
    return estimate.real(value, estimate.left_out(parts) / estimate.left_out(wholes)[:, None], confidence)
