"""Networks whose nodes are all equally far apart."""

from typing import ClassVar

import jax.numpy as jnp

from polejax._core import checks
from polejax._core.record import record, static
from polejax._core.types import Array
from polejax.flood import Heard


@record
class Clique:
    """All pairs equally far apart: `seconds` f32[] from anyone to anyone else."""

    seconds: Array
    count: int = static()
    equidistant: ClassVar[bool] = True

    @property
    def longest(self) -> Array:
        """f32[], seconds: no delay is longer."""
        return self.seconds

    def between(self, publisher: Array, node: Array) -> Array:
        """Delays f32[...] in seconds from publishers to nodes, indices of one shape."""
        return jnp.where(publisher == node, jnp.float32(0.0), self.seconds)

    def row(self, publisher: Array) -> Array:
        """Delays f32[N] in seconds of a block that node i32[] publishes."""
        return jnp.where(jnp.arange(self.count, dtype=jnp.int32) == publisher, 0.0, self.seconds)

    def hear(self, publish: Array) -> Heard:
        """First arrival f32[N] (seconds) and its source i32[N]; O(N), see `Network.hear`."""
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
