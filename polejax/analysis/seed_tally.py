"""Tally: what statistics need of each seed, so that blocks may be forgotten and shards added up."""

from collections.abc import Sequence

import jax
import numpy as np

from polejax._core import checks
from polejax._core.brief import sizes, span
from polejax._core.checked import checked
from polejax._core.record import record, replace, static
from polejax._core.types import Array
from polejax.consensus.history import History


@record
class Tally:
    """What each seed adds to the estimates: sums over its settled heights.

    Attributes:
      settled: f64[S], settled heights.
      unsettled: f64[S], heights without a flaw that are not settled, as not all nodes agree on them.
      flawed: f64[S], heights that are not settled because a claim up to them was NaN or of negative work.
      censored: f64[S], settled heights at which a recorded learning curve ended too early (`History.censored`).
      interval: f64[S], s, sum of the intervals' deviations from `centre` (of the intervals, squares would cancel).
      square: f64[S], s^2, sum of the squares of those deviations.
      published: f64[S], blocks published, the canonical ones included.
      stale: f64[S], blocks published that are not canonical.
      wins: [S, N], canonical blocks of each node; f64 or whole numbers.
      published_by: [S, N], blocks that each node published; f64 or whole numbers.
      score: f64[S], sum of the canonical blocks' scores (PoLe: test accuracy, a fraction).
      fallback: f64[S], blocks that the deadline's rule made.
      claims: f64[S], canonical blocks with a model that met the threshold.
      claimed: f64[S], sum of those claims' validation accuracies, fractions.
      claimed_score: f64[S], sum of the same blocks' scores.
      rejected: f64[S], claims of the winners that were turned down before.
      diverged: f64[S], canonical blocks whose network is not finite.
      useful: f64[S], work units of all nodes until they finished or heard; 0 where no work is computed.
      computed: f64[S], work units that the program did for that; 0 likewise.
      centre: s, that `interval` and `square` are about; the same for all seeds.
      carries_models: whether blocks carry models.
      curves: recorded learning curves that nodes repeated (`History.curves`); None: nothing was repeated.
    """

    settled: Array
    unsettled: Array
    flawed: Array
    censored: Array
    interval: Array
    square: Array
    published: Array
    stale: Array
    wins: Array
    published_by: Array
    score: Array
    fallback: Array
    claims: Array
    claimed: Array
    claimed_score: Array
    rejected: Array
    diverged: Array
    useful: Array
    computed: Array
    centre: float = static()
    carries_models: bool = static()
    curves: int | None = static(default=None)

    def __repr__(self) -> str:
        """Its size."""
        return f"Tally({sizes(np.shape(self.wins), 'seeds', 'nodes')}, {span(self.settled)} settled heights each)"

    def only(self, chosen: Array) -> "Tally":
        """The chosen seeds, bool[S]."""
        if checks.entries("chosen", chosen).shape != self.settled.shape or np.asarray(chosen).dtype != bool:
            raise ValueError(f"chosen must be bool[{self.settled.size}], got {checks.shown(chosen)}")
        chosen_of: Tally = jax.tree.map(lambda sums: sums[chosen], self)
        return chosen_of

    def about(self, centre: float) -> "Tally":
        """The same with deviations from another centre, seconds."""
        centre = checks.number("centre", centre)
        shift = self.centre - centre
        square = self.square + 2 * shift * self.interval + shift**2 * self.settled
        return replace(self, interval=self.interval + shift * self.settled, square=square, centre=centre)


_SUMMED = ("interval", "square", "score", "claimed", "claimed_score", "useful", "computed")
"""Sums of real numbers, of which one NaN would spoil a statistic."""


