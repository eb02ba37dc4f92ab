"""The program of a recipe: what its training computes, by which a bank of its curves is known."""

import jax
import jax.numpy as jnp

from polejax._core.fingerprint import Traced, fingerprint
from polejax._core.keys import key_of
from polejax._core.types import Array, Key
from polejax.learning import training
from polejax.learning.recipe import Recipe


def program_of(recipe: Recipe, memo: Traced | None = None) -> str:
    """SHA-256, in hexadecimal, of what a recipe's training computes: task, layer, model and optimiser.

    `memo` is `fingerprint`'s: what has been traced before is not traced again.

    `max_steps` is no part of it, nor are the names of functions and classes.

    Raises:
      Unidentified: the training calls a function on the host.
    """
    key = jax.ShapeDtypeStruct((1,), key_of(0).dtype)
    words = jax.ShapeDtypeStruct((1, 8), jnp.uint32)
    return fingerprint(_evaluated, key, words, recipe, label="training", memo=memo)


def _evaluated(keys: Key, words: Array, recipe: Recipe) -> list[Array]:
    """The accuracies of one network after one evaluation's steps, on all samples that judge it."""
    material = training.prepare(recipe, keys, words, words[:, 0])
    networks = training.begin(recipe, keys, material)
    params = training.train(recipe, material, networks, recipe.evaluate_every).params
    judges = [recipe] if recipe.holdout is None else [recipe, recipe.held_out]
    tested = [training.judge(one, training.map_test_inputs(one, material.layer), params) for one in judges]
    return [training.validate(recipe, material, params), *tested]
