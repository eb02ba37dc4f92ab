"""Block weight: the bytes of a block that carries a model, and how long its verification takes."""

from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from polejax._core import checks
from polejax.learning import models


class ModelBlock(NamedTuple):
    """A block that carries a model."""

    num_bytes: float
    verification: float  # seconds until a node that received it has checked it


def model_block(
    mechanism: Any, flops_per_second: float, *, bytes_per_parameter: float = 4.0, other_bytes: float = 0.0
) -> ModelBlock:
    """Size and verification time of a `PoLe` block, from the learner's own parameters and arithmetic.

    The block carries every trainable parameter; whoever receives it re-derives the Secure Mapping Layer from the header
    (its drawing is not counted), maps the test samples and runs the network forward on all of them (ours).

    Args:
      mechanism: a `PoLe`: its task's test samples, its learner and its layer are counted.
      flops_per_second: at which a node verifies.
      bytes_per_parameter: 4 for float32; less when a model is compressed.
      other_bytes: header and transactions.

    Raises:
      ValueError: a rate or size that is not positive, or negative other bytes.
    """
    rate = float(checks.real("flops_per_second", flops_per_second, above=0.0, ndim=0))
    size = float(checks.real("bytes_per_parameter", bytes_per_parameter, above=0.0, ndim=0))
    other = float(checks.real("other_bytes", other_bytes, low=0.0, ndim=0))
    samples, features = mechanism.task.test_inputs.shape
    width = mechanism.mapped_features
    flops = forward_flops(mechanism.learner, width, samples) + (2 * samples * features * width if mechanism.sml else 0)
    return ModelBlock(size * models.num_parameters(mechanism.learner, width) + other, flops / rate)


def forward_flops(module: nn.Module, num_features: int, num_samples: int) -> int:
    """Floating-point operations of one forward pass, counted as `models.step_flops` counts a training step.

    Args:
      module: a Flax Linen module from f32[M, D] to f32[M, C].
      num_features: D.
      num_samples: M.

    Raises:
      ValueError: a size below 1.
    """
    shape = (checks.whole("num_samples", num_samples, low=1), checks.whole("num_features", num_features, low=1))
    inputs = jax.ShapeDtypeStruct(shape, np.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), inputs)
    forward = jax.make_jaxpr(lambda variables, inputs: models.logits(module, variables, inputs))
    return models._product_flops(forward(variables, inputs).jaxpr)
