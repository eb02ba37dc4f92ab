"""Networks given by all their delays."""

import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.network.base import Network
from polejax.network.min_plus import Arrivals, all_pairs, flood

SMALL = 32  # nodes; up to here all pairs at once cost no more than block by block, and many forks cost nothing extra


class Matrix(Network):
    """Any delays that obey the triangle inequality, as one matrix f32[N, N] of seconds from row j to column i."""

    delay: Array

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.delay.shape[-1]

    @property
    def max_delay(self) -> Array:
        """f32[], seconds: no delay is longer."""
        return self.delay.max(axis=(-2, -1))

    def between(self, publisher: Array, node: Array) -> Array:
        """Delays f32[...] in seconds from publishers to nodes, indices of one shape."""
        return self.delay.at[publisher, node].get(mode="promise_in_bounds")

    def delays_from(self, publisher: Array) -> Array:
        """Delays f32[N] in seconds of a block that node i32[] publishes."""
        return self.delay[publisher]

    def arrivals(self, publish: Array) -> Arrivals:
        """First arrival f32[N] (seconds) and its source i32[N]; O(N) per published block, see `Network.arrivals`."""
        if self.count > SMALL:
            return flood(publish, self.delays_from)
        return flood(publish, self.delays_from, lambda publish: all_pairs(publish, self.delay))


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
    delay = known("delay", checks.real("delay", delay, low=0.0, ndim=2))
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


def relay(network: Matrix, members: Array, seconds: float) -> Matrix:
    """The same network with a relay network (FIBRE, Falcon) beside it: a fast path between its members.

    Args:
      network: a `Matrix`, such as `gossip` makes.
      members: bool[N], nodes that are linked to the relay network.
      seconds: from any member to any other through the relay network.

    Returns:
      A `Matrix` of shortest paths, D'[j, i] = min(D[j, i], min_m D[j, m] + seconds + min_m D[m, i]) over members m: a
      second passage through the relay network never pays, so this is the closure (ours).

    Raises:
      ValueError: no or wrongly shaped members, or negative seconds.
    """
    delay = known("network.delay", network.delay)
    members = np.asarray(members)
    if members.dtype != bool or members.shape != (network.count,) or not members.any():
        raise ValueError(f"members must be bool[{network.count}] with some node true, got {members!r}")
    seconds = float(checks.real("seconds", seconds, low=0.0, ndim=0))
    into, out = delay[:, members].min(axis=1), delay[members].min(axis=0)
    relayed = np.minimum(delay, into[:, None] + np.float32(seconds) + out[None, :])
    np.fill_diagonal(relayed, 0.0)
    return Matrix(relayed)


def known(name: str, value: Array) -> np.ndarray:
    """The value as a NumPy array; raises ValueError for a tracer, whose triangle inequality nobody can check."""
    if checks.is_traced(value):
        raise ValueError(f"{name} must be known when the network is built: sweep with jax.vmap over stacked networks")
    return np.asarray(value)
