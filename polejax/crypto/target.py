"""Proof-of-work targets: 256-bit numbers in 32-bit limbs, and Bitcoin's compact encoding of them.

A target is u32[..., 8], most significant limb first: `sha256.to_hex(target)` prints the number. A hash meets a target
if its bytes, read as a number with the least significant byte first, are at most the target. All functions may be
traced.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from polejax._core import checks
from polejax._core.types import Array
from polejax.crypto import sha256

EASIEST_BITS = 0x2100FFFF
"""The compact encoding of 2^256 - 1, the largest target: 65,535 hashes in 65,536 meet it."""


def from_bits(bits: Array) -> jax.Array:
    """Decode a compact target: mantissa x 256^(exponent - 3), fractions dropped.

    Args:
      bits: u32[...], Bitcoin's "nBits": 8 bits of exponent, a sign bit, 23 bits of mantissa.

    Returns:
      The target, u32[..., 8]. Zero, which no hash meets, where the number is negative or 2^256 or more:
      Bitcoin rejects such blocks.

    Bitcoin Core, `arith_uint256::SetCompact` and `DeriveTarget`.
    """
    mantissa, exponent = _decode(bits)
    mantissa, exponent = mantissa[..., None], exponent[..., None]
    index = jnp.broadcast_to(jnp.arange(31, -1, -1, dtype=jnp.int32), (*mantissa.shape[:-1], 32))
    digit = index - exponent + 3  # which of the mantissa's bytes this byte of the target is
    inside = (digit >= 0) & (digit < 3)
    shift = jnp.where(inside, 8 * digit, 0).astype(jnp.uint32)
    bytes_ = jnp.where(inside, (mantissa >> shift) & 0xFF, 0).reshape(*mantissa.shape[:-1], 8, 4)
    limbs = (bytes_[..., 0] << 24) | (bytes_[..., 1] << 16) | (bytes_[..., 2] << 8) | bytes_[..., 3]
    return limbs.astype(jnp.uint32)


def bits_from_difficulty(difficulty: Array) -> jax.Array:
    """Encode the target floor(2^256 / difficulty) that a hash meets once in `difficulty` tries on average.

    The division of the float32 is exact, in integers. Only the compact encoding truncates, to between 16 and 23 bits,
    so that up to 2^-15 more hashes are expected than asked for.

    Args:
      difficulty: expected number of hashes, f32[...], at least 1. If traced, less than 1 counts as 1, and infinity and
        NaN give bits 0, which no hash meets.

    Returns:
      The compact target, u32[...]; at most `EASIEST_BITS`.

    Raises:
      ValueError: below 1 or not finite.

    Bitcoin Core, `arith_uint256::GetCompact`.
    """
    difficulty = jnp.asarray(checks.real("difficulty", difficulty, low=1.0), dtype=jnp.float32)
    pattern = jax.lax.bitcast_convert_type(difficulty, jnp.uint32)
    # difficulty = mantissa x 2^exponent with 2^23 <= mantissa < 2^24
    mantissa = (pattern & 0x7FFFFF) | 0x800000
    exponent = ((pattern >> 23) & 0xFF).astype(jnp.int32) - 150
    # quotient = floor(2^47 / mantissa), eight bits at a time: 24 bits, or 2^24 for a power of two
    quotient, remainder = 0x800000 // mantissa, 0x800000 % mantissa
    for _ in range(3):
        quotient = (quotient << 8) | ((remainder << 8) // mantissa)
        remainder = (remainder << 8) % mantissa
    # The target is the quotient's bits followed by 209 - exponent further ones.
    bit_length = jnp.where(quotient >> 24 == 1, 25, 24) + 209 - exponent
    size = bit_length // 8 + 1  # bytes, with room for a sign bit
    shift = 8 * (size - 3) - (209 - exponent)
    bits = (size.astype(jnp.uint32) << 24) | (quotient >> shift.astype(jnp.uint32))
    bits = jnp.where(difficulty > 1, bits, jnp.uint32(EASIEST_BITS))
    return jnp.where(difficulty < jnp.inf, bits, jnp.uint32(0))


def expected_hashes(bits: Array) -> jax.Array:
    """Expected number of hashes until one meets a compact target: 2^256 / target.

    Args:
      bits: compact targets, u32[...].

    Returns:
      Expected number of hashes, f32[...], rounded once; infinity for a target of zero and beyond
      float32. (Bitcoin Core, `GetBlockProof`, has target + 1 below the line: no difference to a finite
      float32.)
    """
    mantissa, exponent = _decode(bits)
    power = 280 - 8 * exponent  # 2^256 / 256^(exponent - 3)
    half = power // 2
    return (1.0 / mantissa.astype(jnp.float32)) * _power_of_two(half) * _power_of_two(power - half)


def meets(digest: Array, target: Array) -> jax.Array:
    """Whether hashes meet targets: a hash's bytes, read as a little-endian number, are at most the target.

    Args:
      digest: SHA-256 words, u32[..., 8].
      target: u32[..., 8], most significant limb first; leading axes broadcast.

    Returns:
      bool[...].

    Raises:
      ValueError: not 8 uint32 words.
    """
    digest, target = sha256.as_words("digest", digest, 8), sha256.as_words("target", target, 8)
    shape = jnp.broadcast_shapes(digest.shape, target.shape)
    digest, target = jnp.broadcast_to(digest, shape), jnp.broadcast_to(target, shape)
    return meets_words(tuple(digest[..., i] for i in range(8)), tuple(target[..., i] for i in range(8)))


def meets_words(digest: Sequence[Array], target: Sequence[Array]) -> jax.Array:
    """What `meets` returns, given one array u32[...] for each of 8 words and of 8 limbs."""
    at_most: jax.Array = jnp.bool_(True)
    for word, limit in zip(digest, reversed(target), strict=True):  # the last word's last byte is the number's first
        mine = sha256.swap_bytes(word)
        at_most = (mine < limit) | ((mine == limit) & at_most)
    return at_most


def _decode(bits: Array) -> tuple[jax.Array, jax.Array]:
    """Split compact targets: mantissa (u32; zero if negative or too large) and exponent (i32, at most 34)."""
    bits = jnp.asarray(bits, dtype=jnp.uint32)
    mantissa, exponent = bits & 0x7FFFFF, (bits >> 24).astype(jnp.int32)
    negative = (bits & 0x800000) != 0
    most = jnp.select([exponent > 34, exponent == 34, exponent == 33], [0, 0xFF, 0xFFFF], 0x7FFFFF)
    overflow = mantissa > most.astype(jnp.uint32)
    return jnp.where(negative | overflow, jnp.uint32(0), mantissa), jnp.minimum(exponent, 34)


def _power_of_two(exponent: jax.Array) -> jax.Array:
    # Built from the float's bits, as exp2 is not exact on every accelerator; too large an exponent gives infinity.
    biased = jnp.clip(exponent + 127, 0, 255).astype(jnp.uint32)
    return jax.lax.bitcast_convert_type(biased << 23, jnp.float32)
