"""The contract of mechanisms: claims depend on key, address and difficulty alone, and have the promised shapes."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.keys import key_of
from polejax._core.record import replace
from polejax._core.switches import steady
from polejax._core.types import Array, Key
from polejax.consensus import shapes
from polejax.consensus.claims import Claims
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.nodes import Nodes
from polejax.consensus.round import genesis
from polejax.consensus.scenario import Scenario, ready, try_round
from polejax.consensus.simulate import simulate
from polejax.consensus.testing.pytrees import check_pytree, differs
from polejax.network.clique import clique

_HARDER = 16.0  # times the difficulty: a search for hashes then seldom ends where it did
_BLOCKS = 6


@checked
@steady
def check_mechanism(
    mechanism: Mechanism,
    *,
    nodes: Nodes | None = None,
    key: Key | None = None,
    random: bool = True,
    answers: bool = True,
    independent: bool | None = None,
) -> None:
    """Test a mechanism against its contract (`polejax.Mechanism`); call it in your own tests.

    It checks: shapes and types of all results, those of branches and of looked-up claims included; no claim has NaN or
    negative work; the same key gives the same claims, another key others; claims depend on addresses, not on the order
    of nodes or on which other nodes there are; claims are the same before and after `prepare`, alone and under
    `jax.vmap`; another difficulty gives other work; a short chain has no flawed height. Numbers are compared up to
    float32 rounding.

    Args:
      mechanism: any `Mechanism`, a single one.
      nodes: at least 2, with which to test it; None: five of different power and address.
      key: typed key; None: key 0.
      random: whether another key gives other claims; False for a law without chance.
      answers: whether work depends on the difficulty, if the difficulty is an amount of work; False for a law whose
        work does not.
      independent: whether a node's claim is independent of other nodes' when it does not listen; None: yes if work is
        drawn from a law (`Claims.computed` is None).

    Raises:
      ValueError: the contract is broken; the message names the part, its value and the remedy.
    """
    if not isinstance(mechanism, Mechanism):
        raise ValueError(f"mechanism must be a polejax.Mechanism, got {shapes.word(mechanism)}: subclass it")
    key = key_of(0) if key is None else checks.key("key", key)
    if nodes is None:
        nodes = Nodes(np.asarray([5, 4, 3, 2, 1], np.float32) / 15, np.asarray([7, 300, 2, 2**31, 11]))
    checks.whole("nodes.count", nodes.count, low=2)
    name = type(mechanism).__name__
    check_pytree(name, mechanism)
    scenario = Scenario(nodes, clique(nodes.count, seconds=1.0), mechanism)
    try_round(scenario)
    initial = float(mechanism.initial_difficulty)
    if not np.isfinite(initial):
        raise ValueError(
            f"{name}.initial_difficulty must be finite, got {initial:g}: it is what the first block demands"
        )

    claims = _race(key, scenario, 1.0)
    _check_values(name, claims)
    _check_looked_up(name, scenario, claims)
    _check_chance(name, scenario, claims, key, random)
    _check_addresses(name, scenario, claims, key, independent)
    _check_prepared(name, scenario, claims, key)
    if answers and mechanism.difficulty_unit == "work" and not differs(_race(key, scenario, _HARDER).work, claims.work):
        raise ValueError(
            f"{name}.race must answer the difficulty, got the same work at {_HARDER:g} times as much: use "
            "views.difficulty, or pass answers=False"
        )
    _check_chain(name, scenario, key)


def _raced(key: Key, scenario: Scenario, harder: Any) -> Claims:
    """Claims of the first height at `harder` times the initial difficulty, with nothing to listen to."""
    views = genesis(key, scenario)
    views = replace(views, difficulty=views.difficulty * jnp.float32(harder))
    return scenario.mechanism.race(key, views, scenario.nodes.at(views.height), None)


@jax.jit
def _race(key: Key, scenario: Scenario, harder: Any) -> Claims:
    return _raced(key, ready(scenario), harder)


@functools.partial(jax.jit, static_argnums=2)
def _race_prepared(key: Key, scenario: Scenario, difficulty_is_fixed: bool | None) -> Claims:
    """Claims of a mechanism that was prepared for one kind of difficulty rule; None: that was not prepared."""
    scenario = jax.tree.map(jnp.asarray, scenario)
    if difficulty_is_fixed is not None:
        scenario = replace(scenario, mechanism=scenario.mechanism.prepare(difficulty_is_fixed))
    return _raced(key, scenario, 1.0)


@jax.jit
def _race_each(keys: Key, scenario: Scenario) -> Claims:
    return jax.vmap(lambda key: _raced(key, ready(scenario), 1.0))(keys)


def _check_values(name: str, claims: Claims) -> None:
    """Claims that are some, and not flawed."""
    work, score, valid = (np.asarray(part) for part in (claims.work, claims.score, claims.valid))
    for node in np.flatnonzero(valid & ~(work >= 0.0))[:1]:
        raise ValueError(
            f"{name}.race: work must be at least 0, got {work[node]:g} at node {node}: such a claim is flawed"
        )
    for node in np.flatnonzero(valid & np.isnan(score))[:1]:
        raise ValueError(f"{name}.race: score must be a number, got nan at node {node}: such a claim is flawed")
    if not (valid & np.isfinite(work)).any():
        raise ValueError(
            f"{name}.race: some claim must be valid and of finite work, got none: else no block is made; a fallback may"
        )


def _check_looked_up(name: str, scenario: Scenario, claims: Claims) -> None:
    if claims.reference is None:
        return

    @jax.jit
    def look_up(scenario: Scenario, reference: Array, fallback: Array) -> Any:
        scenario = ready(scenario)
        difficulty = genesis(key_of(0), scenario).difficulty
        return scenario.mechanism.look_up(reference, difficulty, jnp.broadcast_to(fallback, reference.shape))

    fallback = jnp.bool_(False) if claims.fallback is None else claims.fallback
    evidence = look_up(scenario, claims.reference, fallback)
    for part in ("score", "learning"):
        if differs(getattr(evidence, part), getattr(claims, part)):
            raise ValueError(f"{name}.look_up must tell the {part} that race told of the same claims: it tells another")


def _check_chance(name: str, scenario: Scenario, claims: Claims, key: Key, random: bool) -> None:
    keys = jnp.stack([key, jax.random.fold_in(key, 1)])
    if differs(_race(key, scenario, 1.0), claims, exactly=True):
        raise ValueError(f"{name}.race must give the same claims from the same key: draw from `key` alone")
    other = _race(keys[1], scenario, 1.0)
    if random and not differs(other.work, claims.work):
        raise ValueError(f"{name}.race must give other work from another key: draw from `key`, or pass random=False")
    for number, wanted in enumerate((claims, other)):
        if differs(jax.tree.map(lambda leaf, number=number: leaf[number], _race_each(keys, scenario)), wanted):
            raise ValueError(f"{name}.race must give the same claims alone and under jax.vmap: it gives others")


def _check_addresses(name: str, scenario: Scenario, claims: Claims, key: Key, independent: bool | None) -> None:
    """Claims follow the nodes, and do not ask who else is there."""
    nodes, count = scenario.nodes, scenario.nodes.count
    order = np.roll(np.arange(count)[::-1], 1)
    if differs(_race(key, _reordered(scenario, order), 1.0), _of(claims, order, count)):
        raise ValueError(
            f"{name}.race must give each node the same claim in whatever order the nodes are: draw by nodes.address "
            "(polejax.mechanisms.draw), not by position"
        )
    if independent is None:
        independent = claims.computed is None
    others = np.arange(count - 1)
    address, power = (np.array(part) for part in (nodes.address, nodes.power))
    address[-1], power[-1] = min(set(range(count)) - set(address[:-1].tolist())), 2.0 * power[-1]
    replaced = replace(scenario, nodes=Nodes(power, address))
    if independent and differs(_of(_race(key, replaced, 1.0), others, count), _of(claims, others, count)):
        raise ValueError(
            f"{name}.race must give each node the same claim whoever else is there, but others change with the last "
            "node's address and power: draw by nodes.address, or pass independent=False"
        )


def _reordered(scenario: Scenario, order: np.ndarray) -> Scenario:
    """The scenario with its nodes in another order; arrays [N] of the mechanism are taken for the nodes', too."""
    count = scenario.nodes.count
    mechanism = jax.tree.map(lambda leaf: leaf[order] if np.shape(leaf) == (count,) else leaf, scenario.mechanism)
    nodes = Nodes(np.asarray(scenario.nodes.power)[order], np.asarray(scenario.nodes.address)[order])
    return replace(scenario, nodes=nodes, mechanism=mechanism)


