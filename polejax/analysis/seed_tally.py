"""Tally: what statistics need of each seed, so that blocks may be forgotten and shards added up."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from polejax._core.record import record, replace, static
from polejax._core.types import Array
from polejax.consensus.history import History


@record
class Tally:
    """What each seed adds to the estimates: sums over its settled heights, float64[S] or [S, N].

    Counts by node may be of a narrower type, where there are many.
    """

    settled: Array
    interval: Array  # of deviations from `centre`, lest squares cancel
    square: Array
    published: Array
    stale: Array
    wins: Array  # [S, N]
    published_by: Array  # [S, N]
    score: Array
    fallback: Array
    claims: Array  # blocks with a model that met the threshold
    claimed: Array
    claimed_score: Array
    rejected: Array
    diverged: Array
    useful: Array
    computed: Array
    centre: float = static()
    carries_models: bool = static()

    def only(self, chosen: Array) -> "Tally":
        """The chosen seeds, bool[S]."""
        chosen_of: Tally = jax.tree.map(lambda sums: sums[chosen], self)
        return chosen_of

    def about(self, centre: float) -> "Tally":
        """The same with deviations from another centre, seconds."""
        shift = self.centre - centre
        square = self.square + 2 * shift * self.interval + shift**2 * self.settled
        return replace(self, interval=self.interval + shift * self.settled, square=square, centre=centre)


def tally(history: History) -> Tally:
    """Sum up each seed of a history [S, H] or [H], on the host; a single chain is one seed.

    Raises:
      ValueError: the history has more axes.
    """
    settled = np.asarray(history.settled)
    if settled.ndim not in (1, 2):
        raise ValueError(f"history must have axes [S, H] or [H], got {settled.shape}: summarise one sweep at a time")
    settled = np.atleast_2d(settled)
    nothing = np.zeros(settled.shape[0])

    def over(values: Any, where: Array = settled) -> Array:
        if values is None:
            return nothing
        return np.asarray(np.sum(np.atleast_2d(values), axis=1, where=where, dtype=np.float64))

    count = settled.sum(axis=1, dtype=np.float64)
    centre = float(over(history.interval).sum() / max(count.sum(), 1))
    deviation = np.where(settled, np.atleast_2d(history.interval).astype(np.float64) - centre, 0.0)
    published, nodes = over(history.published), history.num_nodes
    winner = np.atleast_2d(history.producer) + nodes * np.arange(settled.shape[0])[:, None]
    wins = np.bincount(winner[settled], minlength=nodes * settled.shape[0]).reshape(-1, nodes)
    model = history.learning
    claim = settled & ~np.atleast_2d(history.fallback) & (model is not None)
    return Tally(
        settled=count,
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
    )


def pool(rows: Tally, pooled: int) -> Tally:
    """The same with so many consecutive rows added up into one each."""
    if pooled == 1:
        return rows
    added: Tally = jax.tree.map(lambda sums: sums.reshape(-1, pooled, *sums.shape[1:]).sum(axis=1), rows)
    return added


def join(tallies: Sequence[Tally]) -> Tally:
    """The tally of all seeds, in order, of one scenario's tallies; raises ValueError where there are none."""
    if not tallies:
        raise ValueError("tallies must not be empty: simulate some seeds")
    about = [part.about(0.0) for part in tallies]
    joined: Tally = jax.tree.map(lambda *sums: np.concatenate(sums), *about)
    return joined.about(float(joined.interval.sum() / max(joined.settled.sum(), 1)))
