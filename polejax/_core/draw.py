"""Random numbers that belong to an identity: a draw depends on the key and a node's address, never on its position."""

import jax
import jax.numpy as jnp

from polejax._core.numerics import rounded
from polejax._core.types import Array


def bits(key: Array, address: Array) -> Array:
    """32 random bits per address, u32[N]: one threefry call each, keyed by `key`, counting `address` u32[N].

    The key that `fold_in` makes *is* threefry's output, so a node that needs a single number needs no second call.
    """
    return two_words(key, address)[..., 0]


def two_words(key: Array, address: Array) -> Array:
    """64 random bits per address, u32[N, 2], for the price of 32: threefry makes two words a call."""
    folded = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, address)
    return jax.random.key_data(folded)


def uniform(key: Array, address: Array) -> Array:
    """One number per address, f32[N], uniform on (0, 1), in steps of 2^-32 near 0 and never above 1 - 2^-24."""
    return uniform_of(bits(key, address))


def uniform_of(word: Array) -> Array:
    """Random words u32[...] as numbers f32[...], uniform on (0, 1)."""
    fraction = (word.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)
    return jnp.minimum(fraction, jnp.float32(1.0 - 2.0**-24))


def exponential(key: Array, address: Array) -> Array:
    """One number per address, f32[N], from the exponential law of mean 1.

    The fine steps of `uniform` near 0 are where the winner of a race among thousands of nodes is decided.
    """
    return exponential_of(bits(key, address))


def exponential_of(word: Array) -> Array:
    """Random words u32[...] as numbers f32[...] of the exponential law of mean 1."""
    return -jnp.log1p(-uniform_of(word))


def normal(key: Array, address: Array) -> Array:
    """One number per address, f32[N], from the standard normal law."""
    return normal_of(bits(key, address))


def normal_of(word: Array) -> Array:
    """Random words u32[...] as numbers f32[...] of the standard normal law."""
    return jax.scipy.special.ndtri(uniform_of(word))


# z / x as a function of w = -log(1 - x^2), x = P(|Z| < z): rational and minimax for x up to 1 - 2^-33 (ours).
_NUMERATOR = (1.2533143, 0.4562694, 0.09105393, 0.012088268, 0.0010239023, 2.8750090e-5)
_DENOMINATOR = (1.0, 0.10225436, 0.032835174, 0.0023698376, 1.6972552e-4, 9.7527300e-7)


def signed_normal_of(word: Array) -> Array:
    """What `normal_of` returns, by law, at half its cost: the last bit is the sign, the others the distance.

    Within 1e-6 of the exact quantiles, relatively, up to 6.4 on either side.
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
