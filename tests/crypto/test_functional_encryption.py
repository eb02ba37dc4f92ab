"""Functional encryption: nodes learn the layer's images exactly, at a real group's size."""

import random

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polejax as pj
from polejax.crypto import functional_encryption as fe

SMALL = fe.Group(2_879, 4)  # a safe prime, so that a test can try many vectors
TIP = jnp.arange(8, dtype=jnp.uint32)


def is_probably_prime(number):
    """Miller and Rabin, with the first twelve primes as witnesses."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for witness in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        power = pow(witness, odd, number)
        if power not in (1, number - 1) and all(pow(power, 2**k, number) != number - 1 for k in range(twos)):
            return False
    return True


def test_the_group_is_of_prime_order_and_2048_bits():
    prime, generator = fe.MODP_2048
    assert prime.bit_length() == 2_048
    assert is_probably_prime(prime)
    assert is_probably_prime(fe.MODP_2048.order)
    assert pow(generator, fe.MODP_2048.order, prime) == 1  # and generator is not 1, so it generates all of it
    # RFC 3526: 2^2048 - 2^1984 - 1 + 2^64 (floor(2^1918 pi) + 124476); Machin's formula for pi in whole numbers.
    one = 1 << 2_100
    arctan = lambda x: sum((-1) ** k * (one // x ** (2 * k + 1)) // (2 * k + 1) for k in range(1_600))  # noqa: E731
    pi = (4 * (4 * arctan(5) - arctan(239))) >> (2_100 - 1_918)
    assert prime == 2**2048 - 2**1984 - 1 + 2**64 * (pi + 124_476)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=6), st.integers(0, 2**32))
def test_decryption_gives_the_inner_product(pairs, seed):
    vector, weights = zip(*pairs, strict=True)
    draw = random.Random(seed).randrange
    key, master = fe.set_up(len(vector), SMALL, draw)
    product = sum(x * y for x, y in pairs)
    ciphertext, opened = fe.encrypt(key, vector, draw), fe.function_key(master, weights, SMALL)
    assert fe.decrypt(key, opened, ciphertext, 81 * 6) == product
    if abs(product) > 3:
        with pytest.raises(ValueError, match="raise it"):
            fe.decrypt(key, opened, ciphertext, 3)


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_the_same_vector_looks_different_each_time_and_a_wrong_key_opens_nothing(seed):
    draw = random.Random(seed).randrange
    key, master = fe.set_up(3, fe.MODP_2048, draw)
    first, second = (fe.encrypt(key, (1, 0, -2), draw) for _ in range(2))
    assert not set(first.entries) & set(second.entries)
    guessed = fe.function_key([secret + 1 for secret in master], (3, 1, 4))
    with pytest.raises(ValueError, match="bound"):
        fe.decrypt(key, guessed, first, 1_000)


def test_nodes_learn_exactly_what_the_quantised_layer_computes():
    layer = pj.SecureMappingLayer(features=3, fraction_bits=3)
    variables = layer.derive(TIP, jnp.uint32(5), 8)
    samples = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    numbers, weights, unit = fe.quantised(samples, np.asarray(variables["sml"]["kernel"]), 3)
    key, master = fe.set_up(8)
    opened = [fe.function_key(master, column) for column in weights.T.tolist()]
    encrypted = [fe.encrypt(key, row) for row in numbers.tolist()]
    decrypted = np.array([[fe.decrypt(key, column, row, 100_000) for column in opened] for row in encrypted])
    np.testing.assert_array_equal(decrypted, numbers @ weights)
    mapped = layer.apply(variables, jnp.asarray(samples))
    np.testing.assert_array_equal(mapped, decrypted.astype(np.float32) * np.float32(unit))


def test_bad_input_names_the_remedy():
    key, master = fe.set_up(2, SMALL)
    with pytest.raises(ValueError, match="vector must have 2 entries, got 3"):
        fe.encrypt(key, [1, 2, 3])
    with pytest.raises(ValueError, match="weights must have 2 entries, got 1"):
        fe.function_key(master, [1], SMALL)