def _of(claims: Claims, chosen: np.ndarray, count: int) -> Claims:
    """The claims of the chosen nodes only."""
    of: Claims = jax.tree.map(lambda leaf: np.asarray(leaf)[chosen] if leaf.shape[:1] == (count,) else leaf, claims)
    return of


def _check_prepared(name: str, scenario: Scenario, claims: Claims, key: Key) -> None:
    mechanism = scenario.mechanism
    if mechanism.prepare(True) is mechanism and mechanism.prepare(False) is mechanism:
        return
    for difficulty_is_fixed in (None, False):  # `ready` prepared it for a fixed one
        if differs(_race_prepared(key, scenario, difficulty_is_fixed), claims):
            raise ValueError(
                f"{name}.prepare must keep the claims of race as they are, but they are others "
                f"{'without it' if difficulty_is_fixed is None else f'after prepare({difficulty_is_fixed})'}"
            )


def _check_chain(name: str, scenario: Scenario, key: Key) -> None:
    """A short chain, whose branches are extended."""
    history = jax.jit(simulate, static_argnums=2)(key, scenario, _BLOCKS)
    flawed = np.asarray(history.flawed)
    if flawed.any():
        raise ValueError(
            f"{name}.race: a claim of height {flawed.argmax() + 1} is flawed: its work or score is NaN, or "
            "its work negative"
        )
    interval = np.asarray(history.interval)
    for height in np.flatnonzero(~np.isfinite(interval))[:1]:
        raise ValueError(
            f"{name}: the block of height {height + 1} must be made in finite time, got {interval[height]:g}"
        )
