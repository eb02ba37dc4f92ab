"""Checks of what users pass: each raises a ValueError that names the argument, its value and the remedy."""

import math
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import ranges
from polejax._core.keys import GENERATOR
from polejax._core.types import Array, Key

_Word = TypeVar("_Word", bound=str)


def is_traced(value: Any) -> bool:
    """Say whether a value is known only inside a transformation, where it can no longer be checked."""
    return isinstance(value, jax.core.Tracer)


def real(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    ndim: int | None = None,
    infinite: bool = False,
) -> Array:
    """Return a finite float32 array within `low <= value <= high` and `above < value < below`.

    `ndim` fixes the number of axes (None: any, so that a swept field may carry leading axes); `infinite` admits inf.
    A tracer passes unchecked.

    Raises:
      ValueError: not numbers, NaN, outside the bounds, or of another number of axes.
    """
    if is_traced(value):
        return value
    try:
        array = np.asarray(value)
        words = array.dtype.kind == "O" and any(isinstance(part, str | bytes | None) for part in array.ravel().tolist())
        if words or array.dtype.kind in "USc":
            raise TypeError  # NumPy would read "600" as a number and None as NaN, and drop imaginary parts
        wide = array
        with np.errstate(over="ignore", invalid="ignore"):
            array = wide.astype(np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number or an array of numbers, got {value!r}") from None
    ranges.check_kept(name, wide, array)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}: reshape it")
    outside = np.isnan(array) | (array < low) | (array > high) | (array <= above) | (array >= below)
    if math.isinf(below) and infinite:
        outside = np.isnan(array) | (array < low) | (array <= above)
    elif not infinite:
        outside = outside | ~np.isfinite(array)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        where = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        finite = "finite and " if np.isinf(array[index]) and not infinite else ""
        raise ValueError(f"{name} must be {finite}{_bounds(low, high, above, below)}, got {array[index]:g}{where}")
    return array


def _bounds(low: float, high: float, above: float, below: float) -> str:
    parts = []
    if math.isfinite(above):
        parts.append(f"above {above:g}")
    if math.isfinite(low):
        parts.append(f"at least {low:g}")
    if math.isfinite(below):
        parts.append(f"below {below:g}")
    if math.isfinite(high):
        parts.append(f"at most {high:g}")
    return " and ".join(parts) or "a number"


def confidence(value: Any) -> float:
    """Return a confidence in (0, 1).

    Raises:
      ValueError: it is not.
    """
    real("confidence", value, above=0.0, below=1.0, ndim=0)
    return float(value)  # as the user gave it: `real` rounds to float32


def whole(name: str, value: Any, *, low: int = 0, high: int | None = None) -> int:
    """Return a Python integer within `low <= value <= high`.

    Raises:
      ValueError: not a whole number, or outside the bounds.
    """
    try:
        number = int(value)
        same = number == value
    except (TypeError, ValueError, OverflowError):
        same, number = False, 0
    if not same or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if number < low or (high is not None and number > high):
        bounds = f"at least {low}" + ("" if high is None else f" and at most {high}")
        raise ValueError(f"{name} must be {bounds}, got {number}")
    return number


def one_of(name: str, value: Any, choices: tuple[_Word, ...]) -> _Word:
    """Return a word that is among the choices.

    Raises:
      ValueError: it is not.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    return choices[choices.index(value)]


def flag(name: str, value: Any) -> bool:
    """Return True or False.

    Raises:
      ValueError: it is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value


def key(name: str, value: Any, ndim: int = 0) -> Key:
    """Return typed keys with `ndim` axes: one rule for every argument `key` (0) and `keys` (1).

    Raises:
      ValueError: not made by `jax.random.key`, of another generator than Threefry, or of another number of axes.
    """
    if not (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)):
        raise ValueError(f"{name} must be a typed JAX key, got {value!r}: make one with jax.random.key")
    generator = str(jax.random.key_impl(value))
    if generator != GENERATOR:
        remedy = f'make one with jax.random.key(seed, impl="{GENERATOR}")'
        raise ValueError(f"{name} must be of the generator {GENERATOR}, got {generator}: {remedy}")
    if value.ndim != ndim:
        wanted = "a single key" if ndim == 0 else "one axis of keys"
        raise ValueError(f"{name} must be {wanted}, got shape {value.shape}: use jax.vmap or jax.random.split")
    return value
