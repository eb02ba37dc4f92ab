"""What a convolutional network does with images: the fast ways against the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polejax._core import numerics
from polejax.learning import image_layers, layers

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

SHAPES = [(2, 4, 6, 3), (1, 5, 3, 2), (3, 1, 1, 1), (1, 2, 7, 4)]


def made(shape, key=0):
    """Images some of whose numbers are equal, as a black margin's are."""
    return jnp.round(2.0 * jax.random.normal(jax.random.key(key), shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_neighbourhoods_are_those_of_padded_images_and_so_are_their_gradients(shape):
    @jax.jit
    def both(image):
        (expected, back), (found, ours) = (
            jax.vjp(way, image) for way in (image_layers._padded, image_layers.neighbourhoods)
        )
        given = jax.random.normal(jax.random.key(1), expected.shape)
        return expected, found, back(given)[0], ours(given)[0]

    image = made(shape)
    expected, found, gradient, ours = both(image)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(ours, gradient, atol=1e-5)
    np.testing.assert_array_equal(expected[4 * shape[0] : 5 * shape[0]], image)  # the fifth neighbour is oneself


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pooling_is_the_maximum_and_equals_share_its_gradient(shape):
    def plain(image):
        return jax.lax.reduce_window(image, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")

    @jax.jit
    def both(image):
        most, back = jax.vjp(image_layers.pooled, image)
        given = jax.random.normal(jax.random.key(1), most.shape)
        diverged = image_layers.pooled(image.at[0, 0, 0, 0].set(jnp.nan))
        return most, plain(image), back(given)[0], given, image, diverged[0, 0, 0, 0]

    most, expected, got, given, image_seen, diverged = map(np.asarray, both(made(shape)))
    np.testing.assert_array_equal(most, expected)
    for block in np.ndindex(most.shape):
        channel, row, column, sample = block
        part = (channel, slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2), sample)
        among = image_seen[part] == most[block]
        np.testing.assert_allclose(got[part], among * given[block] / among.sum(), rtol=1e-6)
    assert np.isnan(diverged)  # a diverged network stays one


def test_a_bias_after_pooling_is_one_before():
    layer, columns = layers.Dense(2), made((3, 24))
    params = layer.init(jax.random.key(1), columns)["params"]
    params = {**params, "bias": jnp.array([0.5, -3.0])}

    def pooled(products):
        return image_layers.pooled(products.reshape(2, 2, 4, 3)).reshape(2, -1)

    np.testing.assert_array_equal(
        layer.apply({"params": params}, columns, shrink=pooled), pooled(layer.apply({"params": params}, columns))
    )


def test_values_in_vectors_are_the_same_values():
    values = jnp.array([np.inf, -np.inf, 0.0, -0.0, 1e-45, 3.0, np.nan])
    np.testing.assert_array_equal(numerics.vectorised(values).view(jnp.int32)[:-1], values.view(jnp.int32)[:-1])
    assert np.isnan(numerics.vectorised(values)[-1])


def test_other_numbers_than_float32_stay_what_they_are():
    image = made((1, 3, 5, 2)).astype(jnp.bfloat16)
    for way in (image_layers.neighbourhoods, image_layers.pooled):
        answer, _ = jax.eval_shape(lambda image, way=way: jax.vjp(way, image), image)
        gradient = jax.eval_shape(lambda image, way=way: jax.vjp(way, image)[1](way(image))[0], image)
        assert answer.dtype == gradient.dtype == jnp.bfloat16
