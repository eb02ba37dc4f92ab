"""Delays that every block draws anew."""

import abc
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, draw
from polejax._core.record import Record, replace
from polejax._core.types import Array, Key
from polejax.network.base import Network


class DelayLaw(Record, abc.ABC, abstract=True):
    """A law of non-negative seconds, by its inverse distribution function."""

    @abc.abstractmethod
    def quantile(self, probability: Array) -> Array:
        """Seconds f32[...] that are not exceeded with a probability f32[...] in (0, 1)."""


class ConstantDelay(DelayLaw):
    """Always `seconds` f32[]."""

    seconds: Array

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return jnp.broadcast_to(self.seconds, probability.shape)


class UniformDelay(DelayLaw):
    """Uniform between `low` and `high`, f32[] seconds."""

    low: Array
    high: Array

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return self.low + (self.high - self.low) * probability


class ExponentialDelay(DelayLaw):
    """Exponential with the given mean, f32[] seconds."""

    mean: Array

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return -self.mean * jnp.log1p(-probability)


class LogNormalDelay(DelayLaw):
    """Log-normal with the given median f32[] in seconds, and standard deviation `sigma` f32[] of its logarithm."""

    median: Array
    sigma: Array

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return self.median * jnp.exp(self.sigma * jax.scipy.special.ndtri(probability))


class EmpiricalDelay(DelayLaw):
    """A measured law: `quantiles` f32[Q] in seconds at probabilities 0, 1/(Q-1), ..., 1, linear between."""

    quantiles: Array

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return jnp.interp(probability, jnp.linspace(0.0, 1.0, self.quantiles.shape[-1]), self.quantiles)


class RandomDelays(Network):
    """Approximate: a network whose every block takes, to every node, an extra time drawn anew.

    Within one height it is exact for blocks that are sent directly: a node publishes unless it heard of a rival before.
    Approximate, because (a) nobody passes a block on where that would be faster than its direct way, as drawn delays
    obey no triangle inequality; and (b) a node that a block reaches before its parent, as then may happen, goes on
    racing for the parent's height until the parent comes (ours).
    """

    base: Network
    law: DelayLaw
    key: Key | None = None  # of one round

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.base.count

    def sample(self, key: Key) -> Self:
        """The network of one round, whose delays are drawn from `key`."""
        return replace(self, key=key)

    def delays_from(self, publisher: Array) -> Array:
        """Delays f32[N] in seconds of the block that node i32[] publishes in this round."""
        if self.key is None:
            raise ValueError("key must be given before delays are drawn, got None: use network.sample(key)")
        nodes = jnp.arange(self.count, dtype=jnp.uint32)
        extra = self.law.quantile(draw.uniform(jax.random.fold_in(self.key, publisher), nodes))
        return self.base.delays_from(publisher) + jnp.where(nodes == publisher.astype(jnp.uint32), 0.0, extra)

    @property
    def max_delay(self) -> Array:
        """f32[], seconds: infinite, as no drawn delay is known to be the longest."""
        return jnp.float32(jnp.inf)

    @property
    def fixed(self) -> bool:
        """See `Network.fixed`: every block has delays of its own."""
        return False


def random_delays(base: Network, law: DelayLaw) -> RandomDelays:
    """A network whose every block takes, to every node, a time drawn anew beside that of the base network. Approximate.

    Args:
      base: any `Network`; `instant(N)` for nothing but the drawn times.
      law: `constant_delay`, `uniform_delay`, `exponential_delay`, `lognormal_delay`, `empirical_delay`, or a
        subclass of `DelayLaw`.

    Raises:
      ValueError: a law that is no `DelayLaw` or a base that is no `Network`.
    """
    if not isinstance(law, DelayLaw):
        raise ValueError(f"law must be a DelayLaw, got {law!r}: use polejax.network.exponential_delay(...)")
    if not isinstance(base, Network):
        raise ValueError(f"base must be a network, got {base!r}: use polejax.network.instant(count)")
    return RandomDelays(base, law)


def constant_delay(seconds: float) -> ConstantDelay:
    """Always `seconds`; raises ValueError when negative."""
    return ConstantDelay(checks.real("seconds", seconds, low=0.0))


def uniform_delay(low: float, high: float) -> UniformDelay:
    """Uniform between `low` and `high` seconds; raises ValueError unless 0 <= low <= high."""
    low = checks.real("low", low, low=0.0)
    if not checks.is_traced(low):
        checks.real("high", high, low=float(np.max(low)))
    return UniformDelay(low, checks.real("high", high, low=0.0))


def exponential_delay(mean: float) -> ExponentialDelay:
    """Exponential with a mean in seconds; raises ValueError unless it is positive."""
    return ExponentialDelay(checks.real("mean", mean, above=0.0))


def lognormal_delay(median: float, sigma: float) -> LogNormalDelay:
    """Log-normal with a median in seconds and the standard deviation of the logarithm.

    Raises:
      ValueError: a median that is not positive or a negative sigma.
    """
    return LogNormalDelay(checks.real("median", median, above=0.0), checks.real("sigma", sigma, low=0.0))


def empirical_delay(quantiles: Array) -> EmpiricalDelay:
    """A measured law from its quantiles [Q] in seconds at Q >= 2 evenly spaced probabilities from 0 to 1.

    Raises:
      ValueError: negative, decreasing or fewer than two quantiles.
    """
    quantiles = checks.real("quantiles", quantiles, low=0.0)
    if not checks.is_traced(quantiles) and (
        quantiles.ndim == 0 or quantiles.shape[-1] < 2 or (np.diff(quantiles) < 0).any()
    ):
        raise ValueError(f"quantiles must be at least two and must not decrease, got {quantiles!r}: sort them")
    return EmpiricalDelay(quantiles)
