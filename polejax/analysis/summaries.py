"""Statistics of chains: what a history says, with confidence intervals that resample whole seeds."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.record import record, static
from polejax._core.types import Array
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.fairness import power_share
from polejax.analysis.seed_tally import Tally, tally
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled


@record
class Summary:
    """What the settled heights of a history say; float64, each estimate with its confidence interval.

    Of a single chain the intervals are infinite: how much chains differ, one cannot say. Blocks that a round's
    fallback made count like all others, unless said otherwise.
    """

    interval_mean: Estimate  # s
    interval_sd: Estimate  # s, over all blocks of all seeds
    interval_cv: Estimate  # ratio, sd / mean
    stale_per_block: Estimate  # share, stale / all published
    stale_per_main: Estimate  # ratio, stale / canonical
    win_share: Estimate  # [N], share of the canonical blocks
    stale_share: Estimate  # [N], share of the node's own blocks that are stale; 0 in (0, 1) if it published none
    score: Estimate  # mean of the canonical blocks' scores (PoLe: the winner's test accuracy, a fraction)
    claimed: Estimate | None  # mean validation accuracy of the claims that won, without fallbacks; None: no model
    optimism: Estimate | None  # mean of claimed - score of the same blocks: the winner's curse
    fallback_share: Estimate  # share of the blocks that the deadline made
    rejected_per_block: Estimate | None  # claims of the winner that were turned down before; None: no model
    diverged_share: Estimate | None  # share of the blocks whose network is not finite; None: no model
    useful_share: Estimate | None  # useful / computed work; None where no work is computed
    fairness: Estimate | None  # total variation distance of win and power shares; None unless nodes are given
    fairness_floor: Array | None  # what `fairness` would be on average of perfectly proportional winners
    num_seeds: int = static()
    num_blocks: int = static()  # settled, of all seeds together
    confidence: float = static()

    def __str__(self) -> str:
        """One line for each number: its name, unit, estimate and interval."""
        head = f"{self.num_seeds:,} seeds, {self.num_blocks:,} blocks; estimate [{self.confidence:.0%} interval]"
        return "\n".join([head, *(f"{name} ({unit}): {value}" for name, unit, value in rows(self))])


@record
class Comparison:
    """One mechanism against another on the same seeds: ratios and differences, resampling pairs of seeds."""

    interval_mean_ratio: Estimate
    interval_sd_ratio: Estimate
    interval_cv_ratio: Estimate
    stale_per_block_difference: Estimate
    stale_per_main_difference: Estimate
    num_seeds: int = static()
    confidence: float = static()


def summarise(history: History | Tally, nodes: Nodes | Scheduled | None = None, confidence: float = 0.95) -> Summary:
    """Estimate the statistics of a history on the host, in float64, from its settled heights.

    Args:
      history: of one chain, leaves [H, ...], or of S seeds, leaves [S, H, ...]; NumPy or JAX arrays. Or its `tally`.
      nodes: N nodes whose powers the wins are measured against (`fairness`); None: they are not. Of power that changes
        along the chain it is the mean share over settled heights (of a tally: over as many from the first on).
      confidence: of the intervals, in (0, 1).

    Returns:
      `Summary`. Intervals are the delete-one-seed jackknife's with Student's t (see `polejax.estimate`): symmetric in
      the logarithm for the standard deviation and the CV, and in the logit for shares. Seeds without a settled height
      are left out. Every settled height counts, from the first on, so begin at the difficulty where a controller
      settles, or chains tell of its way there. Of a `Replay` the intervals take the bank for the law:
      `polejax.bank_estimate` covers the bank's own error too, which may be many times as large.

    Raises:
      ValueError: no settled height, more axes than seeds and heights, a confidence out of range, or nodes that are not
        the history's.

    Source: Tukey 1958; Miller 1974 (Biometrika 61). Fairness and its interval are ours.
    """
    confidence = _checked_confidence(confidence)
    seeds = _tallied(history)
    seeds = seeds.only(seeds.settled > 0)
    if not seeds.settled.size:
        raise ValueError("history must hold settled heights, got none: simulate more blocks")
    spread, others = _spread(seeds, _sum), _spread(seeds, estimate.left_out)
    scatter = estimate.positive if estimate.left_out(seeds.settled).min() > 1 else _unknown
    stale = estimate.share(seeds.stale, seeds.published, confidence)
    fairness, floor = (None, None) if nodes is None else _fairness(seeds, _power(history, seeds, nodes), confidence)
    models = np.full_like(seeds.settled, seeds.carries_models)  # whether to count what only blocks with models have
    return Summary(
        interval_mean=estimate.real(spread.mean, others.mean, confidence),
        interval_sd=scatter(spread.sd, others.sd, confidence),
        interval_cv=scatter(spread.cv, others.cv, confidence),
        stale_per_block=stale,
        stale_per_main=_odds_estimate(stale),
        win_share=estimate.share(seeds.wins, seeds.settled[:, None], confidence),
        stale_share=estimate.share(seeds.published_by - seeds.wins, seeds.published_by, confidence),
        score=estimate.real(_sum(seeds.score) / _sum(seeds.settled), _others_mean(seeds.score, seeds), confidence),
        claimed=estimate.mean(seeds.claimed, seeds.claims, confidence),
        optimism=estimate.mean(seeds.claimed - seeds.claimed_score, seeds.claims, confidence),
        fallback_share=estimate.share(seeds.fallback, seeds.settled, confidence),
        rejected_per_block=estimate.rate(seeds.rejected, seeds.settled * models, confidence),
        diverged_share=estimate.share(seeds.diverged, seeds.settled, confidence) if seeds.carries_models else None,
        useful_share=estimate.mean(seeds.useful, seeds.computed, confidence),
        fairness=fairness,
        fairness_floor=floor,
        num_seeds=seeds.settled.size,
        num_blocks=int(seeds.settled.sum()),
        confidence=confidence,
    )


def compare(first: History | Tally, second: History | Tally, confidence: float = 0.95) -> Comparison:
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
    confidence = _checked_confidence(confidence)
    one, two = _tallied(first), _tallied(second)
    if one.settled.size != two.settled.size:
        raise ValueError(f"second must have the {one.settled.size} seeds of first, got {two.settled.size}: pair them")
    both = (one.settled > 0) & (two.settled > 0)
    if not both.any():
        raise ValueError("second must have settled heights in a seed of first's, got none: simulate more blocks")
    one, two = one.only(both), two.only(both)
    a, b = _spread(one, _sum), _spread(two, _sum)
    others_a, others_b = _spread(one, estimate.left_out), _spread(two, estimate.left_out)
    return Comparison(
        interval_mean_ratio=_ratio(a.mean, others_a.mean, b.mean, others_b.mean, confidence),
        interval_sd_ratio=_ratio(a.sd, others_a.sd, b.sd, others_b.sd, confidence),
        interval_cv_ratio=_ratio(a.cv, others_a.cv, b.cv, others_b.cv, confidence),
        stale_per_block_difference=_difference(one, two, lambda share: share, confidence),
        stale_per_main_difference=_difference(one, two, _odds, confidence),
        num_seeds=int(both.sum()),
        confidence=confidence,
    )


def rows(summary: Summary) -> list[tuple[str, str, Estimate]]:
    """Name, unit and estimate of every scalar that a summary holds, in a reader's order."""
    named = (
        ("interval, mean", "s", summary.interval_mean),
        ("interval, standard deviation", "s", summary.interval_sd),
        ("interval, coefficient of variation", "ratio", summary.interval_cv),
        ("stale / published blocks", "share", summary.stale_per_block),
        ("stale / canonical blocks", "ratio", summary.stale_per_main),
        ("score (PoLe: winner's test accuracy)", "fraction", summary.score),
        ("claimed validation accuracy", "fraction", summary.claimed),
        ("claimed - score", "fraction", summary.optimism),
        ("blocks at the deadline", "share", summary.fallback_share),
        ("rejected claims per block", "claims", summary.rejected_per_block),
        ("diverged winners", "share", summary.diverged_share),
        ("useful / computed work", "share", summary.useful_share),
        ("wins against power, total variation", "share", summary.fairness),
    )
    return [(name, unit, value) for name, unit, value in named if value is not None]


