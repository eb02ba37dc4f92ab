"""Networks: when each node has received and verified a block, as a min-plus product of publishing times and delays."""

from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from polejax import checks
from polejax.checks import Array
from polejax.record import record, static


class Network(Protocol):
    """What carries blocks: delays D[j, i] >= 0 seconds from j's publishing to i's having verified it, D[i, i] = 0."""

    count: int

    def hear(self, publish: Array) -> tuple[Array, Array]:
        """First arrival at every node, and whose block it is.

        Args:
          publish: f32[N], seconds at which each node would publish; inf for a node that does not.

        Returns:
          arrival f32[N], `min_j publish[j] + D[j, i]`, seconds; source i32[N], the j of that minimum, the lowest j
          among exactly equal ones.
        """
        ...


@record
class Matrix:
    """Any delays that obey the triangle inequality, as one matrix f32[N, N] of seconds from row j to column i."""

    delay: Array

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.delay.shape[-1]

    def hear(self, publish: Array) -> tuple[Array, Array]:
        """First arrival f32[N] (seconds) and its source i32[N]; O(N^2), see `Network.hear`."""
        times = publish[:, None] + self.delay
        arrival = times.min(axis=0)
        # A min over matching indices: the same as argmin with ties to the lowest index, but XLA vectorises it.
        rows = jnp.arange(self.count, dtype=jnp.int32)[:, None]
        return arrival, jnp.where(times == arrival, rows, self.count - 1).min(axis=0)


@record
class Clique:
    """All pairs equally far apart: `seconds` f32[] from anyone to anyone else."""

    seconds: Array
    count: int = static()

    def hear(self, publish: Array) -> tuple[Array, Array]:
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


def from_matrix(delay: Array, tolerance: float = 1e-5) -> Matrix:
    """A network with the given delays.

    Args:
      delay: f32[N, N], seconds from row j's publishing to column i's having received and verified; zero diagonal.
      tolerance: relative excess over the triangle inequality that is taken for rounding and mended (ours).

    Returns:
      A `Matrix` network whose delays obey the triangle inequality in float32.

    Raises:
      ValueError: not square, negative, a diagonal that is not 0, or a triple j, k, i with
        D[j, i] > D[j, k] + D[k, i]: such delays are no shortest paths, and the round would not be exact.
    """
    delay = checks.real("delay", delay, low=0.0, ndim=2)
    if checks.is_traced(delay):
        raise ValueError("delay must be known when the network is built: sweep it with jax.vmap over a stacked Matrix")
    if delay.shape[0] != delay.shape[1] or delay.shape[0] == 0:
        raise ValueError(f"delay must be a square matrix with one row per node, got shape {delay.shape}")
    diagonal = np.diagonal(delay)
    if diagonal.any():
        node = int(np.flatnonzero(diagonal)[0])
        raise ValueError(f"delay[{node}, {node}] must be 0, got {diagonal[node]:g}: a node hears itself at once")
    for via in range(delay.shape[0]):
        detour = delay[:, via, None] + delay[None, via, :]
        broken = delay > detour * (1.0 + tolerance) + np.finfo(np.float32).tiny
        if broken.any():
            j, i = (int(index) for index in np.argwhere(broken)[0])
            raise ValueError(
                f"delay[{j}, {i}] = {delay[j, i]:g} must be at most delay[{j}, {via}] + delay[{via}, {i}] = "
                f"{detour[j, i]:g} (triangle inequality): use shortest paths, as polejax.network.gossip does"
            )
        delay = np.minimum(delay, detour)
    return Matrix(delay)


def check_same_count(network: Any, count: int) -> None:
    """Raise a ValueError unless the network connects `count` nodes."""
    if network.count != count:
        raise ValueError(f"network connects {network.count} nodes, but there are {count}: build both with one count")
