"""Checks of what users pass: each raises a ValueError that names the argument, its value and the remedy."""

import decimal
import math
import numbers as numbers_abc
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import ranges
from polejax._core.keys import GENERATOR
from polejax._core.types import Array, Key

_Word = TypeVar("_Word", bound=str)
_Kind = TypeVar("_Kind")

_LARGEST = 2**63 - 1  # whole number that arrays hold
_WIDTH = 60  # characters of a value in a message
_AXES = {1: "one axis", 2: "two axes", 3: "three axes"}


def is_traced(value: Any) -> bool:
    """Say whether a value is known only inside a transformation, where it can no longer be checked."""
    return isinstance(value, jax.core.Tracer)


def shown(value: Any) -> str:
    """A value as messages show it: one line of at most 60 characters, an array or object with what it is."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, np.ndarray | jax.Array) and np.ndim(value):
        kind = value.dtype.name if isinstance(value, np.ndarray) else str(value.dtype)
        return f"an array of {kind}, shape {value.shape}"
    try:
        text = repr(value)
    except Exception:  # an object's own `__repr__` may raise anything, as may that of a whole number of 5,000 digits
        text = f"a {type(value).__name__}"
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def kind(value: Any) -> str:
    """The name of a value's class; of a class that stands where an object belongs, that it is one."""
    return f"the class {value.__name__} itself" if isinstance(value, type) else type(value).__name__


def numbers(name: str, value: Any) -> np.ndarray:
    """Return an array of real numbers, of the type that NumPy gives it: what is no number is refused, not converted.

    It is the one place where polejax decides what a number is.

    Raises:
      ValueError: words, None, booleans, complex numbers, dates, records, masked arrays, keys, objects or ragged lists.
    """
    try:
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            raise _Masked
        if _is_key(value) or _has_flag(value):
            raise TypeError
        array = np.asarray(value)
        if array.dtype.kind == "O":  # whole numbers beyond 64 bits, fractions, decimals
            if not all(isinstance(part, numbers_abc.Number | decimal.Decimal) for part in array.ravel().tolist()):
                raise TypeError  # NumPy would read "600" as a number and None as NaN
            array = array.astype(np.float64)
        if array.dtype.kind not in "fiu" and array.dtype != jnp.bfloat16:
            raise TypeError  # NumPy would drop imaginary parts, and count days
    except OverflowError:
        raise ValueError(f"{name} must be finite, got {shown(value)}: no float32 is as large") from None
    except _Masked:
        raise ValueError(
            f"{name} must be numbers without a mask, got {shown(value)}: fill or leave out entries"
        ) from None
    except Exception:  # whatever an object's own `__array__` or `__float__` raises, and JAX of a deleted array
        raise ValueError(f"{name} must be a number or an array of numbers, got {shown(value)}") from None
    return array


def entries(name: str, value: Any) -> np.ndarray:
    """Return an array of real numbers, as `numbers`, or of booleans.

    Raises:
      ValueError: neither.
    """
    array = isinstance(value, np.ndarray | jax.Array) and value.dtype == bool and not np.ma.is_masked(value)
    flags = isinstance(value, list | tuple) and value and all(isinstance(part, bool | np.bool_) for part in value)
    return np.asarray(value) if array or flags else numbers(name, value)


class _Masked(ValueError):
    """A masked array was given, whose mask would be lost."""


def _is_key(value: Any) -> bool:
    """Whether a value is a JAX key: a typed one, or the words u32[..., 2] that `jax.random.PRNGKey` makes."""
    if not isinstance(value, jax.Array):
        return False
    return jnp.issubdtype(value.dtype, jax.dtypes.prng_key) or (value.dtype == jnp.uint32 and value.shape[-1:] == (2,))


