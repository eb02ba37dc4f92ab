"""Optimisers: what steps networks take down their gradients; any of optax's that need no more than these."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from polejax._core.types import Array, Numeric, Tree

MakeOptimiser = Callable[[Array], optax.GradientTransformation]
"""From a learning rate f32[] to an optax optimiser."""


def momentum(learning_rate: Array) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum 0.9, the default optimiser: little arithmetic a step, little spread."""
    return optax.sgd(learning_rate, momentum=0.9)


def made(make: MakeOptimiser, learning_rate: Array) -> optax.GradientTransformation:
    """The optimiser that `make` makes of a learning rate f32[], which may be traced.

    Some of optax's schedules ask in Python whether the rate is 0 (`warmup_cosine_decay_schedule`), which a tracer
    cannot answer. Recipes have checked that it is positive, so such functions get a rate that knows this.
    """
    try:
        return make(learning_rate)
    except jax.errors.TracerBoolConversionError:
        return make(_Positive(learning_rate))  # type: ignore[arg-type]


class _Positive(np.lib.mixins.NDArrayOperatorsMixin):
    """A traced number that is known to be above 0: comparisons with 0 and less are decided, all else is traced."""

    shape, ndim, size, weak_type = (), 0, 1, False

    def __init__(self, rate: Array) -> None:
        self._rate = rate
        self.dtype = rate.dtype

    def __jax_array__(self) -> Array:
        return self._rate

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        first, second = (*inputs, None)[:2]
        flipped = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}
        name, other = (
            (ufunc.__name__, second) if first is self else (flipped.get(ufunc.__name__, ufunc.__name__), first)
        )
        if name in _DECIDED and isinstance(other, int | float | np.number) and other <= 0:
            return _DECIDED[name]
        return getattr(jnp, ufunc.__name__)(*(part._rate if part is self else part for part in inputs))


_DECIDED = {
    "equal": False,
    "not_equal": True,
    "less": False,
    "less_equal": False,
    "greater": True,
    "greater_equal": True,
}
"""What comparisons of a positive number with one that is not positive come to."""


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
            before, changes, after = jax.eval_shape(lambda rate, params: _step(made(make, rate), params), rate, params)
    except Exception as error:  # of any kind: it is the user's function
        remedy = "pass one like optax.adam"
        if isinstance(error, jax.errors.ConcretizationTypeError | jax.errors.TracerArrayConversionError):
            remedy = (
                "the learning rate is known only in the compiled program, so compute with it in JAX, or write a number"
            )
        raise ValueError(
            f"make_optimiser must make an optimiser of gradients and parameters alone, got one that raises "
            f"{type(error).__name__} ({_first_line(error)}): {remedy}"
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
