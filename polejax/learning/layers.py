"""Dense layers on samples in columns: the products of a training step, as XLA does them fast and always alike."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from polejax._core import checks
from polejax._core.numerics import added_up, kept

Shrink = Callable[[jax.Array], jax.Array]
_MANY = 1_024  # columns, of which transposing costs so much that it is the smaller factor's turn


class Dense(nn.Module):
    """A dense layer whose answers lie in columns, f32[features, M]; its weights are f32[features, D].

    Answers lie in columns and weights have their outputs first, because each of a training step's products then asks
    its left factor for rows, which is what XLA's fast batched product on a CPU asks for: a step takes two thirds of the
    time that `nn.Dense` makes it take.

    Args:
      features: outputs.
    """

    features: int

    def __post_init__(self) -> None:
        checks.whole("features", self.features, low=1)
        super().__post_init__()

    @nn.compact
    def __call__(self, samples: jax.Array, *, in_rows: bool = False, shrink: Shrink | None = None) -> jax.Array:
        """Return f32[features, M] for samples in columns f32[D, M], or in rows f32[M, D].

        `shrink` makes fewer columns of the products f32[features, M] before the bias is added, as pooling does, to
        which a bias before or after is the same.
        """
        law = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
        weight = self.param("weight", law, (self.features, samples.shape[1 if in_rows else 0]))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        product = _product_of_rows(weight, samples) if in_rows else _product(weight, samples)
        product = product if shrink is None else shrink(product)
        return product + _in_every_column(bias, product.shape[1])


@jax.custom_vjp
def _product(weight: jax.Array, columns: jax.Array) -> jax.Array:
    """`weight @ columns`, of factors that are kept as they are multiplied.

    Else XLA folds a transposition into the product or not, as the axes of a `vmap` around it have it: off its fast path
    if the left factor's, and summed in another order if the right one's, so that a network's last bits would depend on
    who trains beside it. Where the right factor is wanted transposed, the product itself is told so.
    """
    return weight @ _as_they_lie(columns)


def _as_they_lie(columns: jax.Array) -> jax.Array:
    # Many columns do not come transposed, and would be copied for nothing.
    return columns if columns.shape[1] > _MANY else kept(columns)


def _by_rows(left: jax.Array, right: jax.Array) -> jax.Array:
    """`left @ right.T`, which costs a third of what transposing first does."""
    return jax.lax.dot_general(left, right, (((1,), (1,)), ((), ())))


def _product_forward(weight: Any, columns: Any) -> tuple[jax.Array, tuple[jax.Array | None, jax.Array]]:
    # Where the columns are data, nobody asks for their gradient.
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
    """`weight @ rows.T`: data lie in rows, and none of a step's products transposes them."""
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
    """What is above 0 of f32[...], else 0, in two terms of which the second is always 0, or NaN as the first.

    On CPUs a loop over a batch of 32 is written out number by number, without vectors, unless its body is long: the
    second term makes it so, at a third of the time. The gradient has it for the same reason, and asks the answer, which
    is at hand, where it is above 0.
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

    By pairs, each level would cost a TPU as much as the first, for it holds a row in one register: in all as much as
    the rest of a training step, by the estimates of its compiler.
    """
    return rows.sum(axis=1)


def _in_parts(rows: jax.Array) -> jax.Array:
    """Rows f32[F, M] as parts f32[F, 32] of the same sum, in the compiler's order: what is so large trains alone."""
    return jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % 32))).reshape(rows.shape[0], -1, 32).sum(axis=1)
