"""Random numbers by address: a draw depends on the key and a node's address, never on the node's position."""

import jax
import jax.numpy as jnp

from polejax._core.numerics import rounded
from polejax._core.types import Array, Key

__all__ = [
    "bits",
    "exponential",
    "exponential_of",
    "lognormal_of",
    "normal",
    "normal_of",
    "signed_normal_of",
    "two_words",
    "uniform",
    "uniform_of",
]


def __dir__() -> list[str]:
    return __all__


def bits(key: Key, address: Array) -> Array:
    """32 random bits per address, u32[N]: one call of threefry each, with key `key` and counter `address` u32[N].

    `jax.random.fold_in` returns threefry's output as a key; the bits are that output, so no second call is needed.
    """
    return two_words(key, address)[..., 0]


def two_words(key: Key, address: Array) -> Array:
    """64 random bits per address, u32[N, 2], at the cost of 32: threefry returns two words per call."""
    folded = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, address)
    return jax.random.key_data(folded)


def uniform(key: Key, address: Array) -> Array:
    """One number per address, f32[N], uniform on (0, 1); spaced by 2^-32 near 0, and at most 1 - 2^-24."""
    return uniform_of(bits(key, address))


def uniform_of(word: Array) -> Array:
    """Random words u32[...] as numbers f32[...], uniform on (0, 1)."""
    fraction = (word.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)
    return jnp.minimum(fraction, jnp.float32(1.0 - 2.0**-24))


def exponential(key: Key, address: Array) -> Array:
    """One number per address, f32[N], from the exponential law of mean 1.

    In a race among thousands of nodes the smallest draws decide, so `uniform` must be finely spaced near 0.
    """
    return exponential_of(bits(key, address))


def exponential_of(word: Array) -> Array:
    """Random words u32[...] as numbers f32[...] of the exponential law of mean 1."""
    return -jnp.log1p(-uniform_of(word))


def normal(key: Key, address: Array) -> Array:
    """One number per address, f32[N], from the standard normal law."""
    return normal_of(bits(key, address))


def normal_of(word: Array) -> Array:
    """Random words u32[...] as numbers f32[...] of the standard normal law."""
    return jax.scipy.special.ndtri(uniform_of(word))


# z / x as a rational function of w = -log(1 - x^2), x = P(|Z| < z); minimax fit for x up to 1 - 2^-33 (ours).
_NUMERATOR = (1.2533143, 0.4562694, 0.09105393, 0.012088268, 0.0010239023, 2.8750090e-5)
_DENOMINATOR = (1.0, 0.10225436, 0.032835174, 0.0023698376, 1.6972552e-4, 9.7527300e-7)


def signed_normal_of(word: Array) -> Array:
    """Random words u32[...] as standard normal numbers f32[...], at half the cost of `normal_of`.

    The last bit of a word gives the sign, the others the absolute value: the same law as `normal_of`, other numbers.
    Relative error of the quantiles below 1e-6; absolute values up to 6.4. Source: ours.
    """
    tail = uniform_of(word >> 1 << 1)
    ratio = -jnp.log(tail * (2.0 - tail))
    distance = (1.0 - tail) * _polynomial(_NUMERATOR, ratio) / _polynomial(_DENOMINATOR, ratio)
    return jnp.where((word & 1) == 1, distance, -distance)


def _polynomial(coefficients: tuple[float, ...], value: Array) -> Array:
    """The sum of coefficients, lowest first, times powers of value f32[...]."""
    total = jnp.float32(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * value + jnp.float32(coefficient)
    return total


def lognormal_of(word: Array, sigma: Array) -> Array:
    """Random words u32[...] as factors f32[...] of median 1 whose logarithm has standard deviation `sigma` f32[]."""
    return jnp.exp(rounded(sigma * normal_of(word)))
