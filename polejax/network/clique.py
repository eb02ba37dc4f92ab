"""Cliques: networks in which all pairs of nodes are equally far apart."""

import jax.numpy as jnp

from polejax._core import checks
from polejax._core.record import axes, static
from polejax._core.types import Array, Numeric
from polejax.network.base import Network
from polejax.network.min_plus import Arrivals


class Clique(Network):
    """A network in which every node is equally far from every other.

    Attributes:
      seconds: f32[], delay from any node to any other.
      num_nodes: N, static.
    """

    seconds: Numeric = axes(0)
    num_nodes: int = static()

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.num_nodes

    @property
    def equidistant(self) -> bool:
        """See `Network.equidistant`."""
        return True

    @property
    def max_delay(self) -> Array:
        """See `Network.max_delay`."""
        return self.seconds

    def between(self, publisher: Array, node: Array) -> Array:
        """See `Network.between`."""
        return jnp.where(publisher == node, jnp.float32(0.0), self.seconds)

    def delays_from(self, publisher: Array) -> Array:
        """See `Network.delays_from`."""
        return jnp.where(jnp.arange(self.count, dtype=jnp.int32) == publisher, 0.0, self.seconds)

    def arrivals(self, publish: Array) -> Arrivals:
        """See `Network.arrivals`; O(N) whatever is published."""
        nodes = jnp.arange(self.count, dtype=jnp.int32)
        first = publish.min()
        # Exact ties go to the lowest index, so that a clique gives the same bits as its matrix.
        finder = jnp.where(publish == first, nodes, self.count - 1).min()
        heard = first + self.seconds
        own = (publish < heard) | ((publish == heard) & (nodes <= finder))
        return jnp.minimum(publish, heard), jnp.where(own, nodes, finder)


def instant(count: int) -> Clique:
    """`count` nodes without any delay between them; raises ValueError unless count >= 1."""
    return clique(count, 0.0)


def clique(count: int, seconds: Numeric) -> Clique:
    """A network of `count` nodes, each `seconds` away from every other.

    Args:
      count: number of nodes N, at least 1.
      seconds: f32[], at least 0, from publishing a block to having received and verified it; may be swept.

    Raises:
      ValueError: count below 1 or a negative delay.
    """
    return Clique(checks.real("seconds", seconds, low=0.0), checks.whole("count", count, low=1))
