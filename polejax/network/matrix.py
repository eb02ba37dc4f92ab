"""Matrices: networks given by the delays of all pairs of nodes."""

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import axes
from polejax._core.sweep import single
from polejax._core.types import Array
from polejax.network.base import Network
from polejax.network.min_plus import Arrivals, all_pairs, flood

SMALL = 32  # nodes, up to which all pairs at once cost no more than one block after another, however many forks


class Matrix(Network):
    """Any delays that obey the triangle inequality.

    Attributes:
      delay: f32[N, N], seconds from the publisher (row j) to the receiver (column i).
    """

    delay: Array = axes(2)

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.delay.shape[-1]

    @property
    def max_delay(self) -> Array:
        """See `Network.max_delay`."""
        return self.delay.max(axis=(-2, -1))

    def between(self, publisher: Array, node: Array) -> Array:
        """See `Network.between`."""
        return self.delay.at[publisher, node].get(mode="promise_in_bounds")

    def delays_from(self, publisher: Array) -> Array:
        """See `Network.delays_from`."""
        return self.delay[publisher]

    def arrivals(self, publish: Array) -> Arrivals:
        """See `Network.arrivals`; O(N) per published block."""
        if self.count > SMALL:
            return flood(publish, self.delays_from)
        return flood(publish, self.delays_from, lambda publish: all_pairs(publish, self.delay))


@checked
def from_matrix(delay: Array, tolerance: float = 1e-5) -> Matrix:
    """A network with the given delays.

    Args:
      delay: f32[N, N], seconds from row j's publishing to column i's having received and verified; zero diagonal.
      tolerance: relative excess over the triangle inequality that counts as rounding and is removed (ours).

    Returns:
      A `Matrix` network whose delays obey the triangle inequality in float32.

    Raises:
      ValueError: not square, negative, a diagonal that is not 0, or a triple j, k, i with
        D[j, i] > D[j, k] + D[k, i]: such delays are not shortest paths, and the round would not be exact.
    """
    tolerance = checks.number("tolerance", tolerance, low=0.0, below=1.0)
    delay = known("delay", checks.real("delay", delay, low=0.0, ndim=2))
    if delay.shape[0] != delay.shape[1] or delay.shape[0] == 0:
        raise ValueError(f"delay must be a square matrix with one row per node, got shape {delay.shape}")
    diagonal = np.diagonal(delay)
    if diagonal.any():
        node = int(np.flatnonzero(diagonal)[0])
        raise ValueError(f"delay[{node}, {node}] must be 0, got {diagonal[node]:g}: a node has its own block at once")
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


@checked
@single("network")
def relay(network: Matrix, members: Array, seconds: float) -> Matrix:
    """The same network with a relay network (FIBRE, Falcon) added: a fast path between its members.

    Args:
      network: a `Matrix`, such as `gossip` returns.
      members: bool[N], nodes that take part in the relay network.
      seconds: from any member to any other through the relay network.

    Returns:
      A `Matrix` of shortest paths, D'[j, i] = min(D[j, i], min_m D[j, m] + seconds + min_m D[m, i]) over members m: a
      second passage through the relay network is never faster, so these are all shortest paths (ours).

    Raises:
      ValueError: members of another shape or none of them true, or negative seconds.
    """
    delay = known("network.delay", network.delay)
    members = np.asarray(members)
    if members.dtype != bool or members.shape != (network.count,) or not members.any():
        raise ValueError(f"members must be bool[{network.count}] with some node true, got {checks.shown(members)}")
    seconds = float(checks.real("seconds", seconds, low=0.0, ndim=0))
    into, out = delay[:, members].min(axis=1), delay[members].min(axis=0)
    relayed = np.minimum(delay, into[:, None] + np.float32(seconds) + out[None, :])
    np.fill_diagonal(relayed, 0.0)
    return Matrix(relayed)


def known(name: str, value: Array) -> np.ndarray:
    """The value as a NumPy array; raises ValueError for a tracer, whose triangle inequality cannot be checked."""
    if checks.is_traced(value):
        raise ValueError(f"{name} must be known when the network is built: sweep with jax.vmap over stacked networks")
    return np.asarray(value)
