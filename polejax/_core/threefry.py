"""Threefry unrolled: the random words of `jax.random`, for loops that do little else than draw.

On CPUs `jax.random` runs threefry's twenty rounds in a loop, which compiles faster but writes its words to memory every
few rounds. Unrolled and fused into the caller's loop, the words stay in registers, and drawing takes half the time.
"""

import jax
import jax.numpy as jnp

from polejax._core.types import Array

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def two_words(keys: Array, address: Array) -> tuple[Array, Array]:
    """The two words that `polejax._core.draw.two_words` returns for each key and address, as two arrays.

    Args:
      keys: typed keys [...] of JAX's default kind; of another kind, only the first two words are used.
      address: u32[...], of a shape that broadcasts with that of the keys.

    Returns:
      First words u32[...] and second words u32[...], of the broadcast shape.

    Source: Salmon, Moraes, Dror, Shaw 2011 (SC11), Threefry-2x32-20.
    """
    data = jax.random.key_data(keys)
    return two_words_of(data[..., 0], data[..., 1], address)


def two_words_of(first: Array, second: Array, address: Array) -> tuple[Array, Array]:
    """What `two_words` returns, for keys given as their two words u32[...]."""
    key = (first, second, first ^ second ^ jnp.uint32(_PARITY))
    one, two = jnp.broadcast_arrays(key[0], address + key[1])
    for turn in range(5):
        for rotation in _ROTATIONS[turn % 2]:
            one = one + two
            two = one ^ ((two << jnp.uint32(rotation)) | (two >> jnp.uint32(32 - rotation)))
        one = one + key[(turn + 1) % 3]
        two = two + key[(turn + 2) % 3] + jnp.uint32(turn + 1)
    return one, two
