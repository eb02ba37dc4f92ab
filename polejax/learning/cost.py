"""Cost: how many parameters a network has, and the arithmetic and bytes of its training step."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from polejax._core.checked import checked
from polejax._core.checks import whole
from polejax._core.keys import key_of
from polejax._core.switches import steady
from polejax._core.types import Array, Tree
from polejax.learning.measures import cross_entropy, logits


@checked
def num_parameters(module: nn.Module, num_features: int) -> int:
    """Return how many trainable numbers (the `params` collection alone) a network of D features has."""
    params = _abstract_variables(module, num_features).get("params", {})
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


@checked
@functools.cache
@steady
def step_flops(module: nn.Module, num_features: int, batch_size: int) -> int:
    """Return the floating-point operations of one training step: forward and backward pass over one batch.

    Counted: two for each multiply-add of the matrix products and convolutions in the gradient's own jaxpr, which
    is exact for any Linen module, frozen layers included, and the same on every backend. XLA's `cost_analysis` is not
    used: it differs between backends and jax versions, and some backends answer nothing. Left out, as is customary:
    activations, biases, the loss and the optimiser's update.

    Args:
      module: a Flax Linen module from f32[M, D] to f32[M, C].
      num_features: D.
      batch_size: M, samples per step.

    Raises:
      ValueError: a size below 1.
    """
    return _product_flops(_step(module, num_features, batch_size))


@checked
def forward_flops(module: nn.Module, num_features: int, num_samples: int) -> int:
    """Floating-point operations of one forward pass, counted as `step_flops` counts a training step.

    Args:
      module: a Flax Linen module from f32[M, D] to f32[M, C].
      num_features: D.
      num_samples: M.

    Raises:
      ValueError: a size below 1.
    """
    shape = (whole("num_samples", num_samples, low=1), whole("num_features", num_features, low=1))
    inputs = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.eval_shape(module.init, key_of(0), inputs)
    forward = jax.make_jaxpr(lambda variables, inputs: logits(module, variables, inputs))
    return _product_flops(forward(variables, inputs).jaxpr)


@checked
@functools.cache
@steady
def step_bytes(module: nn.Module, num_features: int, batch_size: int) -> int:
    """Return the bytes that one training step writes, which tell how many networks a processor's cache can hold.

    Counted: every array that the gradient's own jaxpr makes, be it ever so short-lived, and the parameters; arguments
    as for `step_flops`.
    """
    return _bytes_made(_step(module, num_features, batch_size)) + 4 * num_parameters(module, num_features)


def _step(module: nn.Module, num_features: int, batch_size: int) -> Any:
    """The jaxpr of one training step: loss and gradient of one batch."""
    batch_size = whole("batch_size", batch_size, low=1)
    variables = dict(_abstract_variables(module, num_features))
    params = variables.pop("params", {})
    inputs = jax.ShapeDtypeStruct((batch_size, num_features), jnp.float32)
    labels = jax.ShapeDtypeStruct((batch_size,), jnp.int32)

    def loss(params: Tree, frozen: Tree, inputs: Array, labels: Array) -> Array:
        return cross_entropy(logits(module, {"params": params, **frozen}, inputs), labels)

    return jax.make_jaxpr(jax.value_and_grad(loss))(params, variables, inputs, labels).jaxpr


def _abstract_variables(module: nn.Module, num_features: int) -> Any:
    """Shapes of what `module.init` returns."""
    inputs = jax.ShapeDtypeStruct((1, whole("num_features", num_features, low=1)), jnp.float32)
    return jax.eval_shape(module.init, key_of(0), inputs)


def _product_flops(jaxpr: Any) -> int:
    """Sum two operations per multiply-add over a jaxpr's products and those of the jaxprs inside it."""
    total = 0
    for equation in jaxpr.eqns:
        params = equation.params
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
            total += 2 * math.prod(out) * math.prod(left[axis] for axis in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel, out = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
            outputs = kernel[params["dimension_numbers"].rhs_spec[0]]
            total += 2 * math.prod(out) * math.prod(kernel) // outputs
        else:
            repeats = params.get("length", 1) if equation.primitive.name == "scan" else 1
            total += repeats * sum(_product_flops(inner) for inner in _inner_jaxprs(params))
    return total


def _bytes_made(jaxpr: Any) -> int:
    """Sum the sizes of the arrays that a jaxpr's equations make, at four bytes a number."""
    total = 0
    for equation in jaxpr.eqns:
        inner = list(_inner_jaxprs(equation.params))
        made = sum(4 * math.prod(variable.aval.shape) for variable in equation.outvars)
        total += sum(map(_bytes_made, inner)) if inner else made
    return total


def _inner_jaxprs(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            item = getattr(item, "jaxpr", item)  # a closed jaxpr holds its jaxpr
            if hasattr(item, "eqns"):
                yield item
