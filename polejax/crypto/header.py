"""Block headers and their hashes: PoLe's, whose hash names a block (its tip), and Bitcoin's, for proof of work."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.crypto import hash_tree, sha256

VERSION = 0x506F4C01
"""First word of a PoLe header, which distinguishes it from other messages: "PoL" and the layout's version, 1."""

GENESIS = np.frombuffer(hashlib.sha256(b"polejax genesis").digest(), dtype=">u4").astype(np.uint32)
"""The tip that the first block (height 1) builds on: SHA-256 of b"polejax genesis", u32[8]."""


def words(height: Array, previous: Array, address: Array, commitment: Array, increment: Array) -> jax.Array:
    """Write PoLe block headers: 80 bytes, every field big-endian.

    | words | field |
    |---|---|
    | 0 | `VERSION` |
    | 1 | height |
    | 2-9 | tip of the previous block |
    | 10 | address of the producer |
    | 11-18 | commitment to the model's parameters |
    | 19 | time since the previous block, seconds: the float32's bits |

    The layout is ours: it holds what a verifier needs, and what the Secure Mapping Layer is derived from (previous tip
    and address).

    Args:
      height: i32 scalar (or i32[N]).
      previous: tips, u32[N, 8].
      address: u32[N].
      commitment: u32[N, 8], see `commit`.
      increment: seconds, f32[N].

    Returns:
      The headers, u32[N, 20]. Any leading axes may take the place of N; they broadcast.

    Raises:
      ValueError: a tip, address or commitment is not of uint32 words.
    """
    previous = sha256.as_words("previous", previous, 8)
    commitment = sha256.as_words("commitment", commitment, 8)
    address = sha256.as_words("address", jnp.asarray(address)[..., None], 1)
    height = jnp.asarray(height, dtype=jnp.int32).astype(jnp.uint32)[..., None]
    bits = jax.lax.bitcast_convert_type(jnp.asarray(increment, dtype=jnp.float32), jnp.uint32)[..., None]
    return _join([np.array([VERSION], np.uint32), height, previous, address, commitment, bits])


def tip(height: Array, previous: Array, address: Array, commitment: Array, increment: Array) -> jax.Array:
    """Hash PoLe block headers: SHA-256 of the 80 bytes of `words`, with the same arguments.

    Returns:
      The tips, u32[N, 8].
    """
    return sha256.digest_words(words(height, previous, address, commitment, increment))


def commit(params: Any) -> jax.Array:
    """Commit to the parameters of N models.

    Args:
      params: a pytree of f32[N, ...].

    Returns:
      u32[N, 8]: `hash_tree.digest` of the float32 bit patterns of all leaves, flattened in row-major order
      and concatenated in the tree's order. (So 0.0 and -0.0 differ.)

    Raises:
      ValueError: no leaves, or a leaf that is not float32 or lacks the leading axis N.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError(f"params must have at least one leaf, got {checks.shown(params)}: pass the model's parameters")
    patterns: list[jax.Array] = []
    for path, leaf in leaves:
        name, leaf = jax.tree_util.keystr(path), jnp.asarray(leaf)
        if leaf.dtype != jnp.float32:
            raise ValueError(f"params{name} must be float32, got {leaf.dtype}: convert it")
        if leaf.ndim == 0 or (patterns and leaf.shape[0] != patterns[0].shape[0]):
            raise ValueError(f"params{name} must have the leading axis N, got {leaf.shape}: stack the models")
        patterns.append(jax.lax.bitcast_convert_type(leaf, jnp.uint32).reshape(leaf.shape[0], -1))
    return hash_tree.digest(jnp.concatenate(patterns, axis=-1))


def pow_words(version: Array, previous: Array, merkle_root: Array, time: Array, bits: Array, nonce: Array) -> jax.Array:
    """Write Bitcoin's block headers: 80 bytes, as the big-endian words that SHA-256 reads.

    Bitcoin serialises numbers little-endian, so the word of a number (version, time, bits, nonce) is the
    number with its four bytes reversed. Hashes are serialised in the order in which SHA-256 wrote their
    bytes, so their words stand as they are; block explorers print those 32 bytes last to first
    (`sha256.reverse_bytes`).

    | words | bytes | field |
    |---|---|---|
    | 0 | 0-3 | version |
    | 1-8 | 4-35 | double SHA-256 of the previous header |
    | 9-16 | 36-67 | Merkle root of the transactions |
    | 17 | 68-71 | time, seconds since 1970 |
    | 18 | 72-75 | compact target |
    | 19 | 76-79 | nonce |

    Args:
      version: u32 or i32[...], the number.
      previous: SHA-256 words, u32[..., 8].
      merkle_root: SHA-256 words, u32[..., 8].
      time: u32[...], the number.
      bits: u32[...], the number (see `target.from_bits`).
      nonce: u32[...], the number.

    Returns:
      The headers, u32[..., 20]; leading axes broadcast.

    Raises:
      ValueError: a hash is not 8 uint32 words.

    Nakamoto, 2008, section 4; layout: Bitcoin developer reference, "Block Headers".
    """
    previous = sha256.as_words("previous", previous, 8)
    merkle_root = sha256.as_words("merkle_root", merkle_root, 8)
    numbers = [jnp.asarray(number, dtype=jnp.uint32)[..., None] for number in (version, time, bits, nonce)]
    first, *last = map(sha256.swap_bytes, numbers)
    return _join([first, previous, merkle_root, *last])


def double_digest(message: Array) -> jax.Array:
    """Hash messages twice, as Bitcoin does: SHA-256 of SHA-256's 32 bytes; u32[..., L] to u32[..., 8]."""
    return sha256.digest_words(sha256.digest_words(message))


def midstate(first: Array) -> jax.Array:
    """Hash the part of Bitcoin headers that does not depend on the nonce, once for all nonces.

    Args:
      first: the header's first 64 bytes, u32[..., 16]: `pow_words(...)[..., :16]`.

    Returns:
      SHA-256's state after them, u32[..., 8].
    """
    return sha256.compress(sha256.INITIAL, first)


def _join(fields: list[Any]) -> jax.Array:
    shape = jnp.broadcast_shapes(*(field.shape[:-1] for field in fields))
    return jnp.concatenate([jnp.broadcast_to(field, (*shape, field.shape[-1])) for field in fields], axis=-1)
