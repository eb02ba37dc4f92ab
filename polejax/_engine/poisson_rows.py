"""Rows: sums over the first axis of arrays whose last axis is lanes, as CPUs make them fast; for `polejax.passes`.

On CPUs a compiled loop makes one array, and makes it anew for everyone who asks, but not across the branches of a
condition: so each function here and there is a branch that is always taken (`Maker`). Within one, arrays of bytes that
are added up side by side keep the processor's vectors full, where a reduction along rows would not (ours).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from polejax._core.types import Array

_BYTE = 15  # times 16 is the most that a byte holds


class Maker(NamedTuple):
    """Has functions compiled by themselves, their results kept in memory."""

    always: Array | None  # bool[], true, which the compiler does not know; None: not on a CPU, where it costs time

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function makes of arrays. Cuts are made for free in it, and cost a copy among the arguments."""
        if self.always is None:
            return function(*arguments)

        def never(*arguments: Any) -> Any:
            shapes = jax.eval_shape(function, *arguments)
            return jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), shapes)

        return jax.lax.cond(self.always, function, never, *arguments)


def folded(operation: Callable[[Array, Array], Array], array: Array, times: int | None = None) -> Array:
    """Rows R / `times` that each come of so many of an array's [..., R, L]; None: of all, [..., L]."""
    every = array.shape[-2] if times is None else times
    groups = array.reshape(*array.shape[:-2], every, -1, array.shape[-1])
    parts = (groups[..., index, :, :] for index in range(every))
    result: Array = functools.reduce(operation, parts)
    return result[..., 0, :] if times is None else result


def divisor(rows: int, most: int = 16) -> int:
    """The largest divisor of a number that is no more than another."""
    return next(count for count in range(most, 0, -1) if rows % count == 0)


def count(make: Maker, of: Callable[[Array], Array], array: Array) -> Array:
    """Sums i32[..., L] over rows of what a function makes of an array, [..., R, L], 0 or 1 of any type."""

    def some(array: Array) -> Array:
        found = of(array).astype(jnp.uint8)
        return folded(jnp.add, found, divisor(found.shape[-2]))

    def more(array: Array) -> Array:
        return folded(jnp.add, array, divisor(array.shape[-2], _BYTE))

    def rest(array: Array) -> Array:
        few = array.astype(jnp.int32)
        return folded(jnp.add, few) if array.shape[-2] <= 2 * _BYTE else few.sum(axis=-2)

    return make(rest, make(more, make(some, array)))


def cumulated(values: Array) -> Array:
    """Sums of values [R, L] up to each row, R a multiple of 16 and not large."""
    groups = values.reshape(-1, 16, values.shape[1])
    place = jnp.arange(16)[None, :, None]
    within = sum(jnp.where(place >= index, groups[:, index : index + 1], 0) for index in range(1, 16)) + groups[:, :1]
    before = jnp.cumsum(within[:, -1], axis=0, dtype=values.dtype) - within[:, -1]
    return (within + before[:, None]).reshape(values.shape)
