"""Headers against bytes packed by `struct` and Bitcoin's first block; targets against Python's integers."""

import hashlib
import math
import struct
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polejax.crypto import header, nonces, sha256, target

GENESIS_NONCE = 2083236893
GENESIS_BITS = 0x1D00FFFF
GENESIS_HASH = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
MERKLE_ROOT = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
LARGEST = 2**256 - 1
ZEROS = np.zeros((2, 3), np.float32)


def words_of(data):
    return np.frombuffer(data, dtype=">u4").astype(np.uint32)


def number_of(limbs):
    return int(sha256.to_hex(limbs), 16)


def limbs_of(number):
    return words_of(number.to_bytes(32, "big"))


# --- Bitcoin


@pytest.fixture(scope="module")
def genesis():
    root = words_of(bytes.fromhex(MERKLE_ROOT)[::-1])
    return header.pow_words(1, np.zeros(8, np.uint32), root, 1231006505, GENESIS_BITS, GENESIS_NONCE)


def test_bitcoin_header_serialises_little_endian(genesis):
    packed = struct.pack("<I", 1) + bytes(32) + bytes.fromhex(MERKLE_ROOT)[::-1]
    packed += struct.pack("<III", 1231006505, GENESIS_BITS, GENESIS_NONCE)
    np.testing.assert_array_equal(genesis, words_of(packed))


def test_bitcoins_first_block(genesis):
    digest = jax.jit(header.double_digest)(genesis)
    assert sha256.to_hex(sha256.reverse_bytes(digest)) == GENESIS_HASH
    assert target.meets(digest, target.from_bits(GENESIS_BITS))
    assert not target.meets(digest, limbs_of(int(GENESIS_HASH, 16) - 1))


def test_midstate_finds_the_first_blocks_nonce(genesis):
    @jax.jit
    def search(words):
        digests = nonces.digests(header.midstate(words[:, :16]), words[:, 16:19], jnp.uint32(GENESIS_NONCE - 20), 32)
        goal = target.from_bits(GENESIS_BITS)
        wins = target.meets_words(digests, tuple(goal))
        whole = jnp.stack(digests, axis=-1)
        return whole, wins, target.meets(whole, goal)

    digests, wins, also = search(jnp.stack([genesis, genesis.at[3].add(1)]))
    assert digests.shape == (2, 32, 8)
    np.testing.assert_array_equal(np.argwhere(wins), [[0, 20]])
    np.testing.assert_array_equal(wins, also)
    assert sha256.to_hex(sha256.reverse_bytes(digests[0, 20])) == GENESIS_HASH


# --- PoLe


def test_tip_hashes_the_documented_bytes():
    rng = np.random.default_rng(0)
    previous, commitment = rng.integers(0, 2**32, (2, 3, 8), dtype=np.uint32)
    address = np.array([0, 7, 2**32 - 1], dtype=np.uint32)
    increment = np.array([0.0, 599.25, 1e-3], dtype=np.float32)
    height = jnp.int32(70_000)
    tips = jax.jit(header.tip)(height, previous, address, commitment, increment)
    assert tips.shape == (3, 8)
    for n in range(3):
        data = b"PoL\x01" + struct.pack(">I", 70_000) + previous[n].astype(">u4").tobytes()
        data += struct.pack(">I", address[n]) + commitment[n].astype(">u4").tobytes()
        data += struct.pack(">f", increment[n])
        np.testing.assert_array_equal(tips[n], words_of(hashlib.sha256(data).digest()))


def test_genesis_tip():
    assert header.GENESIS.astype(">u4").tobytes() == sha256.digest_bytes(b"polejax genesis")


def test_commit_is_the_tree_over_all_parameters_in_order():
    rng = np.random.default_rng(1)
    params = {
        "dense": {"bias": rng.normal(size=(2, 5)), "kernel": rng.normal(size=(2, 40, 5))},
        "scale": rng.normal(size=2),
    }
    params = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float32), params)
    flat = [params["dense"]["bias"], params["dense"]["kernel"].reshape(2, -1), params["scale"][:, None]]
    digests = jax.jit(header.commit)(params)
    for n, model in enumerate(np.concatenate(flat, axis=1)):
        chunk = model.astype(">f4").tobytes().ljust(1024, b"\0")
        root = hashlib.sha256(chunk).digest() + struct.pack(">I", model.size)
        np.testing.assert_array_equal(digests[n], words_of(hashlib.sha256(root).digest()))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "params must have at least one leaf"),
        ({"bias": np.zeros((2, 3), np.float16)}, r"params\['bias'\] must be float32, got float16"),
        ({"a": ZEROS, "b": np.float32(0)}, r"params\['b'\] must have the leading axis"),
        ({"a": ZEROS, "b": np.zeros(3, np.float32)}, r"params\['b'\] must have the leading axis"),
    ],
)
def test_commit_names_a_bad_leaf(params, message):
    with pytest.raises(ValueError, match=message):
        header.commit(params)


