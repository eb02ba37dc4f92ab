"""Cheating in the round: some nodes play a strategy against the Secure Mapping Layer, all others are honest.

`Cheating`: what an attempt does to a node's training (`polejax.theft`, `polejax.forging`) is recorded in a bank of
curves, as honest training is, and replayed. `LiveTheft`: nodes really steal the model of the block that they build on
and really train it on. Both are the same law but for what is stolen: every node has a new layer at every height, keyed
by a hash that nobody chose, so a stolen model owes nothing to the cheat's own, and successive attempts are independent
given it; but live it is the model of a block's winner, the first of all nodes', and from the bank that of any node.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.describe import as_text
from polejax._core.record import record, replace, static
from polejax._core.types import Array
from polejax.attacks.detection import as_played
from polejax.attacks.head_start import Identity, Run, fresh
from polejax.attacks.theft import Attempt
from polejax.consensus.mechanism import Claims, Views
from polejax.consensus.nodes import Nodes
from polejax.mechanisms.bank import Bank, learning_of
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.replay import Replay


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
        _check_plays(self.plays, scenario)
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
            return _where(self.plays, theirs, mine)

        return Claims(
            work=choose(honest.work, cheats.work),
            score=choose(honest.score, cheats.score),
            valid=finished | fallback,
            fallback=fallback,
            learning=jax.tree.map(choose, honest.learning, cheats.learning),
        )


@record
class LiveTheft:
    """Some nodes steal the model of the block that they build on, at every height: an adversary for live `PoLe`.

    A thief begins from that model in place of fresh weights, measures it behind its own layer at the first evaluation
    as everyone does, claims it if it passes, and else trains on. At the first height there is nothing to steal.

    A `change` of your own should not call `jnp.linalg`: LAPACK's batched calls may wait for each other for ever in
    programs of several CPU devices (jax 0.10.1). `polejax.rebasing` does without.

    Args:
      plays: bool[N], which nodes steal.
      change: static; how they carry the model over: a pure function of (mechanism, params, old layer, new layer) of one
        model, such as `polejax.rebasing.rebase`; None: it is taken as it is.

    Source: ours.
    """

    plays: Array
    change: Callable[..., Any] | None = static(default=None)

    def enter(self, scenario: Any) -> Any:
        """The scenario as it is really played; see `Adversary.enter`.

        Raises:
          ValueError: the mechanism is no `PoLe`, or there is not one entry of `plays` per node.
        """
        if not isinstance(scenario.mechanism, PoLe):
            raise ValueError(f"mechanism must be PoLe for live theft, got {type(scenario.mechanism).__name__}")
        _check_plays(self.plays, scenario)
        return replace(scenario, mechanism=Robbed(scenario.mechanism, self.plays, self.change), adversary=None)


@record
class Broadcast:
    """The model of the block that each node builds on, and whose layer it was trained behind; leading axis N."""

    params: Any
    tip: Array  # u32[N, 8], parent of that block
    address: Array  # u32[N], of its maker
    known: Array  # bool[N]: whether that block carries a model


@record
class Robbed:
    """Live Proof of Learning where some nodes begin from the model of the block that they build on."""

    mechanism: PoLe
    plays: Array  # bool[N]
    change: Callable[..., Any] | None = static()

    hashes_tips: ClassVar[bool] = True
    segment: ClassVar[int] = PoLe.segment

    @property
    def cached_lanes(self) -> int:
        """See `Mechanism.cached_lanes`."""
        return self.mechanism.cached_lanes

    @property
    def node_bytes(self) -> int:
        """See `Mechanism`."""
        return self.mechanism.node_bytes

    @property
    def initial_difficulty(self) -> Array:
        """f32[], what the first block demands."""
        return self.mechanism.initial_difficulty

    def open_queue(self, count: int) -> Broadcast:
        """No model at genesis; see `Mechanism`."""
        key = jax.random.key(0)
        who = Identity(key[None], jnp.zeros((1, 8), jnp.uint32), jnp.zeros(1, jnp.uint32))
        abstract = jax.eval_shape(lambda: fresh(self.mechanism, who))
        params = jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape[1:]), leaf.dtype), abstract)
        words = jnp.zeros((count, 8), jnp.uint32)
        return Broadcast(params, words, words[:, 0], jnp.zeros(count, bool))

    def extend_queue(self, key: Array, queue: Broadcast, interval: Array, claims: Claims) -> Broadcast:
        """The models that the nodes' own blocks would carry; see `Mechanism`."""
        return claims.model

    def race(self, key: Array, views: Views, nodes: Nodes, network: Any = None) -> Claims:
        """Claims of honest nodes and thieves, and their models; see `Mechanism.race`."""
        stolen: Broadcast = views.queue
        steals = self.plays & stolen.known

        def begin(params: Any, layer: Any) -> Any:
            taken = stolen.params
            if self.change is not None:
                old = jax.vmap(self.mechanism.layer_variables)(stolen.tip, stolen.address)
                taken = jax.vmap(functools.partial(self.change, self.mechanism))(taken, old, layer)
            return jax.tree.map(lambda mine, theirs: _where(steals, theirs, mine), params, taken)

        claims, params = self.mechanism.race_from(key, views, nodes, network, begin)
        carried = jnp.bool_(True) if self.mechanism.fallback == "best" else ~jnp.asarray(claims.fallback)
        known = jnp.broadcast_to(carried, nodes.address.shape)
        return replace(claims, model=Broadcast(params, views.tip, nodes.address, known))


def _check_plays(plays: Array, scenario: Any) -> None:
    count = scenario.nodes.count
    if np.shape(plays)[-1:] != (count,):
        raise ValueError(f"plays must have one entry per node ({count}), got shape {np.shape(plays)}")


def _where(mask: Array, mine: Array, theirs: Array) -> Array:
    return jnp.where(mask.reshape(-1, *(1,) * (mine.ndim - 1)), mine, theirs)


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