def as_dict(result: Summary | Comparison) -> dict[str, Any]:
    """The same under its field names in plain numbers, lists and None, ready for JSON; infinite ends are None."""
    return {field.name: _plain(getattr(result, field.name)) for field in dataclasses.fields(result)}


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {name: _plain(getattr(value, name)) for name in ("value", "low", "high")}
    if isinstance(value, np.ndarray | np.floating):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _unknown(value: Array, *_: Any) -> Estimate:
    return estimate.unknown(value)


def _checked_confidence(confidence: float) -> float:
    checks.real("confidence", confidence, above=0.0, below=1.0, ndim=0)
    return float(confidence)


def _tallied(history: History | Tally) -> Tally:
    return history if isinstance(history, Tally) else tally(history)


def _sum(sums: Array) -> Array:
    return sums.sum(axis=0)


def _others_mean(sums: Array, seeds: Tally) -> Array:
    """Mean over all seeds' blocks but one seed's, for each seed [S]."""
    return estimate.left_out(sums) / np.maximum(estimate.left_out(seeds.settled), 1)


class _Spread(NamedTuple):
    mean: Array
    sd: Array
    cv: Array


def _spread(seeds: Tally, reduce: Callable[[Array], Array]) -> _Spread:
    """Mean, standard deviation and CV of the intervals, from sums that `reduce` takes over the seeds."""
    count, total, square = reduce(seeds.settled), reduce(seeds.interval), reduce(seeds.square)
    deviation = total / np.maximum(count, 1)
    variance = (square - total * deviation) / np.maximum(count - 1, 1)
    mean, sd = seeds.centre + deviation, np.sqrt(np.maximum(variance, 0.0))
    return _Spread(mean, sd, np.where(mean > 0, sd / np.where(mean > 0, mean, 1.0), 0.0))


