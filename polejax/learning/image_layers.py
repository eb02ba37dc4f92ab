"""Neighbourhoods and pooling of images with samples last: a small convolutional network's operations beside products.

Images are f32[channels, height, width, M] of M samples. XLA's CPU compiler vectorises only some forms of a loop: the
forms below give the same numbers as the plain ones, and a training step takes three quarters of the time.
"""

import jax
import jax.numpy as jnp

from polejax._core.types import Array


@jax.custom_vjp
def neighbourhoods(images: Array) -> Array:
    """Return each pixel's 3 x 3 neighbourhood, zeros around: f32[C, height, width, M] to f32[9 C, height, width, M].

    All pixels of a row lie along one axis, so that each shift is one contiguous slice of it. The frame of zeros is
    concatenated, not padded: XLA:CPU does not store a padded image, but tests for every number, each time it is read,
    whether it lies inside.
    """
    channels, height, width, samples = images.shape
    side = jnp.zeros((channels, height, 1, samples), images.dtype)
    above = jnp.zeros((channels, 1, (width + 2) * samples), images.dtype)
    rows = jnp.concatenate([side, images, side], axis=2).reshape(channels, height, -1)
    framed = jnp.concatenate([above, rows, above], axis=1)
    shifts = [framed[:, i : i + height, j * samples : (j + width) * samples] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifts).reshape(9 * channels, height, width, samples)


def _padded(images: Array) -> Array:
    """`neighbourhoods` in plain operations; the gradient is its transpose."""
    height, width = images.shape[1:3]
    padded = jnp.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    return jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)])


def _neighbours_give_back(images: Array, gradient: Array) -> tuple[Array]:
    given_back: tuple[Array] = jax.linear_transpose(_padded, images)(gradient)
    return given_back


neighbourhoods.defvjp(lambda images: (neighbourhoods(images), images), _neighbours_give_back)


@jax.custom_vjp
def pooled(images: Array) -> Array:
    """Return the maxima of 2 x 2 blocks, f32[C, height, width, M] to f32[C, height / 2, width / 2, M], rounded up.

    Blocks at an odd edge have fewer numbers. All numbers that equal a block's maximum share its gradient equally; the
    share is computed once a block, not once for each of its four numbers.
    """
    return _blocks(images).max(axis=(2, 4))


def _blocks(images: Array) -> Array:
    """Images as f32[C, height / 2, 2, width / 2, 2, M], padded at odd edges with -inf, which is never the maximum."""
    channels, height, width, samples = images.shape
    odd = [(0, 0), (0, height % 2), (0, width % 2), (0, 0)]
    shape = channels, -(-height // 2), 2, -(-width // 2), 2, samples
    return jnp.pad(images, odd, constant_values=-jnp.inf).reshape(shape)


def _pooled_forward(images: Array) -> tuple[Array, tuple[Array, Array]]:
    most = pooled(images)
    return most, (images, most)


def _pooled_backward(seen: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    images, most = seen
    is_most = _blocks(images) == most[:, :, None, :, None]
    share = gradient / sum(is_most[:, :, i, :, j].astype(gradient.dtype) for i in range(2) for j in range(2))
    # One column of the blocks at a time: XLA:CPU does not vectorise the comparison of all four places at once.
    columns = [jnp.where(is_most[..., j, :], share[:, :, None], 0.0)[..., None, :] for j in range(2)]
    given = jnp.concatenate(columns, axis=4)
    given = given.reshape(images.shape[0], 2 * most.shape[1], 2 * most.shape[2], -1)
    return (given[:, : images.shape[1], : images.shape[2]],)


pooled.defvjp(_pooled_forward, _pooled_backward)
