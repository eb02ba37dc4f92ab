"""The winner's curse: what an election rule chooses, and what its winners are worth on samples that decided nothing."""

import numpy as np

from polejax._core import checks
from polejax._core.brief import sizes
from polejax._core.record import record, static
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import estimate_table
from polejax.analysis.seed_tally import check_history, check_settled
from polejax.consensus.history import History


@record
class WinnersCurse(Tabled):
    """What an election rule chose, over the settled blocks that carry a model which met the threshold.

    Attributes:
      claimed: `Estimate` [], fraction: mean validation accuracy, by which the winner decided to claim.
      score: `Estimate` [], fraction: mean verified test accuracy, by which it won.
      holdout: `Estimate` [], fraction: mean accuracy on samples that decided nothing.
      claimed_bias: `Estimate` [], fraction, claimed - holdout.
      score_bias: `Estimate` [], fraction, score - holdout: the winner's curse of the verifiers.
      claims_per_block: `Estimate` [], published claims per canonical block: what there was to choose from.
      stale_per_block: `Estimate` [], share, stale / all published blocks.
      num_seeds: seeds of the history.
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    claimed: Estimate[float]
    score: Estimate[float]
    holdout: Estimate[float]
    claimed_bias: Estimate[float]
    score_bias: Estimate[float]
    claims_per_block: Estimate[float]
    stale_per_block: Estimate[float]
    num_seeds: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """All numbers with their intervals."""
        rows = (
            ("validation accuracy, by which winners claim", "fraction", self.claimed),
            ("test accuracy, by which winners win", "fraction", self.score),
            ("accuracy on samples that decide nothing", "fraction", self.holdout),
            ("validation - holdout", "fraction", self.claimed_bias),
            ("test - holdout: the winner's curse", "fraction", self.score_bias),
            ("published claims per canonical block", "claims", self.claims_per_block),
            ("stale / published blocks", "share", self.stale_per_block),
        )
        notes = doubts.lines(self.replayed)
        return [estimate_table(rows, self.confidence, sizes((self.num_seeds,), "seeds"), notes)]


def winners_curse(history: History, confidence: float = 0.95) -> WinnersCurse:
    """Estimate what winners are worth, by the accuracy on held-out samples.

    Args:
      history: of S seeds, leaves [S, H, ...], or one chain, whose mechanism had a holdout: `PoLe(holdout=...)`, or
        `Replay` with a bank of such a one.
      confidence: of the intervals, in (0, 1).

    Returns:
      `WinnersCurse`; intervals resample whole seeds, as in `polejax.summarise`.

    Raises:
      ValueError: no accuracy on held-out samples on record, no settled claim, or a confidence out of range.
    """
    confidence = float(checks.real("confidence", confidence, above=0.0, below=1.0, ndim=0))
    check_history(history)
    if history.learning is None or history.learning.holdout is None:
        raise ValueError(
            "history must hold holdout accuracies, got none: give PoLe holdout=, see polejax.tasks.hold_out"
        )
    check_settled(history)
    settled = np.atleast_2d(history.settled)
    claims = settled & ~np.atleast_2d(history.fallback)
    if not claims.any():
        raise ValueError("history must hold settled claims, got none: simulate more blocks or lower the threshold")
    count = claims.sum(axis=1, dtype=np.float64)

    def total(values: Array) -> Array:
        return np.asarray(np.sum(np.atleast_2d(values), axis=1, where=claims, dtype=np.float64))

    claimed, score, holdout = map(total, (history.learning.claimed, history.score, history.learning.holdout))
    published = np.where(settled, history.published, 0).sum(axis=1, dtype=np.float64)
    blocks = settled.sum(axis=1, dtype=np.float64)

    def mean(sums: Array, low: float, high: float, counts: Array = count) -> Estimate:
        found = estimate.mean(sums, counts, confidence, low, high)
        assert found is not None
        return found

    return WinnersCurse(
        claimed=mean(claimed, 0.0, 1.0),
        score=mean(score, 0.0, 1.0),
        holdout=mean(holdout, 0.0, 1.0),
        claimed_bias=mean(claimed - holdout, -1.0, 1.0),
        score_bias=mean(score - holdout, -1.0, 1.0),
        claims_per_block=mean(published, 1.0, np.inf, blocks),
        stale_per_block=estimate.share(published - blocks, published, confidence),
        num_seeds=len(settled),
        confidence=confidence,
        replayed=doubts.replayed(history.curves, history.num_nodes),
    )
