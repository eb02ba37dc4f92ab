"""Statistics of chains: what a history says, with confidence intervals that resample whole seeds."""

import dataclasses
from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.brief import sizes
from polejax._core.checked import checked
from polejax._core.record import record, static
from polejax._core.sweep import single
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import entries_table, estimate_table
from polejax.analysis.paired import Comparison
from polejax.analysis.power import power_share
from polejax.analysis.seed_tally import Tally, as_tally, none_settled
from polejax.analysis.service import ServiceSummary
from polejax.analysis.spread import odds, spread_of, summed
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes, Scheduled


@record
class Summary(Tabled):
    """What the settled heights of a history say; float64, each estimate with its confidence interval.

    Of a single chain the intervals are infinite, as one chain does not tell how much chains differ. Blocks that a
    round's fallback made count like all others, unless said otherwise. Of a real chain (`polejax.analysis.observed`)
    what its blocks do not tell is NaN or None.

    Attributes:
      interval_mean: `Estimate` [], s.
      interval_sd: `Estimate` [], s, standard deviation over all blocks of all seeds.
      interval_cv: `Estimate` [], ratio, sd / mean.
      stale_per_block: `Estimate` [], share, stale / all published blocks.
      stale_per_main: `Estimate` [], ratio, stale / canonical blocks.
      win_share: `Estimate` [N], share of the canonical blocks.
      stale_share: `Estimate` [N], share of the node's own blocks that are stale; 0 in (0, 1) if it published none.
      score: `Estimate` [], mean of the canonical blocks' scores (PoLe: the winner's test accuracy, a fraction; PoW: 1).
      claimed: `Estimate` [], fraction, mean validation accuracy of the claims that won, without fallbacks; None: no
        models.
      optimism: `Estimate` [], fraction, mean of claimed - score of the same blocks; None: no models.
      fallback_share: `Estimate` [], share of the blocks made by the fallback rule, because no node finished
        before its deadline or its last step.
      rejected_per_block: `Estimate` [], claims of the winner that were turned down before, per block; None: no models.
      diverged_share: `Estimate` [], share of the blocks whose network is not finite; None: no models.
      useful_share: `Estimate` [], share, useful / computed work; None where no work is computed.
      fairness: `Estimate` [], total variation distance of win and power shares, in [0, 1]; None unless nodes are given.
      fairness_floor: f64[], what `fairness` would be on average of perfectly proportional winners; None likewise.
      num_seeds: seeds that hold a settled height.
      num_blocks: settled heights of all seeds together.
      num_unsettled: heights of all seeds that are left out because nodes had not agreed on them when the simulation
        ended. Such heights fork more often than others, so that estimates without many of them are biased.
      num_flawed: heights of all seeds that are left out because a claim up to them was NaN or of negative work.
      num_censored: settled heights of all seeds at which a recorded learning curve ended before its node had closed the
        height or given up (`History.censored`). They count, as the bank has them: without them, numbers would be of
        heights with fast nodes.
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    interval_mean: Estimate[float]
    interval_sd: Estimate[float]
    interval_cv: Estimate[float]
    stale_per_block: Estimate[float]
    stale_per_main: Estimate[float]
    win_share: Estimate
    stale_share: Estimate
    score: Estimate[float]
    claimed: Estimate[float] | None
    optimism: Estimate[float] | None
    fallback_share: Estimate[float]
    rejected_per_block: Estimate[float] | None
    diverged_share: Estimate[float] | None
    useful_share: Estimate[float] | None
    fairness: Estimate[float] | None
    fairness_floor: Array | None
    num_seeds: int = static()
    num_blocks: int = static()
    num_unsettled: int = static()
    num_flawed: int = static()
    num_censored: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """All numbers with their intervals, and those of the first nodes."""
        left_out = f" ({self.num_flawed:,} flawed heights left out)" if self.num_flawed else ""
        if self.num_unsettled:
            left_out += f" ({self.num_unsettled:,} unsettled heights, which fork more often, left out)"
        sample = f"{sizes((self.num_seeds,), 'seeds')}, {sizes((self.num_blocks,), 'blocks')}{left_out}"
        told = [] if self.doubt is None else [self.doubt]
        by_node = {"win share": self.win_share, "stale share of its blocks": self.stale_share}
        return [estimate_table(rows(self), self.confidence, sample, told), entries_table(by_node, self.confidence)]

    @property
    def doubt(self) -> str | None:
        """One line that belongs beside every number; or None.

        It says what part of the blocks a bank's short curves decided, and that intervals leave out the bank's error.
        """
        told = [] if self.replayed is None else [self.replayed]
        if self.num_censored:
            share = self.num_censored / self.num_blocks
            told.append(
                f"censored: at {share:.2g} of the heights ({self.num_censored:,}) a recorded curve ended before "
                "training does; numbers are the bank's, not the protocol's"
            )
        return doubts.joined(told)


@single("nodes")
def summarise(history: History | Tally, nodes: Nodes | Scheduled | None = None, confidence: float = 0.95) -> Summary:
    """Estimate the statistics of a history on the host, in float64, from its settled heights.

    Args:
      history: of one chain, leaves [H, ...], or of S seeds, leaves [S, H, ...]; NumPy or JAX arrays. Or its `tally`.
      nodes: N nodes whose powers the wins are measured against (`fairness`); None: they are not. Of power that changes
        along the chain it is the mean share over settled heights (of a tally: over as many from the first on).
      confidence: of the intervals, in (0, 1).

    Returns:
      `Summary`. Intervals are the delete-one-seed jackknife's with Student's t (see `polejax.analysis.Estimate`):
      nearly symmetric in the logarithm for the standard deviation and the CV, and in the logit for shares. No interval
      holds what is impossible, such as negative seconds. Seeds without a settled height are left out. Chains are played
      on until their last heights are settled, so that even chains of one height count whether they fork or not;
      `num_unsettled` tells where that did not suffice. Every settled height counts, from the first on, so begin at the
      difficulty where a controller settles, or the chain's way there counts too. Of a `Replay` the intervals take the
      bank for the law, and `doubt` says so: `polejax.bank_estimate` covers the bank's own error too, which may be many
      times as large.

    Raises:
      ValueError: no settled height, more axes than seeds and heights, a confidence out of range, or nodes that are not
        the history's.

    Source: Tukey 1958; Miller 1974 (Biometrika 61). Fairness and its interval are ours.
    """
    confidence = checks.confidence(confidence)
    seeds = as_tally(history)
    flawed, unsettled = int(seeds.flawed.sum()), int(seeds.unsettled.sum())
    seeds = seeds.only(seeds.settled > 0)
    if not seeds.settled.size:
        raise none_settled(flawed)
    spread, others = spread_of(seeds, summed), spread_of(seeds, estimate.left_out)
    scatter = estimate.positive if estimate.left_out(seeds.settled).min() > 1 else _unknown
    stale = estimate.share(seeds.stale, seeds.published, confidence)
    fairness, floor = (None, None) if nodes is None else _fairness(seeds, _power(history, seeds, nodes), confidence)
    models = np.full_like(seeds.settled, seeds.carries_models)  # whether to count what only blocks with models have
    return Summary(
        interval_mean=estimate.within(estimate.real(spread.mean, others.mean, confidence), low=0.0),
        interval_sd=scatter(spread.sd, others.sd, confidence),
        interval_cv=scatter(spread.cv, others.cv, confidence),
        stale_per_block=stale,
        stale_per_main=_odds_estimate(stale),
        win_share=estimate.share(seeds.wins, seeds.settled[:, None], confidence),
        stale_share=estimate.share(seeds.published_by - seeds.wins, seeds.published_by, confidence),
        score=_score(seeds, confidence),
        claimed=estimate.mean(seeds.claimed, seeds.claims, confidence, low=0.0, high=1.0),
        optimism=estimate.mean(seeds.claimed - seeds.claimed_score, seeds.claims, confidence, -1.0, 1.0),
        fallback_share=estimate.share(seeds.fallback, seeds.settled, confidence),
        rejected_per_block=estimate.rate(seeds.rejected, seeds.settled * models, confidence),
        diverged_share=estimate.share(seeds.diverged, seeds.settled, confidence) if seeds.carries_models else None,
        useful_share=estimate.mean(seeds.useful, seeds.computed, confidence, low=0.0, high=1.0),
        fairness=fairness,
        fairness_floor=floor,
        num_seeds=seeds.settled.size,
        num_blocks=int(seeds.settled.sum()),
        num_unsettled=unsettled,
        num_flawed=flawed,
        num_censored=int(seeds.censored.sum()),
        confidence=confidence,
        replayed=doubts.replayed(seeds.curves, seeds.wins.shape[1]),
    )


NAMED = (
    ("interval_mean", "interval, mean", "s"),
    ("interval_sd", "interval, standard deviation", "s"),
    ("interval_cv", "interval, coefficient of variation", "ratio"),
    ("stale_per_block", "stale / published blocks", "share"),
    ("stale_per_main", "stale / canonical blocks", "ratio"),
    ("score", "score (PoLe: winner's test accuracy)", "fraction"),
    ("claimed", "claimed validation accuracy", "fraction"),
    ("optimism", "claimed - score", "fraction"),
    ("fallback_share", "rounds nobody finished", "share"),
    ("rejected_per_block", "rejected claims per block", "claims"),
    ("diverged_share", "diverged winners", "share"),
    ("useful_share", "useful / computed work", "share"),
    ("fairness", "wins against power, total variation", "share"),
)
"""Field, name and unit of every scalar that a summary holds, in a reader's order."""


