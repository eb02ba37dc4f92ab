"""Networks whose nodes are all equally far apart."""

import jax.numpy as jnp

from polejax._core import checks
from polejax._core.record import static
from polejax._core.types import Array
from polejax.network.base import Network
from polejax.network.min_plus import Arrivals


class Clique(Network):
    """All pairs equally far apart: `seconds` f32[] from anyone to anyone else."""

    seconds: Array
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
        """f32[], seconds: no delay is longer."""
        return self.seconds

    def between(self, publisher: Array, node: Array) -> Array:
        """Delays f32[...] in seconds from publishers to nodes, indices of one shape."""
        return jnp.where(publisher == node, jnp.float32(0.0), self.seconds)

    def delays_from(self, publisher: Array) -> Array:
        """Delays f32[N] in seconds of a block that node i32[] publishes."""
        return jnp.where(jnp.arange(self.count, dtype=jnp.int32) == publisher, 0.0, self.seconds)

    def arrivals(self, publish: Array) -> Arrivals:
        """First arrival f32[N] (seconds) and its source i32[N]; O(N), see `Network.arrivals`."""
        nodes = jnp.arange(self.count, dtype=jnp.int32)
        first = publish.min()
        # All ties go to the lowest index, so that a clique agrees with its matrix to the last bit.
        finder = jnp.where(publish == first, nodes, self.count - 1).min()
        heard = first + self.seconds
        own = (publish < heard) | ((publish == heard) & (nodes <= finder))
        return jnp.minimum(publish, heard), jnp.where(own, nodes, finder)


def instant(count: int) -> Clique:
    """`count` nodes that hear every block at once; raises ValueError unless count >= 1."""
    return clique(count, 0.0)


def clique(count: int, seconds: float) -> Clique:
    """`count` nodes, each `seconds` away from every other.

    Args:
      count: number of nodes N, at least 1.
      seconds: f32[], from publishing to having received and verified; at least 0; may be swept.

    Raises:
      ValueError: count below 1 or a negative delay.
    """
    return Clique(checks.real("seconds", seconds, low=0.0), checks.whole("count", count, low=1))
