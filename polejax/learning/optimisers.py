"""Optimisers: what steps networks take down their gradients; any of optax's that need no more than these."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from polejax._core.types import Array, Numeric, Tree

MakeOptimiser = Callable[[Array], optax.GradientTransformation]
"""From a learning rate f32[] to an optax optimiser."""


def momentum(learning_rate: Array) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum 0.9, the default optimiser: little arithmetic a step, little spread."""
    return optax.sgd(learning_rate, momentum=0.9)


def check_maker(make: MakeOptimiser) -> None:
    """Raise a ValueError unless `make` can be called with a learning rate; a class is not taken for a function."""
    if not callable(make) or isinstance(make, type):
        raise ValueError(
            f"make_optimiser must be a function of the learning rate, got {type(make).__name__}: pass optax.adam itself"
        )


def check_optimiser(make: MakeOptimiser, learning_rate: Numeric, params: Tree) -> None:
    """Try a step abstractly.

    Args:
      make: what a user passes as `make_optimiser`.
      learning_rate: f32[], or swept.
      params: shapes and types of one network's parameters.

    Raises:
      ValueError: `make` is no function of a learning rate, or does not make an optimiser that needs gradients and
        parameters alone, keeps the shapes of its state, and returns changes in the shapes and types of the parameters.
    """
    rate = jax.ShapeDtypeStruct((), jnp.float32)
    try:
        with jax.numpy_dtype_promotion("standard"):  # as in training
            before, changes, after = jax.eval_shape(lambda rate, params: _step(make(rate), params), rate, params)
    except Exception as error:  # of any kind: it is the user's function
        raise ValueError(
            f"make_optimiser must make an optimiser of gradients and parameters alone, got one that raises "
            f"{type(error).__name__} ({_first_line(error)}): pass one like optax.adam"
        ) from None
    for what, found, wanted in (("changes like the parameters", changes, params), ("the same state", after, before)):
        if jax.tree.map(_kind, found) != jax.tree.map(_kind, wanted):
            raise ValueError(f"make_optimiser must make an optimiser that returns {what}, got others: pass optax.adam")


def _step(optimiser: optax.GradientTransformation, params: Tree) -> tuple[Tree, Tree, Tree]:
    """State before a step, changes of the parameters, and state after it."""
    before = optimiser.init(params)
    changes, after = optimiser.update(params, before, params)
    return before, changes, after


def _kind(leaf: Any) -> tuple[tuple[int, ...], str]:
    return leaf.shape, str(leaf.dtype)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:100]
