"""The Secure Mapping Layer: a frozen linear layer that binds a model to a parent block and to a node."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax._core import checks
from polejax._core.brief import brief
from polejax._core.numerics import added_up, kept, product_in_columns, product_in_rows, rounded
from polejax._core.types import Array
from polejax.crypto import sha256
from polejax.learning.sizes import sizes

LAWS = ("gaussian", "rademacher", "uniform", "positive", "orthogonal")
_MOST_BITS = 11  # products of two numbers of so many bits are exact in float32, which holds 24
_MIXINGS = 16  # rounds; after six of them every entry of a matrix of 3,072 rows depends on every other
_DOMAIN = 0x534D4C31  # "SML1": keeps these hashes apart from every other use of SHA-256 here


class SecureMappingLayer(nn.Module):
    """A linear layer `h(x) = activation(x W)` whose kernel W is derived from (parent tip, address) and never trained.

    The kernel lives in the collection `sml`, apart from `params`, so no optimiser can touch it; `derive` makes it.

    Args:
      features: width F of the layer's output, of each patch if there are patches; None: as many as inputs (square).
      law: of the kernel's entries, which have mean square 1 / D, so that standardised inputs keep their scale:
        "gaussian"; "rademacher" (a fair sign); "uniform" (centred); "positive" (uniform from 0, not centred);
        "orthogonal" (orthonormal rows or columns, whichever are fewer, times a constant).
      activation: after the linear map, or None.
      shape: of an image, (height, width) or (height, width, channels), as `Task.shape`; only patches need it.
      patch: side P, in pixels, of the disjoint square patches that the same kernel maps one by one, so that the image
        stays one, of shape (height / P, width / P, F), for a convolutional model; None: the flat pixels are mapped.
      standardise: whether each sample is first centred and divided by its standard deviation over its own features.
      fraction_bits: b, where inputs and sqrt(D) times the kernel are rounded to multiples of 2^-b, so that the map is a
        product of small integers, as functional encryption needs (`polejax.crypto.functional_encryption`); at most 11,
        as float32 holds products of such; None: exact.

    Raises:
      ValueError: an unknown law, a size below 1, a flag that is none, or too many bits.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145) propose the layer; the law, size and activation are left open there
    and are options here (ours).
    """

    features: int | None = None
    law: str = "gaussian"
    activation: Callable[[Array], Array] | None = None
    shape: tuple[int, ...] | None = None
    patch: int | None = None
    standardise: bool = False
    fraction_bits: int | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        checks.one_of("law", self.law, LAWS)
        checks.flag("standardise", self.standardise)
        for name, value, most in (
            ("features", self.features, None),
            ("patch", self.patch, None),
            ("fraction_bits", self.fraction_bits, _MOST_BITS),
        ):
            if value is not None:
                checks.whole(name, value, low=0 if name == "fraction_bits" else 1, high=most)
        if self.activation is not None:
            checks.function("activation", self.activation)
        if self.shape is not None:
            self.shape = sizes("shape", self.shape)
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: Array, in_columns: bool = False) -> Array:
        """Map inputs f32[..., D] to features f32[..., F], or of all patches one after another.

        Products have the highest precision, so that all verifiers agree. With `in_columns` the features of inputs
        f32[M, D] are f32[F, M], computed in that layout, which takes a third of the time of transposing them.
        """
        kernel = self.variable("sml", "kernel", _underived, inputs.shape[-1]).value
        if self.standardise:
            inputs = _standardised(inputs)
        if self.patch is not None:
            inputs = self._patches(inputs)
        lie_in_columns = in_columns and self.patch is None
        mapped = self._product(inputs, kernel, product_in_columns if lie_in_columns else product_in_rows)
        if self.activation is not None:  # it may combine a sample's features, which must then be the last axis
            mapped = self.activation(mapped.T).T if lie_in_columns else self.activation(mapped)
        if self.patch is None:
            return mapped
        mapped = mapped.reshape(*mapped.shape[:-2], mapped.shape[-2] * mapped.shape[-1])
        return mapped.T if in_columns else mapped

    def derive(self, tip: Array, address: Array, num_features: int) -> dict[str, Any]:
        """The layer's variables, from what a block's header and its producer say.

        Args:
          tip: u32[8], SHA-256 of the parent block's header.
          address: u32[], of the node.
          num_features: D, features of a sample.

        Returns:
          {"sml": {"kernel": f32[D, F]}}, with the features of a patch for D where there are patches. Entry e is a
          function of word or half-word e of the counter-mode stream SHA-256(seed || 0), SHA-256(seed || 1), ... with
          seed = "SML1" || tip || address (ours), by integer arithmetic, a table and one product, so it is the
          same bits on every device and jax version; the orthogonal law's entries all depend on all words.

        Raises:
          ValueError: an unknown law, a width below 1, or patches that do not tile the image.
        """
        rows, columns = self._kernel_shape(num_features)
        seed = jnp.concatenate([jnp.uint32([_DOMAIN]), tip, address[None]])
        if self.law == "orthogonal":
            size = max(rows, columns)
            numbers, unit = _orthogonal(seed, size)[:rows, :columns], math.sqrt(size) * 2.0**-_MIXINGS
        else:
            numbers, unit = _numbers(self.law, seed, rows * columns)
            numbers = numbers.reshape(rows, columns)
        if self.fraction_bits is None:
            # One product of exact numbers: some versions of XLA merge two successive products, which rounds otherwise.
            return {"sml": {"kernel": numbers * np.float32(unit / math.sqrt(rows))}}
        return {"sml": {"kernel": _on_grid(numbers * np.float32(unit), self.fraction_bits) * _scale(rows)}}

    def check(self, num_features: int) -> None:
        """Raise a ValueError unless kernels can be derived for samples of D features."""
        self._kernel_shape(num_features)

    def width(self, num_features: int) -> int:
        """Features of the layer's output for samples of D features, all patches' together.

        Raises:
          ValueError: a width below 1, or patches that do not tile the image.
        """
        rows, columns = self._kernel_shape(num_features)
        return columns if self.patch is None else num_features // rows * columns

    def features_mapped_at_once(self, num_features: int) -> int:
        """Features F of the image of what one product maps: of a sample of D features, or of one of its patches."""
        return self._kernel_shape(num_features)[1]

    def _kernel_shape(self, num_features: int) -> tuple[int, int]:
        rows = num_features = checks.whole("num_features", num_features, low=1)
        if self.patch is not None:
            patch, shape = checks.whole("patch", self.patch, low=1), self.shape or ()
            if len(shape) not in (2, 3) or math.prod(shape) != num_features or any(side % patch for side in shape[:2]):
                raise ValueError(
                    f"patch must divide the sides of an image of {num_features} features, got patch {patch} and shape "
                    f"{self.shape}: give task.shape and a divisor of height and width"
                )
            rows = patch * patch * math.prod(shape[2:])
        return rows, checks.whole("features", rows if self.features is None else self.features, low=1)

    def _patches(self, inputs: Array) -> Array:
        """Cut images f32[..., D] into patches f32[..., number of patches, P P channels], row by row."""
        assert self.patch is not None
        assert self.shape is not None
        height, width, *channels = self.shape
        leading, patch = inputs.shape[:-1], self.patch
        image = inputs.reshape(*leading, height // patch, patch, width // patch, patch, *channels)
        patches = jnp.moveaxis(image, len(leading) + 1, len(leading) + 2)
        return patches.reshape(*leading, (height // patch) * (width // patch), patch * patch * math.prod(channels))

    def _product(self, inputs: Array, kernel: Array, times: Callable[..., Array]) -> Array:
        if self.fraction_bits is None:
            return times(inputs, kernel)
        scale = _scale(kernel.shape[0])
        integers = times(  # exact while sums stay below 2^24
            _integers(inputs, self.fraction_bits), _integers(kernel / scale, self.fraction_bits)
        )
        return integers * np.float32(scale * 2.0 ** (-2 * self.fraction_bits))


def _scale(rows: int) -> np.float32:
    return np.float32(1.0 / math.sqrt(rows))


def _integers(numbers: Array, fraction_bits: int) -> Array:
    return jnp.round(numbers * np.float32(2.0**fraction_bits))


def _on_grid(numbers: Array, fraction_bits: int) -> Array:
    return _integers(numbers, fraction_bits) * np.float32(2.0**-fraction_bits)


def _standardised(samples: Array) -> Array:
    """Samples f32[..., D] of mean 0 and variance 1 each; a constant one is 0.

    The order of summation is fixed and every product is rounded, so that XLA's constant folding, which may sum in
    another order, gives the same bits.
    """
    share, axis = np.float32(1.0 / samples.shape[-1]), samples.ndim - 1
    mean = rounded(added_up(samples, axis)[..., None] * share)
    centred = kept(samples - mean)
    variance = rounded(added_up(rounded(jnp.square(centred)), axis)[..., None] * share)
    varies = samples.max(axis=-1, keepdims=True) > samples.min(axis=-1, keepdims=True)
    deviation = kept(jnp.sqrt(variance))  # else XLA replaces the division by a product with an approximate inverse
    return jnp.where(varies, centred / jnp.where(varies, deviation, 1.0), 0.0)


def _underived(num_features: int) -> Array:
    raise ValueError(
        f"the Secure Mapping Layer of {num_features} features has no kernel: pass layer.derive(tip, address)"
    )


def _numbers(law: str, seed: Array, count: int) -> tuple[Array, float]:
    """`count` exact numbers, f32[count], from the stream of `seed` u32[10], and the factor that gives mean square 1."""
    if law == "rademacher":
        words = sha256.stream(seed, -(-count // 32))
        signs = (words[:, None] >> jnp.arange(32, dtype=jnp.uint32)[None]) & 1
        return 1.0 - 2.0 * signs.reshape(-1)[:count].astype(jnp.float32), 1.0
    if law == "gaussian":
        words = sha256.stream(seed, -(-count // 2))
        halves = jnp.stack([words >> 16, words & 0xFFFF], axis=-1).reshape(-1)[:count]
        return jnp.asarray(_normal_quantiles())[halves.astype(jnp.int32)], 1.0
    parts = (sha256.stream(seed, count) >> 8).astype(jnp.int32)  # of 2^24
    if law == "uniform":
        return (parts - 2**23).astype(jnp.float32), math.sqrt(12.0) * 2.0**-24
    return parts.astype(jnp.float32), math.sqrt(3.0) * 2.0**-24


def _orthogonal(seed: Array, size: int) -> Array:
    """2^16 times an orthogonal matrix, f32[size, size], in whole numbers: orthogonal exactly, not to rounding (ours).

    Sixteen times, rows are shuffled and signed by the stream of `seed` u32[10], and each quadruple of them is
    multiplied by the Hadamard matrix of order 4, half of which is orthogonal; up to three remaining rows are doubled
    instead. All numbers are whole, so that the bits are the same everywhere. Sizes below 4 give signed permutations and
    size 4 one of 1,152 matrices: few enough that an attacker who tries addresses meets the same matrix again.
    """
    words = sha256.stream(seed, _MIXINGS * size).reshape(_MIXINGS, size)
    quadruples = size // 4

    def mix(rows: Array, words: Array) -> tuple[Array, None]:
        signs = 1 - 2 * (words & 1).astype(jnp.int32)
        rows = (rows * signs[:, None])[jnp.argsort(words >> 1, stable=True)]
        a, b, c, d = rows[: 4 * quadruples].reshape(4, quadruples, size)
        mixed = [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]
        return jnp.concatenate([*mixed, 2 * rows[4 * quadruples :]]), None

    rows = jax.lax.scan(mix, jnp.eye(size, dtype=jnp.int32), words)[0]
    return rows.astype(jnp.float32)


@functools.cache
def _normal_quantiles() -> np.ndarray:
    """The midpoint quantiles of the normal law in 2^16 equal parts, f32[65536], exact multiples of 2^-16."""
    from scipy.special import ndtri  # imported here: only this table needs it

    quantiles: np.ndarray = ndtri((np.arange(2**16) + 0.5) / 2**16)
    return (np.round(quantiles * 2**16) / 2**16).astype(np.float32)
