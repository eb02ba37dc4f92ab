"""Cost: the work, arithmetic and energy behind a block, and how much of it the block can show for."""

from typing import NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.brief import sizes
from polejax._core.record import record, static
from polejax._core.sweep import single
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import doubts, estimate
from polejax.analysis.estimate import Estimate, stack
from polejax.analysis.estimate_tables import Number, entry, estimate_table
from polejax.analysis.node_work import node_work, winner_work
from polejax.analysis.power import powers
from polejax.analysis.seed_tally import check_history, check_settled
from polejax.consensus.elections import FirstSeen
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario


@record
class Cost(Tabled):
    """What canonical blocks cost, stale work included; float64 estimates.

    Attributes:
      work_per_block: `Estimate` [], work units (hashes, training steps) of all nodes.
      work_per_second: `Estimate` [], work units per second of all nodes.
      flops_per_block: `Estimate` [], floating-point operations; None: those of a work unit are not known.
      joules_per_block: `Estimate` [], joules; None: no energy model.
      watts: `Estimate` [], joules per second; None: no energy model.
      winner_share: `Estimate` [], share, the canonical producers' own work / all work; None: not on record.
      top_share: `Estimate` [k], share, work of the 1 .. k best models / all work; None: rounds or models were not kept.
      num_seeds: seeds that hold a settled height.
      num_blocks: settled heights of all seeds together.
      confidence: of the intervals, in (0, 1).
      replayed: what the intervals leave out, as the chains repeat recorded curves; None: they do not.
    """

    work_per_block: Estimate[float]
    work_per_second: Estimate[float]
    flops_per_block: Estimate[float] | None
    joules_per_block: Estimate[float] | None
    watts: Estimate[float] | None
    winner_share: Estimate[float] | None
    top_share: Estimate | None
    num_seeds: int = static()
    num_blocks: int = static()
    confidence: float = static()
    replayed: str | None = static(default=None)

    def tables(self) -> list[Table]:
        """All numbers with their intervals, stale work included."""
        rows: list[tuple[str, str, Number]] = [
            ("work per canonical block", "work units", self.work_per_block),
            ("work per second", "work units / s", self.work_per_second),
            ("operations per canonical block", "floating-point operations", self.flops_per_block),
            ("energy per canonical block", "J", self.joules_per_block),
            ("power", "W", self.watts),
            ("canonical producers' own work / all work", "share", self.winner_share),
        ]
        if self.top_share is not None:
            for place in range(np.size(self.top_share.value)):
                best = f"work of the best {place + 1} / all work" if place else "work of the best model / all work"
                rows.append((best, "share", entry(self.top_share, place)))
        sample = f"{sizes((self.num_seeds,), 'seeds')}, {sizes((self.num_blocks,), 'blocks')}"
        return [estimate_table(rows, self.confidence, sample, doubts.lines(self.replayed))]


