"""Networks: the models that nodes train."""

import math
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn

from polejax._core.brief import brief
from polejax._core.checks import function, whole
from polejax._core.types import Array
from polejax.learning import image_layers
from polejax.learning.layers import Dense, relu
from polejax.learning.sizes import sizes


class ColumnModel(nn.Module):
    """A model that also takes samples in columns: `model(columns, in_columns=True)` of f32[D, M] is logits f32[M, C].

    Samples that are looked at time and again lie in columns, as their products are an eighth faster so. A model of your
    own may be any Linen module; one that says it is a `ColumnModel` is spared the transposition.
    """

    __repr__ = brief

    def __call__(self, inputs: Array, in_columns: bool = False) -> Array:
        """Return logits f32[..., C] of inputs f32[..., D], or f32[M, C] of columns f32[D, M]."""
        raise NotImplementedError(f"{type(self).__name__} must have __call__(inputs, in_columns)")


class LayeredModel(nn.Module):
    """A model all of whose weights are in `Dense` layers, one after another: attacks read them and change the first."""

    __repr__ = brief

    @property
    def num_layers(self) -> int:
        """Number of `Dense` layers."""
        raise NotImplementedError(f"{type(self).__name__} must have num_layers")

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers in `params`, in the order in which samples pass them.

        Flax names a module's layers by their class and the order of their calls.
        """
        return tuple(f"{Dense.__name__}_{number}" for number in range(self.num_layers))

    def first_inputs(self, inputs: Array) -> Array:
        """What the first layer's weights are multiplied with, f32[rows, features], of samples f32[M, D]."""
        raise NotImplementedError(f"{type(self).__name__} must have first_inputs")


class MultilayerPerceptron(ColumnModel, LayeredModel):
    """A network of dense layers: inputs f32[..., D] to logits f32[..., C].

    Args:
      hidden: units of each hidden layer; () makes it multinomial logistic regression.
      num_classes: C.
      activation: between the layers.

    Raises:
      ValueError: a size below 1, or `hidden` is no sequence.
    """

    hidden: tuple[int, ...] = (32,)
    num_classes: int = 10
    activation: Callable[[Array], Array] = relu

    def __post_init__(self) -> None:
        self.hidden = sizes("hidden", self.hidden)
        whole("num_classes", self.num_classes, low=1)
        function("activation", self.activation)
        super().__post_init__()

    @property
    def num_layers(self) -> int:
        """See `LayeredModel.num_layers`."""
        return len(self.hidden) + 1

    def first_inputs(self, inputs: Array) -> Array:
        """See `LayeredModel.first_inputs`: the samples themselves."""
        return inputs

    @nn.compact
    def __call__(self, inputs: Array, in_columns: bool = False) -> Array:
        """See `ColumnModel.__call__`."""
        values, in_rows = (inputs, False) if in_columns else (inputs.reshape(-1, inputs.shape[-1]), True)
        for units in self.hidden:
            values, in_rows = self.activation(Dense(units)(values, in_rows=in_rows)), False
        logits = Dense(self.num_classes)(values, in_rows=in_rows).T
        return logits if in_columns else logits.reshape(*inputs.shape[:-1], self.num_classes)


class ConvolutionalNetwork(LayeredModel):
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
        self.shape, self.channels = sizes("shape", self.shape), sizes("channels", self.channels)
        whole("num_classes", self.num_classes, low=1)
        super().__post_init__()

    @property
    def num_layers(self) -> int:
        """See `LayeredModel.num_layers`."""
        return len(self.channels) + 1

    def first_inputs(self, inputs: Array) -> Array:
        """See `LayeredModel.first_inputs`: the neighbourhoods of all pixels of all samples, one a row."""
        image = jnp.moveaxis(inputs.reshape(inputs.shape[0], *self.shape[:2], -1), (3, 0), (0, 3))
        patches = image_layers.neighbourhoods(image)
        return patches.reshape(patches.shape[0], -1).T

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
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


def _stage(features: int, patches: Array) -> Array:
    """Convolve, pool, ReLU, of neighbourhoods f32[9 channels, height, width, M]; called where a module's layers are."""
    _, height, width, samples = patches.shape

    def pooled(product: Array) -> Array:
        return image_layers.pooled(product.reshape(features, height, width, samples)).reshape(features, -1)

    answers = relu(Dense(features)(patches.reshape(patches.shape[0], -1), shrink=pooled))
    return answers.reshape(features, -(-height // 2), -(-width // 2), samples)
