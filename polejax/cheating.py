"""Cheating in the round: some nodes play a strategy against the Secure Mapping Layer, all others are honest.

What an attempt does to a node's training (`polejax.theft`, `polejax.forging`) is recorded in a bank of curves, as
honest training is, and replayed: every node has a new layer at every height, so successive attempts are independent.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax.bank import Bank, learning_of
from polejax.checks import Array
from polejax.describe import as_text
from polejax.detection import as_played
from polejax.head_start import Run
from polejax.mechanism import Claims, Views
from polejax.nodes import Nodes
from polejax.pole import PoLe
from polejax.record import record, replace
from polejax.replay import Replay
from polejax.theft import Attempt


@record
class Cheating:
    """Some nodes cheat at every height: an adversary (`polejax.adversary`) for scenarios whose mechanism is `Replay`.

    Args:
      bank: of the strategy's curves (`cheats_bank`).
      plays: bool[N], which nodes cheat.

    Source: ours.
    """

    bank: Bank
    plays: Array

    def enter(self, scenario: Any) -> Any:
        """The scenario as it is really played; see `Adversary.enter`.

        Raises:
          ValueError: the mechanism is no `Replay`, or there is not one entry of `plays` per node.
        """
        if not isinstance(scenario.mechanism, Replay):
            raise ValueError(f"mechanism must be Replay for cheats, got {type(scenario.mechanism).__name__}: record it")
        if np.shape(self.plays)[-1:] != (scenario.nodes.count,):
            raise ValueError(
                f"plays must have one entry per node ({scenario.nodes.count}), got shape {np.shape(self.plays)}"
            )
        cheat = replace(scenario.mechanism, bank=self.bank, passage=None)
        return replace(scenario, mechanism=Cheated(scenario.mechanism, cheat, self.plays), adversary=None)


@record
class Cheated:
    """A mechanism that some nodes follow and others cheat."""

    honest: Replay
    cheat: Replay
    plays: Array  # bool[N]

    @property
    def hashes_tips(self) -> bool:
        """Whether views carry SHA-256 tips."""
        return self.honest.hashes_tips

    @property
    def segment(self) -> int:
        """Heights per compiled call."""
        return self.honest.segment

    @property
    def cached_lanes(self) -> int:
        """Lanes that stay in cache."""
        return self.honest.cached_lanes

    @property
    def initial_difficulty(self) -> Array:
        """f32[], what the first block demands."""
        return self.honest.initial_difficulty

    def prepare(self, difficulty_is_fixed: bool) -> "Cheated":
        """The same around the mechanisms prepared."""
        return replace(
            self, honest=self.honest.prepare(difficulty_is_fixed), cheat=self.cheat.prepare(difficulty_is_fixed)
        )

    def race(self, key: Array, views: Views, nodes: Nodes, network: Any = None) -> Claims:
        """Claims of honest nodes and cheats; where nobody finishes, the first to give up makes the block (ours)."""
        honest = self.honest.race(key, views, nodes, network)
        cheats = self.cheat.race(jax.random.fold_in(key, 1), views, nodes, network)
        finished = jnp.where(self.plays, _finished(cheats), _finished(honest))
        fallback = ~finished.any()

        def choose(mine: Array, theirs: Array) -> Array:
            return jnp.where(self.plays.reshape(-1, *(1,) * (mine.ndim - 1)), theirs, mine)

        return Claims(
            work=choose(honest.work, cheats.work),
            score=choose(honest.score, cheats.score),
            valid=finished | fallback,
            fallback=fallback,
            learning=jax.tree.map(choose, honest.learning, cheats.learning),
        )


def _finished(claims: Claims) -> Array:
    return jnp.where(jnp.asarray(claims.fallback), False, claims.valid)


def cheats_bank(mechanism: PoLe, tried: Attempt) -> Bank:
    """A bank of a strategy's curves, one per seed, for `Cheating`.

    Args:
      mechanism: the `PoLe` that was attacked.
      tried: `Attempt` of S seeds; its cost delays it by whole evaluation periods.
    """
    return _bank(mechanism, *as_played(mechanism, tried))


def honest_bank(mechanism: PoLe, run: Run) -> Bank:
    """A bank of honest runs' curves, one per seed, without the evaluation before training."""
    return _bank(mechanism, np.asarray(run.validation)[:, 1:], np.asarray(run.test)[:, 1:])


def _bank(mechanism: PoLe, validation: Array, test: Array) -> Bank:
    none = np.zeros(len(test), bool)
    return Bank(validation, test, none, mechanism.evaluate_every, as_text(learning_of(mechanism)))
