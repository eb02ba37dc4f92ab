"""Keys: polejax draws with one generator, Threefry, whatever JAX's default is."""

from typing import Any

import jax
import numpy as np

from polejax._core.types import Key

GENERATOR = "threefry2x32"
"""The generator of all keys: a draw by address is Threefry's output for the key and the address (`draw`)."""


def key_of(seed: int) -> Key:
    """The typed key of a seed in [0, 2^64): `key_of(seed)` under JAX's own settings, and under any others.

    The default generator, 64-bit mode and an offset of seeds change `jax.random.key`; without 64-bit mode, it gives
    seeds that differ by 2^32 one key.

    Raises:
      ValueError: a seed outside of that.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be at least 0 and below 2^64, got {seed}")
    words: Any = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
    made: Key = jax.random.wrap_key_data(words, impl=GENERATOR)
    return made
