"""SHA-256 against FIPS 180-4's published vectors, hashlib, and the trees and streams built from hashlib."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, PartitionSpec

from polejax.crypto import hash_tree, sha256

FIPS_180_4 = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
    b"nopqrstu": "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
}


def hash_words(words):
    digest = hashlib.sha256(np.asarray(words).astype(">u4").tobytes()).digest()
    return np.frombuffer(digest, dtype=">u4").astype(np.uint32)


def random_words(seed, *shape):
    return np.random.default_rng(seed).integers(0, 2**32, shape, dtype=np.uint32)


@pytest.mark.parametrize("message", FIPS_180_4)
def test_published_vectors(message):
    assert sha256.digest_bytes(message).hex() == FIPS_180_4[message]


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_hash_as_hashlib_does(message):
    expected = hashlib.sha256(message).digest()
    assert sha256.digest_bytes(message) == expected
    assert sha256.digest_bytes(np.frombuffer(message, dtype=np.uint8)) == expected


# 13 words are the most whose padding fits one block, 14 the fewest that need another.
@pytest.mark.parametrize("length", [0, 13, 14])
def test_words_hash_as_their_bytes_do(length):
    messages = random_words(length, 3, 2, length)
    digests = jax.jit(sha256.digest_words)(messages)
    assert digests.shape == (3, 2, 8)
    for index in np.ndindex(3, 2):
        np.testing.assert_array_equal(digests[index], hash_words(messages[index]))


def test_vmap_and_shard_map_change_nothing():
    messages = random_words(5, 4, 3, 30)  # three blocks
    mesh = jax.make_mesh((2,), ("seeds",), devices=jax.devices()[:2], axis_types=(AxisType.Auto,))
    specs = {"in_specs": PartitionSpec("seeds"), "out_specs": PartitionSpec("seeds")}
    digests = jax.jit(jax.shard_map(jax.vmap(jax.vmap(sha256.digest_words)), mesh=mesh, **specs))(messages)
    for index in np.ndindex(4, 3):
        np.testing.assert_array_equal(digests[index], hash_words(messages[index]))


def test_compress_broadcasts_what_is_shared():
    states, blocks = random_words(1, 5, 8), random_words(2, 3, 1, 16)
    together = jax.jit(sha256.compress)(states, blocks)
    assert together.shape == (3, 5, 8)
    shared = jax.jit(jax.vmap(jax.vmap(sha256.compress, (0, None)), (None, 0)))(states, blocks[:, 0])
    np.testing.assert_array_equal(together, shared)


def tree(words):
    """The tree's definition once more, recursively and with hashlib."""

    def top(level):
        level = np.pad(level, (0, -level.size % 256)) if level.size else np.zeros(256, dtype=np.uint32)
        digests = np.concatenate([hash_words(chunk) for chunk in level.reshape(-1, 256)])
        return digests if digests.size == 8 else top(digests)

    return hash_words(np.append(top(words), np.uint32(words.size)))


# Nothing, one chunk exactly, one word more, two levels' worth of chunks and some.
@pytest.mark.parametrize("length", [0, 256, 257, 256 * 32 + 5])
def test_tree_matches_its_definition(length):
    words = random_words(length, 2, length)
    digests = jax.jit(hash_tree.digest)(words)
    for row in range(2):
        np.testing.assert_array_equal(digests[row], tree(words[row]))


def test_stream_is_counter_mode_and_uniform():
    seeds = random_words(4, 2, 10)
    words = np.asarray(jax.jit(sha256.stream, static_argnums=1)(seeds, 40_003))
    assert words.shape == (2, 40_003)
    for row in range(2):
        for counter in (0, 1, 5_000):
            expected = hash_words(np.append(seeds[row], np.uint32(counter)))
            found = words[row, 8 * counter : 8 * counter + 8]
            np.testing.assert_array_equal(found, expected[: found.size])
    ones, bits = int(np.unpackbits(words.view(np.uint8)).sum()), words.size * 32
    assert abs(ones - bits / 2) < 5 * np.sqrt(bits) / 2


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=9))
@settings(deadline=None, max_examples=30)
def test_hexadecimal_and_byte_orders(numbers):
    words = np.array(numbers, dtype=np.uint32)
    data = words.astype(">u4").tobytes()
    assert sha256.to_hex(words) == data.hex()
    np.testing.assert_array_equal(sha256.from_hex(data.hex()), words)
    assert sha256.to_hex(sha256.reverse_bytes(words)) == data[::-1].hex()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sha256.compress(sha256.INITIAL, sha256.INITIAL), r"block must be u32\[..., 16\], got"),
        (lambda: sha256.digest_words(jnp.zeros(4)), "message must be .* got float32"),
        (lambda: hash_tree.digest(jnp.zeros(4, jnp.int32)), "words must be .* got int32"),
        (lambda: sha256.stream(sha256.INITIAL, -1), "count must be at least 0 .* got -1"),
        (lambda: sha256.to_hex(jnp.zeros((2, 8), jnp.uint32)), "pass one digest"),
        (lambda: sha256.from_hex("abc"), "hexadecimal digits"),
        (lambda: sha256.from_hex("abcd"), "multiple of 8 digits, got 4"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_hashing_within_a_condition_of_lanes():
    """Under vmap a condition that differs between lanes computes both of its branches, hashing included."""
    messages = jnp.arange(48, dtype=jnp.uint32).reshape(3, 16)
    chosen = jnp.array([True, False, True])

    def maybe(choose, message):
        return jax.lax.cond(choose, sha256.digest_words, lambda message: jnp.zeros(8, jnp.uint32), message)

    expected = np.where(chosen[:, None], sha256.digest_words(messages), 0)
    np.testing.assert_array_equal(jax.jit(jax.vmap(maybe))(chosen, messages), expected)