def _odds(share: Array) -> Array:
    return share / (1 - share)


def _odds_estimate(share: Estimate) -> Estimate:
    """Stale / canonical from stale / all, which never reaches 1; the infinite ends of one seed stay."""
    if not np.isfinite(share.high):
        return estimate.unknown(_odds(share.value))
    return Estimate(_odds(share.value), _odds(share.low), _odds(share.high))


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
    value = rate(one, _sum) - rate(two, _sum)
    if values.size > 1 and estimate.jackknife_error(values) < 1e-12:
        shares = ((_sum(seeds.stale), _sum(seeds.published)) for seeds in (one, two))
        ends = [scale(np.stack(estimate.clopper_pearson(*share, confidence))) for share in shares]
        low = value - np.hypot(rate(one, _sum) - ends[0][0], ends[1][1] - rate(two, _sum))
        high = value + np.hypot(ends[0][1] - rate(one, _sum), rate(two, _sum) - ends[1][0])
        return Estimate(value, low, high)
    return estimate.real(value, values, confidence)


def _power(history: History | Tally, seeds: Tally, nodes: Nodes | Scheduled) -> Array:
    """Each node's share of the power over the settled heights, float64[N]."""
    if not isinstance(nodes, Nodes | Scheduled):
        raise ValueError(f"nodes must be made by polejax.nodes, got {nodes!r}: pass those simulated, or confidence=...")
    if nodes.count != seeds.wins.shape[1]:
        raise ValueError(f"nodes must be the history's {seeds.wins.shape[1]}, got {nodes.count}: pass those simulated")
    if isinstance(history, History):
        return power_share(nodes, np.atleast_2d(history.settled).sum(axis=0))
    height = np.arange(int(seeds.settled.max()))  # where a height is settled, those below are
    return power_share(nodes, (height < seeds.settled[:, None]).sum(axis=0))


def _fairness(seeds: Tally, power: Array, confidence: float) -> tuple[Estimate, Array]:
    """Total variation distance of win share and power share, and what chance alone would make of it.

    A distance is biased upwards in finite samples: by E|noise| / 2 = sqrt(v / (2 pi)) for each node of variance v if
    wins are proportional (the floor), by less if not. By the triangle inequality this bounds the bias, and the
    interval's lower end allows for all of it (ours).
    """
    blocks = seeds.settled[:, None]
    win = _sum(seeds.wins) / _sum(blocks)
    value = np.abs(win - power).sum() / 2
    if seeds.settled.size < 2:
        return estimate.unknown(value), np.asarray(np.sqrt(power * (1 - power) / _sum(blocks) / (2 * np.pi)).sum())
    others = estimate.left_out(seeds.wins) / estimate.left_out(blocks)
    floor = np.sqrt(estimate.jackknife_error(others) ** 2 / (2 * np.pi)).sum()
    plain = estimate.real(value, np.abs(others - power).sum(axis=1) / 2, confidence)
    return Estimate(value, np.maximum(plain.low - floor, 0.0), np.minimum(plain.high, 1.0)), floor
