"""Rounding: keeping a chain's last bits independent of how the compiler happens to fuse."""

import jax

from polejax.checks import Array


def rounded(product: Array) -> Array:
    """A product f32[...] to 23 bits, which keeps the compiler from fusing it into a sum that follows.

    A fused product is rounded once instead of twice. Whether XLA fuses, and in which order it multiplies, depends on
    what else is in the batch, and a tip hashes every bit of its block's interval: without this, a chain would depend
    on its neighbours.
    """
    return jax.lax.reduce_precision(product, exponent_bits=8, mantissa_bits=22)
