"""Numerics: sums, products and loops whose bits and speed do not depend on how a compiler happens to arrange them.

A result must not depend on what is computed beside it. Compilers choose the order of a sum, the fusing of a product
into a sum, and whether a loop is vectorised, by the sizes of all arrays of a program; here callers ask for one choice.
"""

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp

from polejax._core.types import Array

_Value = TypeVar("_Value")


def rounded(product: Array) -> Array:
    """A product f32[...] to 23 bits, which keeps the compiler from fusing it into a sum that follows.

    A fused product is rounded once instead of twice. Whether XLA fuses, and in which order it multiplies, depends on
    what else is in the batch, and a tip hashes every bit of its block's interval: without this, a chain would depend
    on its neighbours.
    """
    return jax.lax.reduce_precision(product, exponent_bits=8, mantissa_bits=22)


def kept(value: _Value) -> _Value:
    """An array, or a nest of them, unchanged: the compiler does not fuse it with what is computed from it."""
    return jax.lax.optimization_barrier(value)  # type: ignore[no-any-return]


@jax.custom_vjp
def log_sum_exp(answers: Array) -> Array:
    """The logarithm f32[M] of the sum of the exponentials of answers f32[C, M]."""
    return _log_sum_exp_forward(answers)[0]


def _log_sum_exp_forward(answers: Array) -> tuple[Array, tuple[Array, Array]]:
    most = answers.max(axis=0)
    below = kept(answers - most[None])  # else some compilers merge the difference into the exponential
    shares = jnp.exp(jnp.minimum(below, 0.0))  # said to be at most 0, XLA on CPUs has it six times as fast
    total = added_up(shares, 0)
    return jnp.log(total) + most, (shares, total)


def _log_sum_exp_backward(parts: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    shares, total = parts
    return (shares * (gradient / total)[None],)


log_sum_exp.defvjp(_log_sum_exp_forward, _log_sum_exp_backward)


def added_up(values: Array, axis: int) -> Array:
    """The sum over an axis, in pairs: compilers choose the order of a sum, and by the sizes of all axes."""
    values, odd = kept(values), []
    level = 0
    while (size := values.shape[axis]) > 1:
        cut = functools.partial(jax.lax.slice_in_dim, values, axis=axis)
        odd += [cut(size - 1, size)] if size % 2 else []
        values, level = cut(0, size // 2) + cut(size // 2, size // 2 * 2), level + 1
        values = values if level % 4 else kept(values)  # else each further level would double the code
    return sum(odd, values).squeeze(axis)


def vectorised(values: Array) -> Array:
    """Values f32[...] unchanged, copied by a vectorised loop on CPUs; NaN stays NaN.

    XLA:CPU writes one loop per array, innermost over the last axis. LLVM fully unrolls such a loop of some 30 to 100
    iterations with a short body and then does not vectorise it: gathering rows took three times as long. The extra
    comparison makes the body too long to unroll. Programs for GPUs and TPUs are left alone.
    """
    return jax.lax.platform_dependent(values, cpu=_compared, default=_unchanged)


def _compared(values: Array) -> Array:
    return jnp.where(values == values, values, jnp.nan)


def _unchanged(values: Array) -> Array:
    return values
