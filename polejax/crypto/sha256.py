"""SHA-256 on JAX arrays of 32-bit words, many messages at once (FIPS 180-4; NIST, 2015).

A digest is u32[..., 8]: the big-endian words of its 32 bytes. Leading axes are independent messages.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.types import Array

INITIAL = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19],
    dtype=np.uint32,
)
"""The state before the first block, u32[8] (FIPS 180-4, section 5.3.3)."""

# FIPS 180-4, section 4.2.2: one word a round.
# fmt: off
ROUND_CONSTANTS = np.array(
    [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ],
    dtype=np.uint32,
)
# fmt: on

# On a CPU the rate is bounded by XLA's fusions, which read their words from cache and write them back: 7 million double
# hashes per second and core, 0.4 of what the operations alone would allow. Unrolling eight rounds avoids most copies of
# the schedule; with all 64 unrolled, fusions recompute shared inputs and the compile time explodes.
_UNROLL = 8


def compress(state: Array, block: Array) -> jax.Array:
    """Mix one block of 64 bytes into the state: SHA-256's compression function.

    Args:
      state: the state before, u32[..., 8].
      block: the block's big-endian words, u32[..., 16]; leading axes broadcast against the state's.

    Returns:
      The state after, u32[..., 8].

    Raises:
      ValueError: not uint32, or not 8 and 16 words.

    FIPS 180-4, section 6.2.2.
    """
    state, block = as_words("state", state, 8), as_words("block", block, 16)
    shape = jnp.broadcast_shapes(state.shape[:-1], block.shape[:-1])
    return jnp.stack(compress_words(_split(state, shape), _split(block, shape)), axis=-1)


def digest_words(message: Array) -> jax.Array:
    """Hash whole messages of 4 L bytes.

    Args:
      message: the message's big-endian words, u32[..., L]; L is static.

    Returns:
      SHA-256 of each message, u32[..., 8].

    Raises:
      ValueError: not uint32.

    FIPS 180-4, sections 5.1.1 (padding) and 6.2.
    """
    message = as_words("message", message)
    *shape, length = message.shape
    zeros = [0] * (-(length + 3) % 16)
    padding = np.array([0x80000000, *zeros, *divmod(32 * length, 2**32)], dtype=np.uint32)
    padded = jnp.concatenate([message, jnp.broadcast_to(padding, (*shape, padding.size))], axis=-1)
    blocks = jnp.moveaxis(padded.reshape(*shape, -1, 16), (-2, -1), (0, 1))
    state = _split(INITIAL, tuple(shape))
    if blocks.shape[0] == 1:
        state = compress_words(state, tuple(blocks[0]))
    else:
        state = _alike(state, blocks[0, 0])
        state, _ = jax.lax.scan(lambda state, block: (compress_words(state, tuple(block)), None), state, blocks)
    return jnp.stack(state, axis=-1)


def digest_bytes(message: bytes | np.ndarray) -> bytes:
    """Hash one message of any number of bytes, block by block from the host: one compiled program serves every length.

    Args:
      message: bytes, or a (concrete) uint8 array of them.

    Returns:
      SHA-256 of the message, 32 bytes.

    FIPS 180-4, sections 5.1.1 (padding) and 6.2.
    """
    message = bytes(message)
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + (8 * len(message)).to_bytes(8, "big")
    state: Array = INITIAL
    for block in np.frombuffer(padded, dtype=">u4").astype(np.uint32).reshape(-1, 16):
        state = _compress_jit(state, block)
    return np.asarray(state).astype(">u4").tobytes()


def stream(seed: Array, count: int) -> jax.Array:
    """Draw pseudo-random words that anybody who has the seed can draw again: SHA-256 in counter mode.

    Words 8 c to 8 c + 7 are SHA-256(seed || c) with c = 0, 1, ... as a big-endian 32-bit integer.

    Args:
      seed: u32[..., L]; with L up to 12, seed and counter fit into one block, which is the cheapest.
      count: number of words to draw, static.

    Returns:
      Uniform words, u32[..., count].

    Raises:
      ValueError: the seed is not of uint32 words, or the count is not a whole number.

    Construction: ours (the shape of MGF1, RFC 8017, appendix B.2.1).
    """
    seed, count = as_words("seed", seed), checks.whole("count", count, high=2**35)
    shape, blocks = seed.shape[:-1], -(-count // 8)
    seeds = jnp.broadcast_to(seed[..., None, :], (*shape, blocks, seed.shape[-1]))
    counters = jnp.broadcast_to(jnp.arange(blocks, dtype=jnp.uint32)[:, None], (*shape, blocks, 1))
    digests = digest_words(jnp.concatenate([seeds, counters], axis=-1))
    return digests.reshape(*shape, blocks * 8)[..., :count]


def reverse_bytes(words: Array) -> jax.Array:
    """Reverse the bytes of a string of words: the last word's last byte comes first.

    Turns a digest into the limbs, most significant first, of the little-endian number that its bytes spell;
    and into the order in which Bitcoin's software prints block hashes.

    Args:
      words: u32[..., n], big-endian words of a string of 4 n bytes.

    Returns:
      The words of the reversed string, u32[..., n].
    """
    return jnp.flip(swap_bytes(words), axis=-1)


def swap_bytes(words: Array) -> jax.Array:
    """Reverse the four bytes of each word: little-endian to big-endian and back; u32[...] to u32[...]."""
    words = jnp.asarray(words)
    swapped = (words << 24) | ((words & 0xFF00) << 8) | ((words >> 8) & 0xFF00) | (words >> 24)
    return swapped.astype(jnp.uint32)


def to_hex(words: Array) -> str:
    """Write one string of words u32[n] as 8 n hexadecimal digits.

    Raises:
      ValueError: not one axis of uint32.
    """
    array = np.asarray(words)
    if array.dtype != np.uint32 or array.ndim != 1:
        raise ValueError(f"words must be u32[n], got {array.dtype}{list(array.shape)}: pass one digest")
    return array.astype(">u4").tobytes().hex()


def from_hex(text: str) -> np.ndarray:
    """Read 8 n hexadecimal digits as words u32[n].

    Raises:
      ValueError: not hexadecimal digits, or not a multiple of 8 of them.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"text must be hexadecimal digits, got {checks.shown(text)}") from None
    if len(data) % 4:
        raise ValueError(f"text must have a multiple of 8 digits, got {2 * len(data)}: pad it with zeros")
    return np.frombuffer(data, dtype=">u4").astype(np.uint32)


