"""Cheating in the round: some nodes play a strategy against the Secure Mapping Layer, all others are honest.

`Cheating`: what an attempt does to a node's training (`polejax.attacks.theft`, `polejax.attacks.forging`) is recorded
in a bank of curves, as honest training is, and replayed. `LiveTheft`: nodes really steal the model of the block that
they build on and really train it on. Both are the same law but for what is stolen: every node has a new layer at every
height, keyed by a hash that nobody chose, so a stolen model owes nothing to the cheat's own, and successive attempts
are independent given it; but live it is the model of a block's winner, the first of all nodes', and from the bank that
of any node.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.keys import key_of
from polejax._core.record import Record, axes, convert, replace, static
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array, Key, Tree
from polejax.attacks.detection import as_played
from polejax.attacks.head_start import Identity, Run, fresh
from polejax.attacks.theft import Attempt, Change
from polejax.consensus.adversary import Adversary
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import MechanismWrapper
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario, check_count
from polejax.consensus.views import Views
from polejax.mechanisms.bank import Bank, trained_by
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.replay import Replay


class Cheating(Adversary):
    """Some nodes cheat at every height: an adversary (`polejax.attacks`) for scenarios whose mechanism is `Replay`.

    Args:
      bank: of the strategy's curves (`cheats_bank`).
      plays: bool[N], which nodes cheat.

    Source: ours.
    """

    bank: Bank
    plays: Array = axes(1)

    def __post_init__(self) -> None:
        checks.instance("bank", self.bank, Bank, "polejax.attacks.cheats_bank(mechanism, tried)")
        convert(self, plays=_checked_plays)

    def check(self, scenario: Scenario) -> None:
        """See `Adversary.check`: the mechanism must be a `Replay`, and `plays` have one entry per node."""
        if not isinstance(scenario.mechanism, Replay):
            raise ValueError(f"mechanism must be Replay for cheats, got {type(scenario.mechanism).__name__}: record it")
        check_count("plays", self.plays, scenario)

    def enter(self, scenario: Scenario) -> Scenario:
        """The scenario as it is really played; see `Adversary.enter`."""
        assert isinstance(scenario.mechanism, Replay)  # by `check`
        cheat = replace(scenario.mechanism, bank=self.bank, passage=None)
        return replace(scenario, mechanism=Cheated(scenario.mechanism, cheat, self.plays), adversary=None)


class Cheated(MechanismWrapper):
    """A mechanism that some nodes follow and others cheat.

    Attributes:
      mechanism: that honest nodes work by.
      cheat: the mechanism that the cheats work by.
      plays: bool[N], which nodes cheat.
    """

    mechanism: Replay
    cheat: Replay
    plays: Array = axes(1)

    def prepare(self, difficulty_is_fixed: bool) -> "Cheated":
        """The same around the mechanisms prepared."""
        honest, cheat = (one.prepare(difficulty_is_fixed) for one in (self.mechanism, self.cheat))
        return replace(self, mechanism=honest, cheat=cheat)

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of honest nodes and cheats; where nobody finishes, the first to give up makes the block (ours)."""
        honest = self.mechanism.race(key, views, nodes, listening)
        cheats = self.cheat.race(jax.random.fold_in(key, 1), views, nodes, listening)
        finished = jnp.where(self.plays, _finished(cheats), _finished(honest))
        fallback = ~finished.any()

        def choose(mine: Array, theirs: Array) -> Array:
            return _where(self.plays, theirs, mine)

        ends = [jnp.inf if claims.censored is None else claims.censored for claims in (honest, cheats)]
        censored = honest.censored is not None or cheats.censored is not None
        return Claims(
            work=choose(honest.work, cheats.work),
            score=choose(honest.score, cheats.score),
            valid=finished | fallback,
            fallback=fallback,
            learning=jax.tree.map(choose, honest.learning, cheats.learning),
            censored=jnp.where(self.plays, ends[1], ends[0]) if censored else None,
        )


class LiveTheft(Adversary):
    """Some nodes steal the model of the block that they build on, at every height: an adversary for live `PoLe`.

    A thief begins from that model in place of fresh weights, measures it behind its own layer at the first evaluation
    as everyone does, claims it if it passes, and else trains on. At the first height there is nothing to steal.

    A `change` of your own should not call `jnp.linalg`: LAPACK's batched calls may wait for each other for ever in
    programs of several CPU devices (jax 0.10.1). `polejax.attacks.rebasing` does without.

    Args:
      plays: bool[N], which nodes steal.
      change: static; how they carry the model over: a pure function of (recipe, params, old layer, new layer) of one
        model, such as `polejax.attacks.rebasing.rebase`; None: it is taken as it is.

    Source: ours.
    """

    plays: Array = axes(1)
    change: Change | None = static(default=None)

    def __post_init__(self) -> None:
        convert(self, plays=_checked_plays)
        if self.change is not None:
            checks.function("change", self.change)

    def check(self, scenario: Scenario) -> None:
        """See `Adversary.check`: the mechanism must be a `PoLe`, and `plays` have one entry per node."""
        if not isinstance(scenario.mechanism, PoLe):
            kind = type(scenario.mechanism).__name__
            raise ValueError(f"mechanism must be PoLe for live theft, got {kind}: use polejax.attacks.Cheating")
        check_count("plays", self.plays, scenario)

    def enter(self, scenario: Scenario) -> Scenario:
        """The scenario as it is really played; see `Adversary.enter`."""
        assert isinstance(scenario.mechanism, PoLe)  # by `check`
        return replace(scenario, mechanism=Robbed(scenario.mechanism, self.plays, self.change), adversary=None)