def rows(summary: Summary) -> list[tuple[str, str, Estimate]]:
    """Name, unit and estimate of every scalar that a summary holds, in a reader's order."""
    values = vars(summary)
    return [(name, unit, values[field]) for field, name, unit in NAMED if values[field] is not None]


@checked
def as_dict(result: Summary | Comparison | ServiceSummary | Estimate) -> dict[str, Any]:
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


def _unknown(value: Array, *_: object) -> Estimate:
    return estimate.unknown(value)


def _score(seeds: Tally, confidence: float) -> Estimate:
    """Mean score of the blocks; where they carry models it is an accuracy, unless a mechanism of one's own differs."""
    others = estimate.left_out(seeds.score) / np.maximum(estimate.left_out(seeds.settled), 1)
    found = estimate.real(summed(seeds.score) / summed(seeds.settled), others, confidence)
    is_accuracy = seeds.carries_models and 0.0 <= found.value <= 1.0
    return estimate.within(found, 0.0, 1.0) if is_accuracy else found


def _odds_estimate(share: Estimate) -> Estimate:
    """Stale / canonical from stale / all, which never reaches 1; the infinite ends of one seed stay."""
    if not np.isfinite(share.high):
        return estimate.unknown(odds(share.value))
    return Estimate(odds(share.value), odds(share.low), odds(share.high))


def _power(history: History | Tally, seeds: Tally, nodes: Nodes | Scheduled) -> Array:
    """Each node's share of the power over the settled heights, float64[N]."""
    if not isinstance(nodes, Nodes | Scheduled):
        raise ValueError(
            f"nodes must be made by polejax.nodes, got {checks.shown(nodes)}: pass those simulated, or confidence=..."
        )
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
    win = summed(seeds.wins) / summed(blocks)
    value = np.abs(win - power).sum() / 2
    if seeds.settled.size < 2:
        return estimate.unknown(value), np.asarray(np.sqrt(power * (1 - power) / summed(blocks) / (2 * np.pi)).sum())
    others = estimate.left_out(seeds.wins) / estimate.left_out(blocks)
    floor = np.sqrt(estimate.jackknife_error(others) ** 2 / (2 * np.pi)).sum()
    plain = estimate.real(value, np.abs(others - power).sum(axis=1) / 2, confidence)
    return Estimate(value, np.maximum(plain.low - floor, 0.0), np.minimum(plain.high, 1.0)), floor
