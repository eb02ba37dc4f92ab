"""Dense layers on samples in columns: the products of a training step, as XLA does them fast and always alike."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from polejax.rounding import added_up, kept

_MANY = 1_024  # columns, of which transposing costs so much that it is the smaller factor's turn


class Dense(nn.Module):
    """A dense layer on samples in columns, f32[D, M] to f32[features, M]; its weights are f32[features, D].

    Samples lie in columns and weights have their outputs first, because each of a training step's products then asks
    its left factor for rows, which is what XLA's fast batched product on a CPU asks for: a step takes two thirds of the
    time that `nn.Dense` makes it take.

    Args:
      features: outputs.
    """

    features: int

    @nn.compact
    def __call__(self, columns: jax.Array) -> jax.Array:
        """Return f32[features, M]."""
        law = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
        weight = self.param("weight", law, (self.features, columns.shape[0]))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        return _product(weight, columns) + _in_every_column(bias, columns.shape[1])


@jax.custom_vjp
def _product(weight: jax.Array, columns: jax.Array) -> jax.Array:
    """`weight @ columns`, whose factors, and those of its gradients, are transposed before they are multiplied.

    Else XLA folds a transposition into the product or not, as the axes of a `vmap` around it have it: off its fast path
    if the left factor's, and summed in another order if the right one's, so that a network's last bits would depend on
    who trains beside it.
    """
    return weight @ _as_they_lie(columns)


def _as_they_lie(columns: jax.Array) -> jax.Array:
    # Many columns do not come transposed, and would be copied for nothing.
    return columns if columns.shape[1] > _MANY else kept(columns)


def _product_forward(weight: Any, columns: Any) -> tuple[jax.Array, tuple[jax.Array | None, jax.Array]]:
    # Where the columns are data, nobody asks for their gradient.
    product = weight.value @ _as_they_lie(columns.value)
    return product, (weight.value if columns.perturbed else None, columns.value)


def _product_backward(
    factors: tuple[jax.Array | None, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    weight, columns = factors
    if columns.shape[1] > _MANY and gradient.shape[0] <= columns.shape[0]:
        change = (columns @ kept(gradient.T)).T
    else:
        change = gradient @ kept(columns.T)
    return change, None if weight is None else kept(weight.T) @ gradient


_product.defvjp(_product_forward, _product_backward, symbolic_zeros=True)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _in_every_column(bias: jax.Array, columns: int) -> jax.Array:
    """A bias f32[F] as columns f32[F, columns]."""
    return jnp.broadcast_to(bias[:, None], (bias.shape[0], columns))


_in_every_column.defvjp(
    lambda bias, columns: (_in_every_column(bias, columns), None),
    lambda columns, _, gradient: (added_up(gradient if columns <= _MANY else _in_parts(gradient), 1),),
)


def _in_parts(rows: jax.Array) -> jax.Array:
    """Rows f32[F, M] as parts f32[F, 32] of the same sum, in the compiler's order: what is so large trains alone."""
    return jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % 32))).reshape(rows.shape[0], -1, 32).sum(axis=1)