class Broadcast(Record):
    """The model of the block that each node builds on, and whose layer it was trained behind; leading axis N.

    Attributes:
      params: of the model.
      tip: u32[N, 8], parent of that block.
      address: u32[N], of its maker.
      known: bool[N]: whether that block carries a model.
    """

    params: Tree
    tip: Array
    address: Array
    known: Array


class Robbed(MechanismWrapper):
    """Live Proof of Learning where some nodes begin from the model of the block that they build on.

    Attributes:
      mechanism: that honest nodes work by.
      plays: bool[N], which nodes steal.
      change: as in `LiveTheft`.
    """

    mechanism: PoLe
    plays: Array = axes(1)
    change: Change | None = static()

    def begin_branch(self, count: int) -> Broadcast:
        """No model at genesis; see `Mechanism.begin_branch`."""
        key = key_of(0)
        who = Identity(key[None], jnp.zeros((1, 8), jnp.uint32), jnp.zeros(1, jnp.uint32))
        abstract = jax.eval_shape(lambda: fresh(self.mechanism.recipe, who))
        params = jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape[1:]), leaf.dtype), abstract)
        words = jnp.zeros((count, 8), jnp.uint32)
        return Broadcast(params, words, words[:, 0], jnp.zeros(count, bool))

    def extend_branch(self, key: Key, branch: Broadcast, interval: Array, claims: Claims) -> Broadcast:
        """The models that the nodes' own blocks would carry; see `Mechanism.extend_branch`."""
        carried: Broadcast = claims.carried
        return carried

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of honest nodes and thieves, and their models; see `Mechanism.race`."""
        stolen: Broadcast = views.branch
        steals = self.plays & stolen.known

        def begin(params: Tree, layer: Tree) -> Tree:
            recipe, taken = self.mechanism.recipe, stolen.params
            if self.change is not None:
                old = jax.vmap(recipe.layer_variables)(stolen.tip, stolen.address)
                taken = jax.vmap(functools.partial(self.change, recipe))(taken, old, layer)
            return jax.tree.map(lambda mine, theirs: _where(steals, theirs, mine), params, taken)

        claims, params = self.mechanism.race_from(key, views, nodes, listening, begin)
        carried = jnp.bool_(True) if self.mechanism.rules.fallback == "best" else ~jnp.asarray(claims.fallback)
        known = jnp.broadcast_to(carried, nodes.address.shape)
        return replace(claims, carried=Broadcast(params, views.tip, nodes.address, known))


def _checked_plays(plays: Array) -> Array:
    """Which nodes deviate, bool[N], once it says so for each."""
    if not checks.is_traced(plays) and checks.entries("plays", plays).dtype != bool:
        raise ValueError(f"plays must be bool[N], True for each node that cheats, got {checks.shown(plays)}")
    return plays


def _where(mask: Array, mine: Array, theirs: Array) -> Array:
    return jnp.where(mask.reshape(-1, *(1,) * (mine.ndim - 1)), mine, theirs)


def _finished(claims: Claims) -> Array:
    return jnp.where(jnp.asarray(claims.fallback), False, claims.valid)


@checked
@single("mechanism")
@steady
def cheats_bank(mechanism: PoLe, tried: Attempt) -> Bank:
    """A bank of a strategy's curves, one per seed, for `Cheating`.

    Args:
      mechanism: the `PoLe` that was attacked.
      tried: `Attempt` of S seeds; its cost delays it by whole evaluation periods.
    """
    return _bank(mechanism, *as_played(mechanism, tried))


@checked
@single("mechanism")
@steady
def honest_bank(mechanism: PoLe, run: Run) -> Bank:
    """A bank of honest runs' curves, one per seed, without the evaluation before training."""
    return _bank(mechanism, np.asarray(run.validation)[:, 1:], np.asarray(run.test)[:, 1:])


def _bank(mechanism: PoLe, validation: Array, test: Array) -> Bank:
    recipe, steps = mechanism.recipe, mechanism.recipe.evaluate_every * np.shape(test)[1]
    none, trained = np.zeros(len(test), bool), trained_by(recipe)
    return Bank(validation, test, none, recipe.evaluate_every, trained, max_steps=max(recipe.max_steps, steps))