def _has_flag(value: Any) -> bool:
    """Whether a value is a boolean, or a list with one in it."""
    if isinstance(value, list | tuple):
        return any(_has_flag(part) for part in value)
    return isinstance(value, bool | np.bool_)


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
    A tracer passes unchecked, but for its type and its axes.

    Raises:
      ValueError: not numbers, NaN, outside the bounds, or of another number of axes.
    """
    if is_traced(value):
        return _traced(name, value, ndim)
    given = numbers(name, value)
    with np.errstate(over="ignore", invalid="ignore"):
        array = given.astype(np.float32)
    ranges.check_kept(name, given, array)
    if ndim is not None and array.ndim != ndim:
        wanted = "one number" if ndim == 0 else f"numbers along {_AXES.get(ndim, ndim)}"
        raise ValueError(f"{name} must be {wanted}, got shape {array.shape}: reshape it")
    if not array.size:
        raise ValueError(f"{name} must hold at least one number, got shape {array.shape}")
    outside = np.isnan(array) | (array < low) | (array > high) | (array <= above) | (array >= below)
    if math.isinf(below) and infinite:
        outside = np.isnan(array) | (array < low) | (array <= above)
    elif not infinite:
        outside = outside | ~np.isfinite(array)
    outside = outside | (np.isinf(array) & np.isfinite(given))  # beyond float32
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        where = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        got = float(given[index])
        finite = "" if infinite or not np.isinf(array[index]) else "finite and "
        if np.isinf(array[index]) and math.isfinite(got):
            finite = f"at most {np.finfo(np.float32).max:g} and "
        raise ValueError(f"{name} must be {finite}{_bounds(low, high, above, below)}, got {got:g}{where}")
    return array


def number(name: str, value: Any, **bounds: Any) -> float:
    """Return one number, a Python float with all digits given, within the `bounds` of `real`.

    Raises:
      ValueError: not one number, or outside the bounds.
    """
    real(name, value, ndim=0, **bounds)
    return float(value)


def _traced(name: str, value: Any, ndim: int | None) -> Array:
    """A tracer, whose numbers cannot be checked: what is none, or has other axes than `ndim`, is refused."""
    dtype = jnp.result_type(value)
    if not (jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)):
        raise ValueError(f"{name} must be a number or an array of numbers, got a tracer of {dtype}")
    if ndim is not None and value.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {value.shape}: reshape it")
    return value


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
    return number("confidence", value, above=0.0, below=1.0)


def whole(name: str, value: Any, *, low: int = 0, high: int | None = None) -> int:
    """Return a Python integer within `low <= value <= high`.

    Raises:
      ValueError: not a whole number, or outside the bounds.
    """
    try:
        if is_traced(value) or _is_key(value) or _has_flag(value) or np.ndim(value):
            raise TypeError
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            value = numbers(name, value).item()  # dates would be whole numbers, too
        if not isinstance(value, numbers_abc.Number | decimal.Decimal):
            raise TypeError
        integer = int(value)  # type: ignore[arg-type]
        same = bool(integer == value)
    except Exception:  # of whatever kind, as an object's own methods may raise anything
        same, integer = False, 0
    if not same:
        raise ValueError(f"{name} must be a whole number, got {shown(value)}")
    if integer < low or integer > (_LARGEST if high is None else high):
        bounds = f"at least {low}" + ("" if high is None and integer < low else f" and at most {high or _LARGEST}")
        raise ValueError(f"{name} must be {bounds}, got {shown(integer)}")
    return integer


def one_of(name: str, value: Any, choices: tuple[_Word, ...]) -> _Word:
    """Return a word that is among the choices.

    Raises:
      ValueError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {shown(value)}")
    return choices[choices.index(value)]  # type: ignore[arg-type]


def text(name: str, value: Any) -> str:
    """Return a string.

    Raises:
      ValueError: it is none.
    """
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{name} must be a word in quotes, got {shown(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """Return True or False; words are refused, as "no" is true.

    Raises:
      ValueError: it is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def instance(name: str, value: Any, kind: type[_Kind], example: str) -> _Kind:
    """Return an object of a class; None and the class itself are refused.

    Args:
      name: of the argument.
      value: anything.
      kind: the class.
      example: how such an object is made, as in "polejax.PoW(work=600.0)".

    Raises:
      ValueError: it is of another class.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be made like {example}, got {shown(value)}")
    return value


def function(name: str, value: Any) -> Any:
    """Return what can be called; a class is not taken for a function.

    Raises:
      ValueError: it cannot.
    """
    if not callable(value) or isinstance(value, type):
        raise ValueError(f"{name} must be a function, got {shown(value)}")
    return value


def key(name: str, value: Any, ndim: int = 0) -> Key:
    """Return typed keys with `ndim` axes: one rule for every argument `key` (0) and `keys` (1).

    Raises:
      ValueError: not made by `jax.random.key`, of another generator than Threefry, or of another number of axes.
    """
    if not (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)):
        raise ValueError(f"{name} must be a typed JAX key, got {shown(value)}: make one with jax.random.key")
    generator = str(jax.random.key_impl(value))
    if generator != GENERATOR:
        remedy = f'make one with jax.random.key(seed, impl="{GENERATOR}")'
        raise ValueError(f"{name} must be of the generator {GENERATOR}, got {generator}: {remedy}")
    if value.ndim != ndim:
        wanted = "a single key" if ndim == 0 else "one axis of keys"
        raise ValueError(f"{name} must be {wanted}, got shape {value.shape}: use jax.vmap or jax.random.split")
    return value
