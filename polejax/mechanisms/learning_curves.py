"""Curves: many networks trained at once to a fixed budget, for a bank."""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, lanes
from polejax._core.describe import as_text, describe
from polejax._core.folder import Folder
from polejax._core.types import Array
from polejax.learning import training
from polejax.learning.recipe import Recipe
from polejax.mechanisms import bank
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.pole import PoLe

DEFAULT_STEPS = 400
"""Training steps of a bank's curves unless told otherwise: 4,096 curves of the digits have all passed 0.9 by then."""

Progress = Callable[[int, int], None]  # curves done, curves in all

_BLOCKS_PER_CALL = 8  # so that a bank of any size reports and is saved every few seconds


def learning_curves(
    key: Array,
    mechanism: PoLe | Recipe,
    num_curves: int,
    *,
    num_evaluations: int | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: list[Any] | None = None,
    progress: Progress | None = None,
) -> Bank:
    """Train networks by a recipe to a fixed budget and record their accuracies.

    Every curve has a random tip and address, hence its own Secure Mapping Layer, and its own initialisation and
    shuffle, all by its number: a larger bank of the same key begins with the smaller one's curves.

    Args:
      key: typed key.
      mechanism: a `PoLe`, of which only the recipe plays a part, or a `Recipe`.
      num_curves: B.
      num_evaluations: K, one every `evaluate_every` steps of the recipe; None: 400 steps' worth, or its `max_steps`
        if that is less. A replayed node gives up where its curve ends, so nearly all curves should pass the
        thresholds of interest (`Bank.share_reaching`).
      out: folder to save the curves to as they are trained, some thousand at a time; a run that was killed goes on
        where it stopped, and one for more curves adds to those of the last. None: they are kept in memory only.
      devices: to train on; None: all local ones.
      progress: called with (curves done, curves in all).

    Returns:
      `Bank` of NumPy arrays [B, K].

    Raises:
      ValueError: an untyped key, a mechanism that is no `PoLe`, or a count below 1 or beyond `max_steps`.
      StudyError: `out` holds another bank, is in use, damaged, full or cannot be written; in one line.
    """
    checks.key("key", key)
    num_curves = checks.whole("num_curves", num_curves, low=1)
    recipe = recipe_of(mechanism)
    num_evaluations = _checked_evaluations(recipe, num_evaluations)
    devices = devices or jax.local_devices()
    share = -(-num_curves // len(devices))
    lanes_ = lanes.in_lockstep(share, recipe.cached_lanes, recipe.node_bytes, devices)
    width = lanes_ * len(devices)
    blocks = -(-num_curves // width)
    chunk = width * -(-blocks // -(-blocks // _BLOCKS_PER_CALL))  # calls of equal size, so that one program serves all
    train = functools.partial(_train_chunk, key, recipe, num_evaluations, lanes_, tuple(devices))
    if out is None:
        return _collect(train, num_curves, chunk, [], None, progress)
    folder = Folder(out, "bank")
    trained = bank.learning_of(recipe)
    with folder.locked():
        manifest = {"trained": trained, "key": describe(key), "num_evaluations": num_evaluations, "chunk": chunk}
        chunk = int(folder.begin(manifest, ("trained", "key", "num_evaluations"))["chunk"])
        saved = [part for _, part in bank.saved_parts(folder)]
        return _collect(train, num_curves, chunk, saved, folder, progress)


def _collect(
    train: Callable[[int, int], Bank],
    num_curves: int,
    chunk: int,
    saved: list[Bank],
    folder: Folder | None,
    progress: Progress | None,
) -> Bank:
    """The first `num_curves` curves: those saved, and the others trained, and saved, chunk by chunk."""
    parts = list(saved)
    for first in range(chunk * len(parts), num_curves, chunk):
        part = train(first, chunk)
        if folder is not None:
            folder.write(bank.part_name(first), part.variables(), {**part.attributes(), "first_curve": first})
        parts.append(part)
        if progress is not None:
            progress(min(first + chunk, num_curves), num_curves)
    return bank.join(parts).cut(0, num_curves)


def _train_chunk(
    key: Array,
    recipe: Recipe,
    num_evaluations: int,
    lanes_: int,
    devices: tuple[Any, ...],
    first: int,
    count: int,
) -> Bank:
    """Curves `first` to `first + count - 1`, and as many more as fill the lanes of all devices, cut off."""
    padded = -(-count // (lanes_ * len(devices))) * lanes_ * len(devices)
    numbers = np.arange(first, first + padded, dtype=np.uint32)
    train = _train(num_evaluations, lanes_, devices)
    curves = train(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers), jax.tree.map(jnp.asarray, recipe))
    validation, test, diverged, held_out = jax.tree.map(lambda part: np.asarray(part)[:count], curves)
    return Bank(validation, test, diverged, recipe.evaluate_every, as_text(bank.learning_of(recipe)), held_out)


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


def _checked_evaluations(recipe: Recipe, num_evaluations: int | None) -> int:
    most = recipe.max_steps // recipe.evaluate_every
    if num_evaluations is None:
        return max(1, min(most, DEFAULT_STEPS // recipe.evaluate_every))
    return checks.whole("num_evaluations", num_evaluations, low=1, high=most)


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

    def stretch(networks: training.Training, _: None) -> tuple[training.Training, tuple[Array, list[Array]]]:
        networks = training.train(recipe, material, networks, recipe.evaluate_every)
        judged = [training.judge(*judge, networks.params) for judge in zip(judges, inputs, strict=True)]
        return networks, (training.validate(recipe, material, networks.params), judged)

    networks = training.begin(recipe, start, material)
    networks, (validation, judged) = jax.lax.scan(stretch, networks, length=num_evaluations)
    test, held_out = (*judged, None)[:2]
    return validation.T, test.T, training.diverged(networks.params), None if held_out is None else held_out.T
