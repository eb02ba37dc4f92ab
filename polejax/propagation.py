"""What one hop costs: latency, bytes over bandwidth, verification; and what a block that carries a model weighs."""

from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from polejax import learners
from polejax._core import checks
from polejax._core.types import Array

BITCOIN_BLOCK = 535_000  # bytes; SimBlock, SimulationConfiguration.BLOCK_SIZE
COMPACT_BLOCK = 18_000  # bytes; Bitcoin's compact block relay (BIP 152), SimBlock, COMPACT_BLOCK_SIZE


def hop_delay(
    latency: Array,
    num_bytes: float = 0.0,
    bandwidth: Array = float("inf"),
    verification: float = 0.0,
    messages: int = 1,
) -> np.ndarray:
    """Seconds from a node's having a block to its neighbour's having received and verified it.

    Args:
      latency: seconds one way, any shape.
      num_bytes: of the block as it is sent; a compact block is a smaller block (`COMPACT_BLOCK`).
      bandwidth: bytes per second, of a shape that broadcasts with `latency`; inf for none to wait for.
      verification: seconds that the receiver takes before it passes the block on.
      messages: latencies per hop: 1 for a block that is sent unasked, 3 for announcement, request and block.

    Returns:
      messages x latency + num_bytes / bandwidth + verification, f64, seconds.

    Raises:
      ValueError: something negative, no bandwidth, or less than one message.
    """
    latency = np.asarray(checks.real("latency", latency, low=0.0), np.float64)
    bandwidth = np.asarray(checks.real("bandwidth", bandwidth, above=0.0, infinite=True), np.float64)
    num_bytes = float(checks.real("num_bytes", num_bytes, low=0.0, ndim=0))
    verification = float(checks.real("verification", verification, low=0.0, ndim=0))
    return checks.whole("messages", messages, low=1) * latency + num_bytes / bandwidth + verification


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
    return ModelBlock(size * learners.num_parameters(mechanism.learner, width) + other, flops / rate)


def forward_flops(module: nn.Module, num_features: int, num_samples: int) -> int:
    """Floating-point operations of one forward pass, counted as `learners.step_flops` counts a training step.

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
    forward = jax.make_jaxpr(lambda variables, inputs: learners.logits(module, variables, inputs))
    return learners._product_flops(forward(variables, inputs).jaxpr)
