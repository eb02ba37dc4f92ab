"""Learners: the networks that nodes train, and what is measured of them: loss, accuracy, size, arithmetic."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from polejax._core.checks import whole
from polejax._core.numerics import log_sum_exp
from polejax.learning import image_layers
from polejax.learning.layers import Dense, relu


class MultilayerPerceptron(nn.Module):
    """A network of dense layers: inputs f32[..., D] to logits f32[..., C].

    Samples that lie in columns, f32[D, M], are told by `in_columns`: what is looked at time and again lies so, as its
    products are an eighth faster.

    Args:
      hidden: units of each hidden layer; () makes it multinomial logistic regression.
      num_classes: C.
      activation: between the layers.

    Raises:
      ValueError: a size below 1, or `hidden` is no sequence.
    """

    takes_columns: ClassVar[bool] = True  # see `logits_of_columns`

    hidden: tuple[int, ...] = (32,)
    num_classes: int = 10
    activation: Callable[[jax.Array], jax.Array] = relu

    def __post_init__(self) -> None:
        self.hidden = _sizes("hidden", self.hidden)
        whole("num_classes", self.num_classes, low=1)
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: jax.Array, in_columns: bool = False) -> jax.Array:
        """Return logits f32[..., C]."""
        values, in_rows = (inputs, False) if in_columns else (inputs.reshape(-1, inputs.shape[-1]), True)
        for units in self.hidden:
            values, in_rows = self.activation(Dense(units)(values, in_rows=in_rows)), False
        logits = Dense(self.num_classes)(values, in_rows=in_rows).T
        return logits if in_columns else logits.reshape(*inputs.shape[:-1], self.num_classes)


class ConvolutionalNetwork(nn.Module):
    """A small image network: flat inputs f32[..., D] to logits f32[..., C].

    Each stage is a 3 x 3 convolution (zeros around the image), ReLU and 2 x 2 maximum pooling; one dense layer reads
    out. A convolution is written as a dense layer over 3 x 3 neighbourhoods, which is the same law, and pools before it
    adds its bias, which is the same maximum; samples lie last throughout, so that all loops run along contiguous rows.
    Where every node has kernels of its own (`vmap` over networks) XLA runs `nn.Conv` on a CPU sample by sample.

    Args:
      shape: the image behind the flat features, (height, width) or (height, width, channels), as
        `Task.shape`.
      channels: of each stage.
      num_classes: C.

    Raises:
      ValueError: a size below 1; on the first call, when `shape` is no image or does not hold D features.
    """

    shape: tuple[int, ...]
    channels: tuple[int, ...] = (8, 16)
    num_classes: int = 10

    def __post_init__(self) -> None:
        self.shape, self.channels = _sizes("shape", self.shape), _sizes("channels", self.channels)
        whole("num_classes", self.num_classes, low=1)
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Return logits f32[..., C]."""
        if len(self.shape) not in (2, 3) or inputs.shape[-1] != math.prod(self.shape):
            raise ValueError(
                f"shape must be (height, width[, channels]) of {inputs.shape[-1]} features, "
                f"got {tuple(self.shape)}: give task.shape, or use MultilayerPerceptron"
            )
        leading = inputs.shape[:-1]
        columns = inputs.reshape(-1, inputs.shape[-1]).T
        image = jnp.moveaxis(columns.reshape(*self.shape[:2], -1, columns.shape[-1]), 2, 0)
        for features in self.channels:
            image = _stage(features, image_layers.neighbourhoods(image))
        return Dense(self.num_classes)(image.reshape(-1, image.shape[-1])).T.reshape(*leading, self.num_classes)


