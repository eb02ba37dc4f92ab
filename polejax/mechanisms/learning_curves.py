"""Learning curves: many networks trained at once to a fixed budget, in memory; `polejax.studies.banks` keeps them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, lanes
from polejax._core.types import Array, Key
from polejax.learning import training
from polejax.learning.recipe import Recipe
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.pole import PoLe

DEFAULT_STEPS = 400
"""Training steps of a bank's curves unless told otherwise.

4,096 curves of the digits have all passed 0.9 by then. All 2,000 steps of the default recipe would take five times as
long, for numbers that no replayed block looks up; where a threshold needs them, `Replay` refuses the bank.
"""

_BLOCKS_PER_CALL = 8  # so that a bank of any size reports and is saved every few seconds


def trainer(
    key: Key, recipe: Recipe, trained: str, num_curves: int, num_evaluations: int, devices: list[Any] | None
) -> tuple[Callable[[int, int], Bank], int]:
    """How to train the curves of a bank call by call.

    Args:
      key: typed key; a curve depends on it and on its own number alone.
      recipe: what the networks are trained by.
      trained: what banks say of it (`bank.trained_by`).
      num_curves: of the bank.
      num_evaluations: K, checked.
      devices: to train on; None: all local ones.

    Returns:
      A function that trains curves (first number, how many), and how many to train in a call.
    """
    cached, held = recipe.cached_lanes, recipe.node_bytes
    layout = lanes.lay_out(num_curves, devices, cached=cached, held=held, even=False)
    # Calls of equal size, so that one program serves all.
    chunk = layout.width * -(-layout.turns // -(-layout.turns // _BLOCKS_PER_CALL))
    return functools.partial(_train_chunk, key, recipe, trained, num_evaluations, layout.lanes, layout.devices), chunk


def _train_chunk(
    key: Key,
    recipe: Recipe,
    trained: str,
    num_evaluations: int,
    lanes_: int,
    devices: tuple[Any, ...],
    first: int,
    count: int,
) -> Bank:
    """Curves `first` to `first + count - 1`."""
    layout = lanes.Layout(count, lanes_, devices)
    numbers = np.arange(first, first + count, dtype=np.uint32)
    keys = layout.pad(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers))
    curves = _train(num_evaluations, lanes_, devices)(keys, jax.tree.map(jnp.asarray, recipe))
    validation, test, diverged, held_out = layout.cut(curves)
    return Bank(validation, test, diverged, recipe.evaluate_every, trained, held_out, recipe.max_steps)


def recipe_of(mechanism: PoLe | Recipe) -> Recipe:
    """What a mechanism's networks are trained by.

    Raises:
      ValueError: it trains none.
    """
    if isinstance(mechanism, PoLe):
        return mechanism.recipe
    if not isinstance(mechanism, Recipe):
        raise ValueError(f"mechanism must be a polejax.PoLe, got {type(mechanism).__name__}: only PoLe learns")
    return mechanism


def checked_evaluations(recipe: Recipe, num_steps: int | None) -> int:
    """Evaluations K within so many steps; None: `DEFAULT_STEPS`, or the recipe's `max_steps` if that is less.

    Raises:
      ValueError: fewer steps than to the first evaluation, or more than `max_steps`.
    """
    every, most = recipe.evaluate_every, recipe.max_steps
    if num_steps is None:
        return max(1, min(most, DEFAULT_STEPS) // every)
    return checks.whole("num_steps", num_steps, low=every, high=most) // every


@functools.cache
def _train(num_evaluations: int, lanes_: int, devices: tuple[Any, ...]) -> Any:
    block = functools.partial(_curves, num_evaluations=num_evaluations)
    return lanes.sharded(block, lanes_, devices, (1,), 2)


def _curves(keys: Array, recipe: Recipe, num_evaluations: int) -> tuple[Array, Array, Array, Array | None]:
    """Validation and test accuracy f32[lanes, K] of a block of curves, whether they diverged, held-out accuracy."""
    identity, order, start = jax.vmap(lambda key: tuple(jax.random.split(key, 3)))(keys)
    words = jax.vmap(lambda key: jax.random.bits(key, (9,), jnp.uint32))(identity)
    material = training.prepare(recipe, order, words[:, :8], words[:, 8])
    judges = [recipe] if recipe.holdout is None else [recipe, recipe.held_out]
    inputs = [training.map_test_inputs(judge, material.layer) for judge in judges]

    def stretch(networks: training.Training, _: None) -> tuple[training.Training, tuple[Array, Array, list[Array]]]:
        networks = training.train(recipe, material, networks, recipe.evaluate_every)
        judged = [training.judge(*judge, networks.params) for judge in zip(judges, inputs, strict=True)]
        return networks, (
            training.validate(recipe, material, networks.params),
            training.diverged(networks.params),
            judged,
        )

    networks = training.begin(recipe, start, material)
    _, (validation, diverged, judged) = jax.lax.scan(stretch, networks, length=num_evaluations)
    test, *held_out = (accuracy.T for accuracy in judged)
    return validation.T, test, diverged.T, held_out[0] if held_out else None
