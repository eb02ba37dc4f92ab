"""The Secure Mapping Layer's family: laws exact to the bit, widths, patches, standardised and quantised inputs."""

import functools
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from polejax.learning import sml
from polejax.learning.sml import LAWS, SecureMappingLayer

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

TIP = np.arange(8, dtype=np.uint32) * np.uint32(0x01234567)


def kernel_of(layer, num_features, address=99):
    return _derive(layer, jnp.uint32(address), num_features)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _derive(layer, address, num_features):
    return layer.derive(jnp.asarray(TIP), address, num_features)["sml"]["kernel"]


def orthogonal_by_hand(address, size):
    """Sixteen shuffles, signs and Hadamard products in Python's whole numbers, from hashlib: 2^16 times the matrix."""
    seed = b"SML1" + TIP.astype(">u4").tobytes() + address.to_bytes(4, "big")
    blocks = (hashlib.sha256(seed + count.to_bytes(4, "big")).digest() for count in itertools.count())
    stream = np.frombuffer(b"".join(itertools.islice(blocks, 16 * size // 8 + 1)), ">u4").tolist()
    rows = [[int(i == j) for j in range(size)] for i in range(size)]
    for step in range(16):
        words = stream[step * size : (step + 1) * size]
        signed = [[(-1) ** (word & 1) * entry for entry in row] for row, word in zip(rows, words, strict=True)]
        rows = [signed[i] for i in sorted(range(size), key=lambda i: words[i] >> 1)]
        count = size // 4
        parts = [rows[part * count : (part + 1) * count] for part in range(4)]
        hadamard = [(1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1)]
        mixed = [
            [sum(map(int.__mul__, signs, entries)) for entries in zip(*quadruple, strict=True)]
            for signs in hadamard
            for quadruple in zip(*parts, strict=True)
        ]
        rows = mixed + [[2 * entry for entry in row] for row in rows[4 * count :]]
    return np.array(rows, dtype=object)


def test_the_orthogonal_law_is_orthogonal_in_whole_numbers_and_is_what_hashlib_says():
    for size in (3, 14):
        expected = orthogonal_by_hand(99, size)
        np.testing.assert_array_equal(expected @ expected.T, 2**32 * np.eye(size, dtype=int))
        scale = np.float32(np.sqrt(size)) * np.float32(2.0**-16)
        kernel = np.asarray(kernel_of(SecureMappingLayer(law="orthogonal"), size), np.float64)
        np.testing.assert_allclose(kernel * np.sqrt(size), expected.astype(float) * scale, rtol=3e-7)


def test_orthogonal_entries_are_as_of_a_uniformly_random_matrix():
    """Haar moments: E e^2 = 1/n, E e^4 = 3/(n(n+2)), and the trace has mean 0 and variance 1 (Diaconis, Evans 2001)."""
    n, layer = 64, SecureMappingLayer(law="orthogonal")
    kernels = jax.vmap(lambda address: _derive(layer, address, n))(jnp.arange(128, dtype=jnp.uint32))
    kernels = np.asarray(kernels, np.float64)
    fourth = (kernels**4).mean(axis=(1, 2)) * n * (n + 2) / 3
    traces = kernels.trace(axis1=1, axis2=2)
    assert abs(fourth.mean() - 1) < 5 * fourth.std() / 128**0.5
    assert abs(traces.mean()) < 5 / 128**0.5
    assert abs((traces**2).mean() - 1) < 5 * (2 / 128) ** 0.5
    np.testing.assert_array_equal(kernels[99], kernel_of(layer, n))  # alone or in a batch, the same bits


@pytest.mark.parametrize("law", LAWS)
def test_every_law_has_every_size_and_every_address_its_own_kernel(law):
    for features in (5, 20):
        layer = SecureMappingLayer(features=features, law=law)
        kernel, other = (np.asarray(kernel_of(layer, 12, address), np.float64) for address in (99, 98))
        assert kernel.shape == (12, layer.width(12)) == (12, features)
        assert np.linalg.matrix_rank(kernel) == min(kernel.shape)
        assert np.linalg.matrix_rank(np.concatenate([kernel, other]).T) == min(24, features)
        if law == "orthogonal":  # mean square 1 / D, as all laws
            few = kernel if features == 20 else kernel.T
            np.testing.assert_allclose(few @ few.T, np.eye(len(few)) * max(1, features / 12), atol=1e-6)


# SHA-256 of the float32 bits of the kernels f32[12, 20] at TIP and address 99: jax 0.7.2, 0.10.1 and 0.12.0.1 agree.
DIGESTS = {
    "gaussian": "f42d2c815e71edc5",
    "rademacher": "a3b88f24835e4d7e",
    "uniform": "576d845b87daff86",
    "positive": "d17d3259a9ef33ab",
    "orthogonal": "08f33a5af14c04d6",
}


@pytest.mark.smoke
@pytest.mark.parametrize("law", LAWS)
def test_kernels_are_the_same_bits_on_every_version_and_device(law):
    kernel = np.asarray(kernel_of(SecureMappingLayer(features=20, law=law), 12))
    assert hashlib.sha256(kernel.astype("<f4").tobytes()).hexdigest()[:16] == DIGESTS[law]


def test_patches_are_mapped_one_by_one_and_stay_in_place():
    layer = SecureMappingLayer(features=5, shape=(4, 6, 2), patch=2, activation=nn.relu)
    kernel = np.asarray(kernel_of(layer, 48))
    images = np.random.default_rng(0).standard_normal((3, 4, 6, 2)).astype(np.float32)
    mapped = np.asarray(layer.apply({"sml": {"kernel": kernel}}, jnp.asarray(images.reshape(3, 48))))
    assert mapped.shape == (3, layer.width(48)) == (3, 30)
    for row, column in np.ndindex(2, 3):
        patch = images[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(3, 8)
        expected = np.maximum(patch @ kernel, 0)
        np.testing.assert_allclose(mapped.reshape(3, 2, 3, 5)[:, row, column], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"features": 5, "activation": nn.tanh},
        {"features": 6, "activation": nn.softmax},
        {"shape": (6, 4), "patch": 2},
        {"standardise": True, "fraction_bits": 6},
    ],
    ids=["plain", "tanh", "softmax", "patches", "whole numbers"],
)
def test_features_in_columns_are_those_in_rows(options):
    layer, inputs = SecureMappingLayer(**options), jax.random.normal(jax.random.key(0), (7, 24))
    variables = layer.derive(jnp.arange(8, dtype=jnp.uint32), jnp.uint32(3), 24)
    rows = layer.apply(variables, inputs)
    np.testing.assert_allclose(layer.apply(variables, inputs, in_columns=True), rows.T, atol=1e-5)
    for leading in ((), (0,), (2, 3)):
        assert layer.apply(variables, jnp.ones((*leading, 24))).shape == (*leading, rows.shape[1])


def test_standardised_samples_lose_shift_and_scale():
    layer = SecureMappingLayer(standardise=True)
    variables = {"sml": {"kernel": kernel_of(layer, 12)}}
    inputs = jnp.asarray(np.random.default_rng(1).standard_normal((4, 12)), jnp.float32)
    mapped = layer.apply(variables, inputs)
    np.testing.assert_allclose(layer.apply(variables, inputs * 7.0 + 3.0), mapped, rtol=1e-4, atol=1e-5)
    assert (layer.apply(variables, jnp.ones((2, 12))) == 0).all()


@pytest.mark.parametrize(
    ("features", "options"),
    [(49, {}), (100, {"standardise": True}), (64, {"features": 16}), (200, {"features": 128})],
    ids=str,
)
def test_a_node_s_features_have_the_same_bits_whoever_is_mapped_beside(features, options):
    layer, inputs = SecureMappingLayer(**options), jax.random.normal(jax.random.key(0), (33, features))
    tips, addresses = jnp.arange(56, dtype=jnp.uint32).reshape(7, 8), jnp.arange(7, dtype=jnp.uint32)
    variables = jax.jit(jax.vmap(lambda tip, address: layer.derive(tip, address, features)))(tips, addresses)
    for in_columns in (False, True):
        mapped = jax.jit(jax.vmap(functools.partial(layer.apply, in_columns=in_columns), in_axes=(0, None)))
        together = mapped(variables, inputs)
        for count in (1, 2, 4):
            few = jax.tree.map(lambda leaf: leaf[:count], variables)  # noqa: B023
            np.testing.assert_array_equal(mapped(few, inputs), together[:count])


def test_samples_are_standardised_alike_by_processors_and_by_the_compiler_itself():
    inputs = np.random.default_rng(0).standard_normal((96, 256)).astype(np.float32)
    standardised = np.asarray(jax.jit(sml._standardised)(inputs))
    np.testing.assert_array_equal(jax.jit(lambda: sml._standardised(jnp.asarray(inputs)))(), standardised)
    np.testing.assert_allclose(standardised.std(axis=1), 1.0, atol=1e-5)
    assert (sml._standardised(jnp.full((2, 49), 0.1)) == 0).all()


def test_a_quantised_layer_is_a_product_of_whole_numbers():
    layer = SecureMappingLayer(features=20, fraction_bits=4)
    kernel = np.asarray(kernel_of(layer, 12), np.float64)
    weights = np.round(kernel * np.sqrt(12) * 16)
    np.testing.assert_allclose(kernel, weights / 16 / np.sqrt(12), rtol=1e-6)
    inputs = np.random.default_rng(2).standard_normal((5, 12)).astype(np.float32)
    mapped = layer.apply({"sml": {"kernel": kernel_of(layer, 12)}}, jnp.asarray(inputs))
    integers = np.round(inputs.astype(np.float64) * 16) @ weights
    np.testing.assert_array_equal(mapped, (integers.astype(np.float32) * np.float32(12**-0.5 * 2.0**-8)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features must be at least 1, got 0"),
        ({"patch": 2}, "patch must divide the sides of an image of 48 features, got patch 2 and shape None"),
        ({"patch": 3, "shape": (4, 6, 2)}, "patch must divide the sides"),
        ({"patch": 2, "shape": (4, 6)}, "patch must divide the sides"),
    ],
)
def test_bad_input_names_value_and_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        kernel_of(SecureMappingLayer(**options), 48)