def _stage(features: int, patches: jax.Array) -> jax.Array:
    """Convolve, pool, ReLU, of neighbourhoods f32[9 channels, height, width, M]; called where a module's layers are."""
    _, height, width, samples = patches.shape

    def pooled(product: jax.Array) -> jax.Array:
        return image_layers.pooled(product.reshape(features, height, width, samples)).reshape(features, -1)

    answers = relu(Dense(features)(patches.reshape(patches.shape[0], -1), shrink=pooled))
    return answers.reshape(features, -(-height // 2), -(-width // 2), samples)


def _sizes(name: str, given: Any) -> tuple[int, ...]:
    """Sizes as a tuple: a list, as files hold, cannot be part of a compiled program's name."""
    if not isinstance(given, tuple | list):
        raise ValueError(f"{name} must be a tuple of sizes, got {given!r}: write ({given!r},)")
    return tuple(whole(name, size, low=1) for size in given)


def logits(module: nn.Module, variables: Any, inputs: jax.Array) -> jax.Array:
    """Return the network's answers f32[M, C] to inputs f32[M, D].

    Args:
      module: a Flax Linen module.
      variables: what `module.init` returned: `params` and any other collection.
      inputs: f32[M, D].
    """
    return jnp.asarray(module.apply(variables, inputs), jnp.float32)


def logits_of_columns(module: nn.Module, variables: Any, columns: jax.Array) -> jax.Array:
    """Return what `logits` returns of samples that lie in columns, f32[D, M], as those that are judged again and again.

    A module of which `takes_columns` holds is called as `module(columns, in_columns=True)`, any other with rows.
    """
    if getattr(module, "takes_columns", False):
        return jnp.asarray(module.apply(variables, columns, in_columns=True), jnp.float32)
    return logits(module, variables, columns.T)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the mean cross-entropy f32[] (nats per sample) of logits f32[M, C] against labels.

    Labels are classes i32[M], or probabilities f32[M, C] where a network learns another's answers (distillation:
    Hinton, Vinyals, Dean 2015, arXiv 1503.02531, equation 1 at temperature 1).

    Raises:
      ValueError: the shapes do not match, or M is 0.
    """
    if labels.ndim == 2 and labels.shape == logits.shape and logits.size:
        return optax.softmax_cross_entropy(logits, labels).mean()
    _check_answers(logits, labels)
    # By a mask, not by index: the gradient of an index is a scatter, which XLA runs element by element on a CPU, and
    # training took twice as long. Classes first, because our learners answer so and the transpositions cancel.
    answers = logits.T
    right = labels[None] == jnp.arange(answers.shape[0], dtype=labels.dtype)[:, None]
    return (log_sum_exp(answers) - jnp.where(right, answers, 0.0).sum(axis=0)).mean()


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the fraction f32[] of samples answered rightly: logits f32[M, C] against labels i32[M].

    A sample with any logit that is not finite counts as wrong, so a diverged network scores 0 and never NaN.
    Among equal logits the lowest class is the answer.

    Raises:
      ValueError: the shapes do not match, or M is 0.
    """
    _check_answers(logits, labels)
    answers = logits.T  # classes first, as our learners answer
    right = (jnp.argmax(answers, axis=0).astype(labels.dtype) == labels) & jnp.isfinite(answers).all(axis=0)
    # Looked up, for compilers multiply by 1 / M: 340 of 400 would be less than a threshold of 0.85.
    shares = np.arange(labels.size + 1, dtype=np.float32) / np.float32(labels.size)
    return jnp.asarray(shares)[right.sum(dtype=jnp.int32)]


def _check_answers(logits: jax.Array, labels: jax.Array) -> None:
    if logits.ndim != 2 or logits.shape[:1] != labels.shape or not logits.size:
        raise ValueError(
            f"logits must be [samples, classes] and labels [samples], got {logits.shape} and "
            f"{labels.shape}: give each sample one label"
        )


def num_parameters(module: nn.Module, num_features: int) -> int:
    """Return how many trainable numbers (the `params` collection alone) a network of D features has."""
    params = _abstract_variables(module, num_features).get("params", {})
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


@functools.cache
def step_flops(module: nn.Module, num_features: int, batch_size: int) -> int:
    """Return the floating-point operations of one training step: forward and backward pass over one batch.

    Counted: two for each multiply-add of the matrix products and convolutions in the gradient's own jaxpr,
    which is
    exact for any Linen module, frozen layers included, and the same on every backend. XLA's `cost_analysis`
    is not used: it differs between backends and jax versions, and some backends answer nothing. Left out, as
    is customary:
    activations, biases, the loss and the optimiser's update.

    Args:
      module: a Flax Linen module from f32[M, D] to f32[M, C].
      num_features: D.
      batch_size: M, samples per step.

    Raises:
      ValueError: a size below 1.
    """
    return _product_flops(_step(module, num_features, batch_size))


@functools.cache
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

    def loss(params: Any, frozen: Any, inputs: jax.Array, labels: jax.Array) -> jax.Array:
        return cross_entropy(logits(module, {"params": params, **frozen}, inputs), labels)

    return jax.make_jaxpr(jax.value_and_grad(loss))(params, variables, inputs, labels).jaxpr


def _abstract_variables(module: nn.Module, num_features: int) -> Any:
    inputs = jax.ShapeDtypeStruct((1, whole("num_features", num_features, low=1)), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), inputs)


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