def as_words(name: str, value: Any, count: int | None = None) -> jax.Array:
    """Return an array of uint32 words, with `count` of them along the last axis where given.

    Raises:
      ValueError: another type or another number of words.
    """
    array = jnp.asarray(value)
    if array.dtype != jnp.uint32 or array.ndim == 0 or (count is not None and array.shape[-1] != count):
        wanted = f"u32[..., {'n' if count is None else count}]"
        raise ValueError(f"{name} must be {wanted}, got {array.dtype}{list(array.shape)}: convert it")
    return array


def _split(words: Array, shape: tuple[int, ...]) -> tuple[jax.Array, ...]:
    # One array per word: so messages, not words, are adjacent in memory, and the rounds vectorise over messages.
    return tuple(jnp.broadcast_to(words[..., i], shape) for i in range(words.shape[-1]))


def _rotate(word: jax.Array, bits: int) -> jax.Array:
    return (word >> bits) | (word << (32 - bits))


_Words = tuple[jax.Array, ...]


def advance(
    state: _Words, schedule: _Words, constant: Array, once: Callable[[Array], Array] = lambda word: word
) -> tuple[_Words, _Words]:
    """Take one of the 64 rounds of SHA-256: 8 words of state, 16 of the schedule, all of one shape.

    Args:
      state: a to h, u32[...] each.
      schedule: the next 16 words, u32[...] each.
      constant: the round's, u32[].
      once: identity, or an optimisation barrier where a word must be computed only once. XLA:CPU's fusions have one
        result each, so the new a = t1 + t2 and the new e = d + t1 would both compute t1. Behind a barrier the new e is
        computed first, and a takes t1 from it as e - d.

    Returns:
      The state and the schedule for the next round.

    FIPS 180-4, section 6.2.2, steps 1 and 3, in its notation.
    """
    a, b, c, d, e, f, g, h = state
    w0, w1, w9, w14 = schedule[0], schedule[1], schedule[9], schedule[14]
    choose = g ^ (e & (f ^ g))
    majority = (a & b) | (c & (a | b))
    t1 = h + (_rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)) + choose + constant + w0
    t2 = (_rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)) + majority
    new_e = once(d + t1)
    sigma0 = _rotate(w1, 7) ^ _rotate(w1, 18) ^ (w1 >> 3)
    sigma1 = _rotate(w14, 17) ^ _rotate(w14, 19) ^ (w14 >> 10)
    return (new_e - d + t2, a, b, c, new_e, e, f, g), (*schedule[1:], w0 + sigma0 + w9 + sigma1)


def compress_words(state: _Words, block: _Words) -> _Words:
    """`compress` on separate words: a block of 16 arrays and a state of 8 arrays, all u32[...] of one shape."""
    compressed: _Words = _compress(state, block, jnp.asarray(ROUND_CONSTANTS))
    return compressed


@jax.custom_batching.custom_vmap
def _compress(state: _Words, block: _Words, constants: jax.Array) -> _Words:
    """`compress_words` with the round constants u32[64] as an argument.

    A function with its own rule for `vmap` must close over no array: where `vmap` makes a `cond` compute both of its
    branches, JAX gives closed-over arrays an axis too, and then refuses them.
    """

    def step(carry: tuple[_Words, _Words], constant: jax.Array) -> tuple[tuple[_Words, _Words], None]:
        return advance(*carry, constant, jax.lax.optimization_barrier), None

    shape = state[0].shape
    flat_state, flat_block = jax.tree.map(jnp.ravel, (state, block))
    carry = _alike(flat_state, flat_block[0]), _alike(flat_block, flat_state[0])
    (mixed, _), _ = jax.lax.scan(step, carry, constants, unroll=_UNROLL)
    return tuple((after + before).reshape(shape) for after, before in zip(mixed, flat_state, strict=True))


@_compress.def_vmap
def _compress_many(
    axis_size: int, batched: Any, state: _Words, block: _Words, constants: jax.Array
) -> tuple[_Words, Any]:
    # By default vmap would give the rounds two axes, of which the last one (the nodes) is too short to vectorise well:
    # a third of the speed. This rule adds the new axis to the words, which `_compress` flattens.
    def lead(array: jax.Array, has_axis: bool) -> jax.Array:
        return array if has_axis else jnp.broadcast_to(array, (axis_size, *array.shape))

    state, block = jax.tree.map(lead, (state, block), tuple(batched[:2]))
    return _compress(state, block, constants[0] if batched[2] else constants), (True,) * 8


def _alike(arrays: _Words, other: jax.Array) -> _Words:
    # Under `shard_map` a scan's carry that comes to differ between devices must be marked as different from the start.
    # Or-ing zeros computed from `other` marks it and changes no bit.
    nothing = other & 0
    return tuple(array | nothing for array in arrays)


_compress_jit = jax.jit(compress)
