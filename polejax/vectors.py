"""Vectors: short loops that LLVM would else write out number by number."""

import jax
import jax.numpy as jnp

from polejax.checks import Array


def in_vectors(values: Array) -> Array:
    """Values f32[...] as they are, made by a loop of vectors; what is no number stays none.

    XLA on CPUs writes a loop for each array, the innermost over its last axis. Where that has some 30 to 100 turns and
    does next to nothing, LLVM writes all turns out, number by number, and never comes to think of vectors: picking rows
    out of others took three times as long. A comparison more, and the loop is too long for that. GPUs and TPUs are left
    alone.
    """
    return jax.lax.platform_dependent(values, cpu=_compared, default=_as_they_are)


def _compared(values: Array) -> Array:
    return jnp.where(values == values, values, jnp.nan)


def _as_they_are(values: Array) -> Array:
    return values
