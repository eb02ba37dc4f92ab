"""Threefry written out: the words of `jax.random`, twenty rounds in a row, for loops in which nothing else takes time.

On CPUs JAX rolls the rounds up to compile faster, and then every few rounds go through memory. Written out and used
within one loop they stay in the processor's registers, at half the time.
"""

import jax
import jax.numpy as jnp

from polejax._core.types import Array

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def two_words(keys: Array, address: Array) -> tuple[Array, Array]:
    """The words that `polejax.draw.two_words` makes of each key and address, as two arrays.

    Args:
      keys: typed keys [...] of JAX's default kind; of another kind, the first two words key the rounds.
      address: u32[...], of a shape that goes with that of the keys.

    Returns:
      u32[...] and u32[...], of the shape that both make together.

    Source: Salmon, Moraes, Dror, Shaw 2011 (SC11), Threefry-2x32-20.
    """
    data = jax.random.key_data(keys)
    return two_words_of(data[..., 0], data[..., 1], address)


def two_words_of(first: Array, second: Array, address: Array) -> tuple[Array, Array]:
    """The same of the two words u32[...] of keys."""
    key = (first, second, first ^ second ^ jnp.uint32(_PARITY))
    one, two = jnp.broadcast_arrays(key[0], address + key[1])
    for turn in range(5):
        for rotation in _ROTATIONS[turn % 2]:
            one = one + two
            two = one ^ ((two << jnp.uint32(rotation)) | (two >> jnp.uint32(32 - rotation)))
        one = one + key[(turn + 1) % 3]
        two = two + key[(turn + 2) % 3] + jnp.uint32(turn + 1)
    return one, two
