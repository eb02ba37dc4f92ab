"""Numerics: sums, products and loops whose bits and speed do not depend on the rest of the program.

A chain's numbers must not depend on what is computed beside it. From the shapes of all arrays of a program, XLA chooses
the order of a sum, whether a product is fused into a sum, and whether a loop is vectorised. The functions here fix one
choice each.
"""

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp

from polejax._core.types import Array

_Value = TypeVar("_Value")


def rounded(product: Array) -> Array:
    """Round a product f32[...] to 23 significant bits, which keeps XLA from fusing it into a sum that follows.

    A fused multiply-add rounds once instead of twice. Whether XLA fuses, and in which order it multiplies, depends on
    what else is in the batch, and a tip hashes every bit of its block's interval: without this rounding, a chain's
    blocks would depend on the chains beside it.
    """
    return jax.lax.reduce_precision(product, exponent_bits=8, mantissa_bits=22)


def kept(value: _Value) -> _Value:
    """An array, or a nest of them, unchanged: XLA does not fuse what computes it with what uses it."""
    return jax.lax.optimization_barrier(value)  # type: ignore[no-any-return]


@jax.custom_vjp
def log_sum_exp(answers: Array) -> Array:
    """The logarithm f32[M] of the sum over C of the exponentials of logits f32[C, M]."""
    return _log_sum_exp_forward(answers)[0]


def _log_sum_exp_forward(answers: Array) -> tuple[Array, tuple[Array, Array]]:
    most = answers.max(axis=0)
    below = kept(answers - most[None])  # otherwise some versions of XLA fuse the difference
    shares = jnp.exp(jnp.minimum(below, 0.0))  # XLA:CPU is six times as fast if it knows the sign
    total = added_up(shares, 0)
    return jnp.log(total) + most, (shares, total)


def _log_sum_exp_backward(parts: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    shares, total = parts
    return (shares * (gradient / total)[None],)


log_sum_exp.defvjp(_log_sum_exp_forward, _log_sum_exp_backward)


def added_up(values: Array, axis: int) -> Array:
    """Sum over an axis pairwise, in a fixed order; XLA would choose the order of a sum by the sizes of all axes."""
    values, odd = kept(values), []
    level = 0
    while (size := values.shape[axis]) > 1:
        cut = functools.partial(jax.lax.slice_in_dim, values, axis=axis)
        odd += [cut(size - 1, size)] if size % 2 else []
        values, level = cut(0, size // 2) + cut(size // 2, size // 2 * 2), level + 1
        values = values if level % 4 else kept(values)  # without, the code would double at each further level
    return sum(odd, values).squeeze(axis)


def vectorised(values: Array) -> Array:
    """Values f32[...] unchanged, copied by a vectorised loop on CPUs; NaN stays NaN.

    XLA:CPU writes one loop per array, innermost over the last axis. LLVM fully unrolls such a loop of some 30 to 100
    iterations with a short body and then does not vectorise it: gathering rows took three times as long. The extra
    comparison makes the body too long to unroll. Programs for GPUs and TPUs are unchanged.
    """
    return jax.lax.platform_dependent(values, cpu=_compared, default=_unchanged)


def _compared(values: Array) -> Array:
    return jnp.where(values == values, values, jnp.nan)


def _unchanged(values: Array) -> Array:
    return values
