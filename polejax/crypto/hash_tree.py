"""Hash trees: one digest that commits to any number of words."""

import jax
import jax.numpy as jnp

from polejax._core.types import Array
from polejax.crypto import sha256

CHUNK_WORDS = 256
"""Words (of 4 bytes) that are hashed together: 1,024 bytes, hence 32 digests."""


def digest(words: Array) -> jax.Array:
    """Commit to many words with a hash tree: sequential depth grows with the logarithm of their number.

    The words, padded with zero words to whole chunks of 256 words (1,024 bytes; at least one chunk), are replaced by
    the concatenated SHA-256 digests of the chunks. These digests are padded and hashed in the same way, level by level,
    until one digest `top` is left. The result is SHA-256(top || n), 36 bytes, with n the true number of words as a
    big-endian 32-bit integer. As n determines the tree's shape, neither padding nor an inner chunk can pass for data.

    Args:
      words: u32[..., n], n static.

    Returns:
      The commitment, u32[..., 8].

    Raises:
      ValueError: not uint32, or 2^32 words or more.

    Construction: ours (a 32-ary tree after Merkle, 1987).
    """
    words = sha256.as_words("words", words)
    *shape, length = words.shape
    if length >= 2**32:
        raise ValueError(f"words must be fewer than 2^32, got {length}: commit to them in parts")
    while True:
        chunks = max(1, -(-words.shape[-1] // CHUNK_WORDS))
        words = _pad_with_zeros(words, chunks * CHUNK_WORDS)
        digests = sha256.digest_words(words.reshape(*shape, chunks, CHUNK_WORDS))
        words = digests.reshape(*shape, chunks * 8)
        if chunks == 1:
            break
    count = jnp.full((*shape, 1), length, dtype=jnp.uint32)
    return sha256.digest_words(jnp.concatenate([words, count], axis=-1))


def _pad_with_zeros(words: jax.Array, length: int) -> jax.Array:
    return jnp.pad(words, [(0, 0)] * (words.ndim - 1) + [(0, length - words.shape[-1])])
