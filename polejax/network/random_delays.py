"""Random delays: every block draws its own."""

import abc
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, draw
from polejax._core.record import Record, axes, replace
from polejax._core.types import Array, Key, Numeric
from polejax.network.base import Network


class DelayLaw(Record, abc.ABC, abstract=True):
    """A distribution of non-negative delays in seconds, given by its quantile function."""

    @abc.abstractmethod
    def quantile(self, probability: Array) -> Array:
        """The quantiles f32[...], seconds, at probabilities f32[...] in (0, 1)."""


class ConstantDelay(DelayLaw):
    """A delay that is always the same.

    Attributes:
      seconds: f32[].
    """

    seconds: Numeric = axes(0)

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return jnp.broadcast_to(self.seconds, probability.shape)


class UniformDelay(DelayLaw):
    """A delay uniform between two bounds.

    Attributes:
      low: f32[], seconds.
      high: f32[], seconds.
    """

    low: Numeric = axes(0)
    high: Numeric = axes(0)

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return self.low + (self.high - self.low) * probability


class ExponentialDelay(DelayLaw):
    """An exponential delay.

    Attributes:
      mean: f32[], seconds.
    """

    mean: Numeric = axes(0)

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return -self.mean * jnp.log1p(-probability)


class LogNormalDelay(DelayLaw):
    """A log-normal delay.

    Attributes:
      median: f32[], seconds.
      sigma: f32[], standard deviation of the delay's logarithm.
    """

    median: Numeric = axes(0)
    sigma: Numeric = axes(0)

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return self.median * jnp.exp(self.sigma * jax.scipy.special.ndtri(probability))


class EmpiricalDelay(DelayLaw):
    """A measured delay, linear between its quantiles.

    Attributes:
      quantiles: f32[Q], seconds, at the probabilities 0, 1/(Q-1), ..., 1.
    """

    quantiles: Numeric = axes(1)

    def quantile(self, probability: Array) -> Array:
        """See `DelayLaw.quantile`."""
        return jnp.interp(probability, jnp.linspace(0.0, 1.0, self.quantiles.shape[-1]), self.quantiles)


class RandomDelays(Network):
    """Approximate: a network in which every block takes an extra, random time to every node.

    Within one height the simulation is exact for blocks that are sent directly: a node publishes unless it has heard
    of a rival block before. It is approximate because random delays break the triangle inequality: (a) no node passes a
    block on where that would be faster than the direct way; and (b) a node that receives a block before that block's
    parent goes on racing for the parent's height until the parent arrives (ours).

    Attributes:
      base: the network to whose delays the random ones are added.
      law: distribution of the random delays.
      key: from which the delays of one round are drawn; None outside a round.
    """

    base: Network
    law: DelayLaw
    key: Key | None = axes(0, default=None)

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.base.count

    def sample(self, key: Key) -> Self:
        """The network of one round, with delays drawn from `key`."""
        return replace(self, key=key)

    def delays_from(self, publisher: Array) -> Array:
        """See `Network.delays_from`; of the block that the node publishes in this round."""
        if self.key is None:
            raise ValueError("key must be given before delays are drawn, got None: use network.sample(key)")
        nodes = jnp.arange(self.count, dtype=jnp.uint32)
        extra = self.law.quantile(draw.uniform(jax.random.fold_in(self.key, publisher), nodes))
        return self.base.delays_from(publisher) + jnp.where(nodes == publisher.astype(jnp.uint32), 0.0, extra)

    @property
    def max_delay(self) -> Array:
        """See `Network.max_delay`; always inf, whatever the law."""
        return jnp.float32(jnp.inf)

    @property
    def fixed(self) -> bool:
        """See `Network.fixed`; False, as every block has its own delays."""
        return False


def random_delays(base: Network, law: DelayLaw) -> RandomDelays:
    """A network in which every block takes, to every node, a random time in addition to the base network's delay.

    Approximate, see `RandomDelays`.

    Args:
      base: any `Network`; `instant(N)` for random times alone.
      law: `constant_delay`, `uniform_delay`, `exponential_delay`, `lognormal_delay`, `empirical_delay`, or a
        subclass of `DelayLaw`.

    Raises:
      ValueError: `law` is not a `DelayLaw`, or `base` is not a `Network`.
    """
    if not isinstance(law, DelayLaw):
        raise ValueError(f"law must be a DelayLaw, got {checks.shown(law)}: use polejax.network.exponential_delay(...)")
    if not isinstance(base, Network):
        raise ValueError(f"base must be a network, got {checks.shown(base)}: use polejax.network.instant(count)")
    return RandomDelays(base, law)


def constant_delay(seconds: Numeric) -> ConstantDelay:
    """A delay that is always `seconds`; raises ValueError if negative."""
    return ConstantDelay(checks.real("seconds", seconds, low=0.0))


def uniform_delay(low: Numeric, high: Numeric) -> UniformDelay:
    """A delay uniform between `low` and `high` seconds; raises ValueError unless 0 <= low <= high."""
    low = checks.real("low", low, low=0.0)
    if not checks.is_traced(low):
        checks.real("high", high, low=float(np.max(low)))
    return UniformDelay(low, checks.real("high", high, low=0.0))


def exponential_delay(mean: Numeric) -> ExponentialDelay:
    """An exponential delay with its mean in seconds; raises ValueError unless positive."""
    return ExponentialDelay(checks.real("mean", mean, above=0.0))


def lognormal_delay(median: Numeric, sigma: Numeric) -> LogNormalDelay:
    """A log-normal delay with its median in seconds and the standard deviation `sigma` of its logarithm.

    Raises:
      ValueError: a median that is not positive or a negative sigma.
    """
    return LogNormalDelay(checks.real("median", median, above=0.0), checks.real("sigma", sigma, low=0.0))


def empirical_delay(quantiles: Array) -> EmpiricalDelay:
    """A measured delay from its quantiles [Q], seconds, at Q >= 2 evenly spaced probabilities from 0 to 1.

    Raises:
      ValueError: negative, decreasing or fewer than two quantiles.
    """
    quantiles = checks.real("quantiles", quantiles, low=0.0)
    if not checks.is_traced(quantiles) and (
        quantiles.ndim == 0 or quantiles.shape[-1] < 2 or (np.diff(quantiles) < 0).any()
    ):
        raise ValueError(
            f"quantiles must be at least two and must not decrease, got {checks.shown(quantiles)}: sort them"
        )
    return EmpiricalDelay(quantiles)
