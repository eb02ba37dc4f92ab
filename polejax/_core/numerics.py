"""Numerics: sums, products and loops whose bits and speed do not depend on the rest of the program.

A chain's numbers must not depend on what is computed beside it. From the shapes of all arrays of a program, XLA chooses
the order of a sum, whether a product is fused into a sum, and whether a loop is vectorised. The functions here fix one
choice each.
"""

import functools
import math
from typing import TypeVar

import jax
import jax.numpy as jnp

from polejax._core.types import Array

_Value = TypeVar("_Value")
_TILE = 64  # columns of a product that a CPU computes together


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


_multiplied = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def product_in_rows(inputs: Array, kernel: Array) -> Array:
    """`inputs @ kernel` f32[..., F] at highest precision, of inputs f32[..., D] and a kernel f32[D, F].

    On CPUs the bits depend on neither the number of lanes nor what is computed beside the product.
    """
    product: Array = jax.lax.platform_dependent(inputs, kernel, cpu=_rows_on_cpus, default=_multiplied)
    return product


def product_in_columns(inputs: Array, kernel: Array) -> Array:
    """`(inputs @ kernel).T` f32[F, M] at highest precision, of inputs f32[M, D] and a kernel f32[D, F].

    Bits as in `product_in_rows`; it takes a third of the time that transposing the rows does.
    """
    product: Array = jax.lax.platform_dependent(inputs, kernel, cpu=_columns_on_cpus, default=_transposed)
    return product


def _transposed(inputs: Array, kernel: Array) -> Array:
    return _multiplied(inputs, kernel).T


def _rows_on_cpus(inputs: Array, kernel: Array) -> Array:
    """`product_in_rows`, computed in columns where the rows' bits would depend on the number of lanes.

    Under `vmap` XLA puts the kernels of all lanes side by side. XLA:CPU sums columns beyond the last full tile of 64,
    and all columns of few rows, in another order, and which columns these are depends on the number of lanes. A product
    in columns has its tiles along the samples.
    """
    *leading, width = inputs.shape
    samples = math.prod(leading)
    if kernel.shape[1] % _TILE == 0 and samples >= _TILE:
        return _multiplied(inputs, kernel)
    columns = _columns_on_cpus(inputs.reshape(samples, width), kernel, filled=inputs.ndim == 2)
    return columns.T.reshape(*leading, kernel.shape[1])


def _columns_on_cpus(inputs: Array, kernel: Array, filled: bool = True) -> Array:
    """`product_in_columns` as one product without a transposition.

    With `filled`, fewer than 64 features are padded with zeros, because XLA:CPU sums products of fewer rows in another
    order, too. Patches need no padding: their rows are many.
    """
    width = kernel.shape[1]
    kernel = jnp.pad(kernel, ((0, 0), (0, max(0, _TILE - width) * filled)))
    highest = jax.lax.Precision.HIGHEST
    return jax.lax.dot_general(kernel, inputs, (((0,), (1,)), ((), ())), precision=highest)[:width]
