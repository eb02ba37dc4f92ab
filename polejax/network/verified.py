"""Verified: a network whose nodes check a block for a while before they take it and pass it on."""

import jax.numpy as jnp

from polejax._core import checks
from polejax._core.record import axes, convert
from polejax._core.types import Array, Numeric
from polejax.network.base import Network, NetworkWrapper
from polejax.network.min_plus import Arrivals


class Verified(NetworkWrapper):
    """A network in which every block takes `seconds` more to every node but its publisher.

    Attributes:
      network: the inner network.
      seconds: f32[], s, that checking a block takes, once on its way (a node does not wait for its neighbours'
        checks); at least 0. May be swept.
    """

    network: Network
    seconds: Numeric = axes(0)

    def __post_init__(self) -> None:
        if not isinstance(self.network, Network):
            raise ValueError(f"network must be like polejax.network.clique(9, 1.0), got {self.network!r}: build one")
        convert(self, seconds=lambda value: checks.real("seconds", value, low=0.0))

    def delays_from(self, publisher: Array) -> Array:
        """See `Network.delays_from`."""
        others = jnp.arange(self.count, dtype=jnp.int32) != publisher
        return self.network.delays_from(publisher) + jnp.where(others, self.seconds, 0.0)

    def arrivals(self, publish: Array) -> Arrivals:
        """See `Network.arrivals`: a node keeps its own block if it publishes before it has checked another's."""
        arrival, source = self.network.arrivals(publish)
        nodes = jnp.arange(self.count, dtype=source.dtype)
        heard = jnp.where(source == nodes, jnp.inf, arrival + self.seconds)
        own = (publish < heard) | ((publish == heard) & (nodes <= source))
        return jnp.minimum(publish, heard), jnp.where(own, nodes, source)

    def between(self, publisher: Array, node: Array) -> Array:
        """See `Network.between`."""
        return self.network.between(publisher, node) + jnp.where(publisher == node, 0.0, self.seconds)

    @property
    def max_delay(self) -> Array:
        """See `Network.max_delay`."""
        return self.network.max_delay + (self.seconds if self.count > 1 else 0.0)


def verified(network: Network, seconds: Numeric) -> Verified:
    """The network with so many seconds of checking added to every delay between different nodes.

    Raises:
      ValueError: no network, or negative seconds.
    """
    return Verified(network, seconds)