def tally(history: History) -> Tally:
    """Sum up each seed of a history [S, H] or [H], on the host; a single chain is one seed.

    Raises:
      ValueError: it is no `History`, or has more axes.
    """
    check_history(history)
    settled = np.asarray(history.settled)
    if settled.ndim not in (1, 2):
        raise ValueError(f"history must have axes [S, H] or [H], got {settled.shape}: summarise one sweep at a time")
    check_intervals(history)
    settled = np.atleast_2d(settled)
    nothing = np.zeros(settled.shape[0])

    def over(values: Array | None, where: Array = settled) -> Array:
        if values is None:
            return nothing
        return np.asarray(np.sum(np.atleast_2d(values), axis=1, where=where, dtype=np.float64))

    count = settled.sum(axis=1, dtype=np.float64)
    centre = float(over(history.interval).sum() / max(count.sum(), 1))
    deviation = np.where(settled, np.atleast_2d(history.interval).astype(np.float64) - centre, 0.0)
    published, nodes = over(history.published), history.num_nodes
    winner = np.atleast_2d(history.producer) + nodes * np.arange(settled.shape[0])[:, None]
    wins = np.bincount(winner[settled], minlength=nodes * settled.shape[0]).reshape(-1, nodes)
    flawed = np.zeros(settled.shape, bool) if history.flawed is None else np.atleast_2d(history.flawed)
    model = history.learning
    claim = settled & ~np.atleast_2d(history.fallback) & (model is not None)
    return Tally(
        settled=count,
        unsettled=(~settled & ~flawed).sum(axis=1, dtype=np.float64),
        flawed=flawed.sum(axis=1, dtype=np.float64),
        censored=over(history.censored),
        interval=deviation.sum(axis=1),
        square=np.einsum("sh,sh->s", deviation, deviation),
        published=published,
        stale=published - count,
        wins=wins.astype(np.float64),
        published_by=np.atleast_2d(history.published_by).astype(np.float64),
        score=over(history.score),
        fallback=over(history.fallback),
        claims=claim.sum(axis=1, dtype=np.float64),
        claimed=over(model and model.claimed, claim),
        claimed_score=over(history.score, claim),
        rejected=over(model and model.rejected),
        diverged=over(model and model.diverged),
        useful=over(history.useful),
        computed=over(history.computed),
        centre=centre,
        carries_models=model is not None,
        curves=history.curves,
    )


def as_tally(history: History | Tally, name: str = "history") -> Tally:
    """A history's tally, or a tally as it is; raises ValueError unless its sums are finite."""
    if not isinstance(history, Tally):
        check_history(history, name)
    seeds = history if isinstance(history, Tally) else tally(history)
    for field in _SUMMED:
        sums = np.asarray(getattr(seeds, field))
        if not np.isfinite(sums).all():
            seed = int(np.argwhere(~np.isfinite(sums))[0, 0])
            raise ValueError(f"{field} must be finite at settled heights, got a sum of {sums[seed]:g} in seed {seed}")
    return seeds


def none_settled(flawed: int) -> ValueError:
    """The error of a history without a settled height, of which so many heights are flawed."""
    if flawed:
        return ValueError(
            f"history must hold settled heights, got none: {flawed:,} are flawed, as a claim was NaN or of negative "
            "work, or power or difficulty left 1e-24 to 1e30: check the mechanism with polejax.testing.check_mechanism"
        )
    return ValueError("history must hold settled heights, got none: simulate more blocks")


def check_history(history: History, name: str = "history") -> None:
    """Raise a ValueError unless an argument is a `History`."""
    if not isinstance(history, History):
        raise ValueError(f"{name} must be a polejax.History, got {checks.kind(history)}: simulate one")


def check_intervals(history: History) -> None:
    """Raise a ValueError unless all intervals at settled heights are finite and at least 0."""
    interval, settled = np.asarray(history.interval), np.asarray(history.settled)
    wrong = settled & ~(np.isfinite(interval) & (interval >= 0))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f"height {place[-1] + 1}" + (f" of seed {place[0]}" if len(place) == 2 else "")
        raise ValueError(
            f"history.interval must be finite and at least 0 at settled heights, got {interval[place]:g} at {where}: "
            "simulate it anew"
        )


def check_settled(history: History) -> None:
    """Raise a ValueError unless some height of a history is settled; it tells how many are flawed."""
    check_history(history)
    check_intervals(history)
    if not np.any(history.settled):
        raise none_settled(0 if history.flawed is None else int(np.sum(history.flawed)))


@checked
def pool(rows: Tally, pooled: int) -> Tally:
    """The same tally with every `pooled` consecutive seeds added up into one row.

    Raises:
      ValueError: a number that does not divide the number of rows.
    """
    if rows.settled.size % checks.whole("pooled", pooled, low=1):
        raise ValueError(f"pooled must divide the number of rows, {rows.settled.size}, got {pooled}")
    if pooled == 1:
        return rows
    added: Tally = jax.tree.map(lambda sums: sums.reshape(-1, pooled, *sums.shape[1:]).sum(axis=1), rows)
    return added


@checked
def join(tallies: Sequence[Tally]) -> Tally:
    """The tally of all seeds, in order, of one scenario's tallies; raises ValueError where there are none."""
    if not tallies:
        raise ValueError("tallies must not be empty: simulate some seeds")
    carries_models = any(part.carries_models for part in tallies)  # of sums alone, seeds without a claim do not tell
    about = [replace(part.about(0.0), carries_models=carries_models) for part in tallies]
    joined: Tally = jax.tree.map(lambda *sums: np.concatenate(sums), *about)
    return joined.about(float(joined.interval.sum() / max(joined.settled.sum(), 1)))
