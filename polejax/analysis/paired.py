"""Paired comparison: two mechanisms on the same seeds, so that the chance that they share cancels."""

from collections.abc import Callable

import numpy as np

from polejax._core import checks
from polejax._core.brief import sizes
from polejax._core.record import record, static
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import estimate_table
from polejax.analysis.seed_tally import Tally, as_tally
from polejax.analysis.spread import odds, spread_of, summed
from polejax.consensus.history import History


@record
class Comparison(Tabled):
    """One mechanism against another on the same seeds: ratios and differences, resampling pairs of seeds.

    Attributes:
      interval_mean_ratio: `Estimate` [], ratio of the mean intervals, first / second.
      interval_sd_ratio: `Estimate` [], ratio of the intervals' standard deviations.
      interval_cv_ratio: `Estimate` [], ratio of the intervals' coefficients of variation.
      stale_per_block_difference: `Estimate` [], difference of the shares stale / published, first - second.
      stale_per_main_difference: `Estimate` [], difference of the ratios stale / canonical.
      num_seeds: pairs of seeds that settled in both.
      num_censored: settled heights of both at which a recorded learning curve ended too early (`History.censored`).
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    interval_mean_ratio: Estimate[float]
    interval_sd_ratio: Estimate[float]
    interval_cv_ratio: Estimate[float]
    stale_per_block_difference: Estimate[float]
    stale_per_main_difference: Estimate[float]
    num_seeds: int = static()
    num_censored: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """All ratios and differences with their intervals."""
        rows = (
            ("interval, mean: first / second", "ratio", self.interval_mean_ratio),
            ("interval, standard deviation: first / second", "ratio", self.interval_sd_ratio),
            ("interval, coefficient of variation: first / second", "ratio", self.interval_cv_ratio),
            ("stale / published blocks: first - second", "share", self.stale_per_block_difference),
            ("stale / canonical blocks: first - second", "ratio", self.stale_per_main_difference),
        )
        doubt = f"censored: at {self.num_censored:,} of the heights a recorded curve ended before training does"
        sample = f"{sizes((self.num_seeds,), 'pairs of seeds')}"
        notes = doubts.lines(self.replayed, doubt if self.num_censored else None)
        return [estimate_table(rows, self.confidence, sample, notes)]


def paired(first: History | Tally, second: History | Tally, confidence: float = 0.95) -> Comparison:
    """Compare two mechanisms that ran on the same seeds: ratios first / second, differences first - second.

    Args:
      first: history of S seeds, leaves [S, H, ...].
      second: of the same seeds in the same order; heights may differ.
      confidence: of the intervals, in (0, 1).

    Returns:
      `Comparison`; pairs of seeds are left out together, so that what they share cancels. Where no pair's stale blocks
      differ from another's, the difference has Newcombe's interval from two Clopper-Pearson ones, without pairing.

    Raises:
      ValueError: different numbers of seeds, no seed that settled in both, or a confidence out of range.

    Source: Miller 1974 (Biometrika 61); Newcombe 1998 (Statistics in Medicine 17, method 10).
    """
    confidence = checks.confidence(confidence)
    one, two = as_tally(first, "first"), as_tally(second, "second")
    if one.settled.size != two.settled.size:
        raise ValueError(f"second must have the {one.settled.size} seeds of first, got {two.settled.size}: pair them")
    both = (one.settled > 0) & (two.settled > 0)
    if not both.any():
        raise ValueError("second must have settled heights in a seed of first's, got none: simulate more blocks")
    one, two = one.only(both), two.only(both)
    a, b = spread_of(one, summed), spread_of(two, summed)
    others_a, others_b = spread_of(one, estimate.left_out), spread_of(two, estimate.left_out)
    return Comparison(
        interval_mean_ratio=_ratio(a.mean, others_a.mean, b.mean, others_b.mean, confidence),
        interval_sd_ratio=_ratio(a.sd, others_a.sd, b.sd, others_b.sd, confidence),
        interval_cv_ratio=_ratio(a.cv, others_a.cv, b.cv, others_b.cv, confidence),
        stale_per_block_difference=estimate.within(_difference(one, two, lambda share: share, confidence), -1.0, 1.0),
        stale_per_main_difference=_difference(one, two, odds, confidence),
        num_seeds=int(both.sum()),
        num_censored=int(one.censored.sum() + two.censored.sum()),
        confidence=confidence,
        replayed=doubts.of_both(*(doubts.replayed(side.curves, side.wins.shape[1]) for side in (one, two))),
    )


def _ratio(one: Array, others_one: Array, two: Array, others_two: Array, confidence: float) -> Estimate:
    """Estimate of one / two from the values and their leave-one-out values [S]; over 0 it is unknown."""
    if two == 0 or (others_two == 0).any():
        return estimate.unknown(1.0 if one == two else np.inf if two == 0 else one / two)
    return estimate.positive(one / two, others_one / others_two, confidence)


def _difference(one: Tally, two: Tally, scale: Callable[[Array], Array], confidence: float) -> Estimate:
    """Estimate of the difference of stale rates, after `scale` of stale / published."""

    def rate(seeds: Tally, reduce: Callable[[Array], Array]) -> Array:
        return scale(reduce(seeds.stale) / np.maximum(reduce(seeds.published), 1))

    values = rate(one, estimate.left_out) - rate(two, estimate.left_out)
    value = rate(one, summed) - rate(two, summed)
    if values.size > 1 and estimate.jackknife_error(values) < 1e-12:
        shares = ((summed(seeds.stale), summed(seeds.published)) for seeds in (one, two))
        ends = [scale(np.stack(estimate.clopper_pearson(*share, confidence))) for share in shares]
        low = value - np.hypot(rate(one, summed) - ends[0][0], ends[1][1] - rate(two, summed))
        high = value + np.hypot(ends[0][1] - rate(one, summed), rate(two, summed) - ends[1][0])
        return Estimate(value, low, high)
    return estimate.real(value, values, confidence)
