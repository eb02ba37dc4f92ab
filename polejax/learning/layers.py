"""Dense layers on samples in columns: products that XLA does fast, with the same bits in any batch."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from polejax._core import checks
from polejax._core.brief import brief
from polejax._core.numerics import added_up, kept

Shrink = Callable[[jax.Array], jax.Array]
_MANY = 1_024  # columns; transposing more than these costs so much that the smaller factor is transposed instead


class Dense(nn.Module):
    """A dense layer whose outputs lie in columns, f32[features, M]; its weights are f32[features, D].

    Outputs lie in columns and the weights' first axis is the outputs', because each product of a training step then
    reads its left factor by rows, as XLA's fast batched product on a CPU requires: a step takes two thirds of the time
    that it takes with `nn.Dense`.

    Args:
      features: outputs.
    """

    features: int

    __repr__ = brief

    def __post_init__(self) -> None:
        checks.whole("features", self.features, low=1)
        super().__post_init__()

    @nn.compact
    def __call__(self, samples: jax.Array, *, in_rows: bool = False, shrink: Shrink | None = None) -> jax.Array:
        """Return f32[features, M] for samples in columns f32[D, M], or in rows f32[M, D].

        `shrink` reduces the products f32[features, M] to fewer columns before the bias is added, as pooling does, for
        which adding the bias before or after gives the same.
        """
        law = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
        weight = self.param("weight", law, (self.features, samples.shape[1 if in_rows else 0]))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        product = _product_of_rows(weight, samples) if in_rows else _product(weight, samples)
        product = product if shrink is None else shrink(product)
        return product + _in_every_column(bias, product.shape[1])


@jax.custom_vjp
def _product(weight: jax.Array, columns: jax.Array) -> jax.Array:
    """`weight @ columns`, where `kept` stops XLA from folding a transposition of a factor into the product.

    Whether XLA folds it depends on the axes of a surrounding `vmap`. Folding the left factor's transposition leaves the
    fast path; folding the right factor's changes the order of summation, so that a network's last bits would depend on
    which networks train beside it. Where the right factor must be transposed, `dot_general` says so itself.
    """
    return weight @ _as_they_lie(columns)


def _as_they_lie(columns: jax.Array) -> jax.Array:
    # More than _MANY columns never come transposed: `kept` would copy them for nothing.
    return columns if columns.shape[1] > _MANY else kept(columns)


def _by_rows(left: jax.Array, right: jax.Array) -> jax.Array:
    """`left @ right.T`, which costs a third of what transposing first does."""
    return jax.lax.dot_general(left, right, (((1,), (1,)), ((), ())))


def _product_forward(weight: Any, columns: Any) -> tuple[jax.Array, tuple[jax.Array | None, jax.Array]]:
    # Where the columns are data, their gradient is not needed, so the weight is not stored.
    product = weight.value @ _as_they_lie(columns.value)
    return product, (weight.value if columns.perturbed else None, columns.value)


def _product_backward(
    factors: tuple[jax.Array | None, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    weight, columns = factors
    if columns.shape[1] <= _MANY:
        change = _by_rows(gradient, kept(columns))
    elif gradient.shape[0] <= columns.shape[0]:
        gradient = kept(gradient)
        change = _by_rows(columns, gradient).T
    else:
        change = gradient @ kept(columns.T)
    return change, None if weight is None else kept(weight.T) @ gradient


_product.defvjp(_product_forward, _product_backward, symbolic_zeros=True)


@jax.custom_vjp
def _product_of_rows(weight: jax.Array, rows: jax.Array) -> jax.Array:
    """`weight @ rows.T`: data lie in rows, and no product of a training step transposes them."""
    return _by_rows(weight, kept(rows))


def _product_of_rows_forward(weight: Any, rows: Any) -> tuple[jax.Array, tuple[jax.Array | None, jax.Array]]:
    return _by_rows(weight.value, kept(rows.value)), (weight.value if rows.perturbed else None, rows.value)


def _product_of_rows_backward(
    factors: tuple[jax.Array | None, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    weight, rows = factors
    return gradient @ kept(rows), None if weight is None else (kept(weight.T) @ gradient).T


_product_of_rows.defvjp(_product_of_rows_forward, _product_of_rows_backward, symbolic_zeros=True)


@jax.custom_vjp
def relu(values: jax.Array) -> jax.Array:
    """The maximum of f32[...] and 0, as a sum of two terms; the second is always 0, or NaN where the first is NaN.

    LLVM fully unrolls short loops, such as those over a batch of 32, and then does not vectorise them; the second term
    prevents the unrolling, so that the loop takes a third of the time. The gradient has such a term for the same
    reason; it compares the stored output, not the input, with 0.
    """
    return jnp.maximum(values, 0.0) + jnp.maximum(-jnp.abs(values), 0.0)


def _relu_forward(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    answer = kept(relu(values))
    return answer, answer


def _relu_backward(answer: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (kept(jnp.where(answer > 0, gradient, 0.0) + jnp.maximum(-jnp.abs(answer), 0.0)),)


relu.defvjp(_relu_forward, _relu_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _in_every_column(bias: jax.Array, columns: int) -> jax.Array:
    """A bias f32[F] as columns f32[F, columns]."""
    return jnp.broadcast_to(bias[:, None], (bias.shape[0], columns))


_in_every_column.defvjp(
    lambda bias, columns: (_in_every_column(bias, columns), None),
    lambda columns, _, gradient: (jax.lax.platform_dependent(gradient, cpu=_summed, default=_summed_in_registers),),
)


def _summed(rows: jax.Array) -> jax.Array:
    return added_up(rows if rows.shape[1] <= _MANY else _in_parts(rows), 1)


def _summed_in_registers(rows: jax.Array) -> jax.Array:
    """The sums f32[F] of rows f32[F, M] in the compiler's order, for a GPU or TPU.

    Summed by pairs, each level would cost as much as the first on a TPU, which holds a row in one register; all levels
    together would cost as much as the rest of a training step, by estimates of the TPU's compiler.
    """
    return rows.sum(axis=1)


def _in_parts(rows: jax.Array) -> jax.Array:
    """Rows f32[F, M] as parts f32[F, 32] of the same sum, in the compiler's order; so large batches train alone."""
    return jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % 32))).reshape(rows.shape[0], -1, 32).sum(axis=1)