@single("scenario")
def cost(
    history: History,
    scenario: Scenario,
    *,
    joules_per_unit: float | None = None,
    flops_per_unit: float | None = None,
    top: int = 3,
    confidence: float = 0.95,
) -> Cost:
    """Estimate on the host, in float64, what a history's settled blocks cost.

    All work is `History.useful` where a mechanism computes it. Else it is total power x time under first-seen rules, as
    a node that hashes or trains until it hears a block is never idle (where power changes along the chain, exact but
    for the delays around each change); under rules that let claimants wait, the sum of `node_work`. Energy is joules
    per work unit x work, the same for every node; idling, networking and verification are left out.

    Args:
      history: of S seeds, leaves [S, H, ...], or of one.
      scenario: that it was simulated from.
      joules_per_unit: of one hash or training step; None: no energy model.
      flops_per_unit: of one work unit; None: what the mechanism's profile says, as of a training step.
      top: k of `top_share`.
      confidence: of the intervals, in (0, 1).

    Returns:
      `Cost`. `winner_share` is None where `winner_work` cannot tell; `top_share`, of nodes ranked by the validation
      accuracy that they had when the height was decided, where `node_work` cannot or there are no models.

    Raises:
      ValueError: no settled height, nodes that are not the history's, a number out of range, or a history without
        rounds and `useful` under an election that lets nodes wait.

    Source: ours.
    """
    confidence = checks.confidence(confidence)
    for name, value in (("joules_per_unit", joules_per_unit), ("flops_per_unit", flops_per_unit)):
        if value is not None:
            checks.real(name, value, low=0.0, ndim=0)
    _check_match(history, scenario)
    settled = np.atleast_2d(history.settled)
    some = settled.any(axis=1)
    spent = _spent(history, scenario, checks.whole("top", top, low=1, high=history.num_nodes))

    def total(values: Array) -> Array:
        return np.where(settled, values, 0.0)[some].sum(axis=1, dtype=np.float64)

    def ratio(parts: Array, wholes: Array) -> Estimate:
        return estimate.mean(parts, wholes, confidence, low=0.0) or estimate.unknown(0.0)

    work_done = total(spent.everyone)
    flops = scenario.mechanism.profile.flops_per_unit if flops_per_unit is None else flops_per_unit
    work = ratio(work_done, total(np.ones(settled.shape)))
    pace = ratio(work_done, total(np.atleast_2d(history.interval).astype(np.float64)))
    return Cost(
        work_per_block=work,
        work_per_second=pace,
        flops_per_block=_scaled(work, flops),
        joules_per_block=_scaled(work, joules_per_unit),
        watts=_scaled(pace, joules_per_unit),
        winner_share=None if spent.winner is None else ratio(total(spent.winner), work_done),
        top_share=None if spent.best is None else stack([ratio(total(one), work_done) for one in spent.best]),
        num_seeds=int(some.sum()),
        num_blocks=int(settled.sum()),
        confidence=confidence,
        replayed=doubts.replayed(history.curves, history.num_nodes),
    )


def _check_match(history: History, scenario: Scenario) -> None:
    """Refuse what is no history or scenario, one without a settled height, and nodes that are not the history's."""
    check_history(history)
    if not isinstance(scenario, Scenario):
        raise ValueError(f"scenario must be a polejax.Scenario, got {checks.kind(scenario)}: pass the one simulated")
    if scenario.nodes.count != history.num_nodes:
        raise ValueError(f"scenario must have the history's {history.num_nodes} nodes, got {scenario.nodes.count}")
    check_settled(history)


class _Spent(NamedTuple):
    """Work units, [S, H].

    Attributes:
      everyone: of all nodes.
      winner: of the canonical producers; None: not on record.
      best: [k, S, H], of the 1 .. k nodes with the best models; None: not on record.
    """

    everyone: Array
    winner: Array | None
    best: Array | None


def _spent(history: History, scenario: Scenario, top: int) -> _Spent:
    first_seen = isinstance(scenario.election, FirstSeen)
    told = scenario.adversary is None and scenario.network.fixed
    kept = told and history.rounds is not None
    winner = winner_work(history, scenario) if told and (first_seen or kept) else None
    best = _best_work(history, scenario, top) if kept else None
    if history.useful is not None:
        return _Spent(np.atleast_2d(history.useful), winner, best)
    if not first_seen:  # says what is missing where it is
        return _Spent(node_work(history, scenario).sum(axis=2), winner, best)
    power = powers(scenario.nodes, history.num_blocks).sum(axis=1)
    return _Spent(np.atleast_2d(history.interval).astype(np.float64) * power, winner, best)


def _best_work(history: History, scenario: Scenario, top: int) -> Array | None:
    """Work of the 1 .. k nodes with the best models, [k, S, H]; None where none are on record."""
    if history.rounds is None or history.rounds.blocks.learning is None:
        return None
    work = node_work(history, scenario)
    claimed = np.asarray(history.rounds.blocks.learning.claimed).reshape(work.shape)
    best = np.argsort(-claimed, axis=2, kind="stable")[..., :top]
    return np.moveaxis(np.cumsum(np.take_along_axis(work, best, axis=2), axis=2), 2, 0)


def _scaled(found: Estimate, scale: float | None) -> Estimate | None:
    return None if scale is None else Estimate(found.value * scale, found.low * scale, found.high * scale)
