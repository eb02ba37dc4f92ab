"""The Secure Mapping Layer: a frozen linear layer that binds a model to a parent block and to a node."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax import checks, sha256
from polejax.checks import Array

LAWS = ("gaussian", "rademacher", "uniform", "positive")
_DOMAIN = 0x534D4C31  # "SML1": keeps these hashes apart from every other use of SHA-256 here


class SecureMappingLayer(nn.Module):
    """A linear layer `h(x) = activation(x W)` whose kernel W is derived from (parent tip, address) and never trained.

    The kernel lives in the collection `sml`, apart from `params`, so no optimiser can touch it; `derive` makes it.

    Args:
      features: width F of the layer's output; None for as many as come in (square).
      law: of the kernel's entries, which have variance 1 / D, so that standardised inputs keep their scale: "gaussian";
        "rademacher" (a fair sign); "uniform" (centred); "positive" (uniform from 0, not centred).
      activation: after the linear map, or None.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145) propose the layer; the law, size and activation are left open there
    and are options here (ours).
    """

    features: int | None = None
    law: str = "gaussian"
    activation: Callable[[Array], Array] | None = None

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        """Map inputs f32[..., D] to features f32[..., F]; precision is highest, so that all verifiers agree."""
        kernel = self.variable("sml", "kernel", _underived, inputs.shape[-1])
        mapped = jnp.matmul(inputs, kernel.value, precision=jax.lax.Precision.HIGHEST)
        return mapped if self.activation is None else self.activation(mapped)

    def derive(self, tip: Array, address: Array, num_features: int) -> dict[str, Any]:
        """The layer's variables, from what a block's header and its producer say.

        Args:
          tip: u32[8], SHA-256 of the parent block's header.
          address: u32[], the node's.
          num_features: D, features of a sample.

        Returns:
          {"sml": {"kernel": f32[D, F]}}. Entry e is a function of word or half-word e of the counter-mode stream
          SHA-256(seed || 0), SHA-256(seed || 1), ... with seed = SHA-256("SML1" || tip || address) (ours), by integer
          arithmetic, a table and one product, so it is the same bits on every device and jax version.

        Raises:
          ValueError: an unknown law or a width below 1.
        """
        checks.one_of("law", self.law, LAWS)
        shape = (num_features, checks.whole("features", self.features or num_features, low=1))
        message = jnp.concatenate([jnp.uint32([_DOMAIN]), tip, address[None]])
        entries = _entries(self.law, sha256.digest_words(message), math.prod(shape))
        scale = np.float32(1.0 / math.sqrt(num_features))
        return {"sml": {"kernel": (entries * scale).reshape(shape)}}


def _underived(num_features: int) -> Array:
    raise ValueError(
        f"the Secure Mapping Layer of {num_features} features has no kernel: pass layer.derive(tip, address)"
    )


def _entries(law: str, seed: Array, count: int) -> Array:
    """`count` numbers of variance 1, f32[count], from the stream behind `seed` u32[8]."""
    if law == "rademacher":
        words = sha256.stream(seed, -(-count // 32))
        signs = (words[:, None] >> jnp.arange(32, dtype=jnp.uint32)[None]) & 1
        return 1.0 - 2.0 * signs.reshape(-1)[:count].astype(jnp.float32)
    if law == "gaussian":
        words = sha256.stream(seed, -(-count // 2))
        halves = jnp.stack([words >> 16, words & 0xFFFF], axis=-1).reshape(-1)[:count]
        return jnp.asarray(_normal_quantiles())[halves.astype(jnp.int32)]
    parts = (sha256.stream(seed, count) >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)
    if law == "uniform":
        return (parts - 0.5) * np.float32(math.sqrt(12.0))
    return parts * np.float32(math.sqrt(3.0))


@functools.cache
def _normal_quantiles() -> np.ndarray:
    """The midpoint quantiles of the normal law in 2^16 equal parts, f32[65536], exact multiples of 2^-16."""
    from scipy.special import ndtri  # here: only this table needs it

    quantiles = ndtri((np.arange(2**16) + 0.5) / 2**16)
    return (np.round(quantiles * 2**16) / 2**16).astype(np.float32)