# --- Targets

compact = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(lambda size, mantissa: (size << 24) | mantissa, st.integers(0, 35), st.integers(0, 2**24 - 1)),
)
decode = jax.jit(target.from_bits)
encode = jax.jit(jax.vmap(target.bits_from_difficulty))
expect = jax.jit(target.expected_hashes)
is_met = jax.jit(target.meets)


def set_compact(bits):
    """Bitcoin Core's `DeriveTarget` with Python's integers; 0 where it finds none."""
    size, mantissa, negative = bits >> 24, bits & 0x7FFFFF, bits & 0x800000
    number = mantissa << 8 * (size - 3) if size > 3 else mantissa >> 8 * (3 - size)
    return 0 if negative or number > LARGEST else number


def get_compact(number):
    """Bitcoin Core's `arith_uint256::GetCompact` with Python's integers."""
    size = (number.bit_length() + 7) // 8
    mantissa = number << 8 * (3 - size) if size <= 3 else number >> 8 * (size - 3)
    return ((size + 1) << 24) | (mantissa >> 8) if mantissa & 0x800000 else (size << 24) | mantissa


@settings(deadline=None, max_examples=300)
@given(compact)
@example(GENESIS_BITS)
@example(0x05009234)
@example(0x2100FFFF)
@example(0x220000FF)
@example(0x22000100)
@example(0xFF123456)
def test_compact_targets_decode_exactly(bits):
    number = set_compact(bits)
    assert number_of(decode(np.uint32(bits))) == number
    finite = number * 2**128 > 2**256
    assert expect(np.uint32(bits)) == (np.float32(2.0**256 / number) if finite else np.inf)


difficulties = st.one_of(
    st.floats(1, float(np.finfo(np.float32).max), width=32),
    st.builds(lambda power: 2.0**power, st.integers(0, 127)),
    st.builds(lambda power: 2.0**power * (1 - 2**-24), st.integers(1, 127)),
    st.floats(1, 1e6, width=32),
)


@settings(deadline=None, max_examples=300)
@given(difficulties)
def test_difficulties_encode_exactly(difficulty):
    bits = int(encode(np.array([difficulty], dtype=np.float32))[0])
    number = min(math.floor(2**256 / Fraction(difficulty)), LARGEST)
    assert bits == get_compact(number)
    assert difficulty * (1 - 2**-23) <= expect(np.uint32(bits)) <= difficulty * (1 + 2**-14)


def test_difficulties_at_and_past_the_ends():
    found = encode(np.array([1.0, 0.25, -3.0, np.inf, np.nan], dtype=np.float32))
    np.testing.assert_array_equal(found, np.array([*[target.EASIEST_BITS] * 3, 0, 0], dtype=np.uint32))
    with pytest.raises(ValueError, match=r"difficulty must be at least 1, got 0\.5"):
        target.bits_from_difficulty(0.5)


numbers = st.one_of(
    st.integers(0, LARGEST),
    st.builds(lambda bit, add: (1 << bit) + add, st.integers(1, 255), st.integers(-1, 1)),
)


@settings(deadline=None, max_examples=300)
@given(numbers, numbers)
def test_hashes_meet_targets_as_integers_compare(number, limit):
    digest = words_of(number.to_bytes(32, "little"))
    near = [max(number - 1, 0), number, min(number + 1, LARGEST), limit]
    found = is_met(digest, np.stack([limbs_of(value) for value in near]))
    np.testing.assert_array_equal(found, [number <= value for value in near])


def test_hashes_meet_a_target_once_in_difficulty_tries():
    wanted, tries = 20.0, 40_000
    digests = sha256.stream(header.GENESIS, 8 * tries).reshape(tries, 8)
    wins = int(is_met(digests, target.from_bits(target.bits_from_difficulty(wanted))).sum())
    spread = math.sqrt(tries / wanted * (1 - 1 / wanted))
    assert abs(wins - tries / wanted) < 5 * spread
