"""Networks of regions: nodes behind their own links, regions at given distances."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.network.base import Network
from polejax.network.matrix import known
from polejax.network.min_plus import Arrivals, flood


class Regions(Network):
    """Delays D[j, i] = up[j] + reach[region[j], i] for i != j, with N nodes in R regions."""

    region: Array  # i32[N], below R
    up: Array  # f32[N], seconds that a block takes over its publisher's own link
    reach: Array  # f32[R, N], seconds from a region to a node: between the regions, over the node's link, verified

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.region.shape[-1]

    @property
    def max_delay(self) -> Array:
        """f32[], seconds: no delay is longer."""
        return self.up.max(axis=-1) + self.reach.max(axis=(-2, -1))

    def between(self, publisher: Array, node: Array) -> Array:
        """Delays f32[...] in seconds from publishers to nodes, indices of one shape."""
        up, region = (of.at[publisher].get(mode="promise_in_bounds") for of in (self.up, self.region))
        reach = self.reach.at[region, node].get(mode="promise_in_bounds")
        return jnp.where(publisher == node, jnp.float32(0.0), up + reach)

    def delays_from(self, publisher: Array) -> Array:
        """Delays f32[N] in seconds of a block that node i32[] publishes."""
        delay = self.up[publisher] + self.reach[self.region[publisher]]
        return jnp.where(jnp.arange(self.count, dtype=jnp.int32) == publisher, 0.0, delay)

    def arrivals(self, publish: Array) -> Arrivals:
        """First arrival f32[N] (seconds) and its source i32[N]; O(R N) at most, see `Network.arrivals`."""
        return flood(publish, self.delays_from, self._arrivals_of_all)

    def _arrivals_of_all(self, publish: Array) -> Arrivals:
        """Of each region only the block that leaves it first can matter elsewhere; a node's own has no delay."""
        nodes = jnp.arange(self.count, dtype=jnp.int32)
        leave = publish + self.up
        num_regions = self.reach.shape[0]
        first = jax.ops.segment_min(leave, self.region, num_regions)
        finder = jnp.where(leave == first[self.region], nodes, self.count - 1)
        finder = jax.ops.segment_min(finder, self.region, num_regions)
        times = first[:, None] + self.reach
        heard = times.min(axis=0)
        source = jnp.where(times == heard[None, :], finder[:, None], self.count - 1).min(axis=0)
        own = (publish < heard) | ((publish == heard) & (nodes <= source))
        return jnp.minimum(publish, heard), jnp.where(own, nodes, source)


def regions(
    region: Array, between: Array, up: Array = 0.0, down: Array = 0.0, *, relay: bool = False, tolerance: float = 1e-5
) -> Regions:
    """Nodes in regions: D[j, i] = up[j] + between[region[j], region[i]] + down[i] from node j to another node i.

    A round costs O(N) when one block is published, O(R N) whatever is published: 10,000 nodes are usable.

    Args:
      region: i32[N], each node's region, from 0 to R - 1.
      between: f32[R, R], seconds from row to column; the diagonal is between two different nodes of one region.
      up: f32[N] or one for all, seconds over the publisher's own link.
      down: f32[N] or one for all, seconds over the receiver's own link, and until it has verified.
      relay: let a node of a third region pass blocks on where that is faster (shortest paths); else such delays raise.
        Measured latencies break the triangle inequality: a detour over a third region is often faster.
      tolerance: relative excess over the triangle inequality that is taken for rounding (ours).

    Raises:
      ValueError: a region that is no row of `between`, negative delays, wrong shapes, or, unless `relay`, a delay
        between two regions that a node of a third one undercuts.
    """
    region = known("region", region)
    between = known("between", checks.real("between", between, low=0.0, ndim=2)).astype(np.float64)
    if between.shape[0] != between.shape[1] or between.shape[0] == 0:
        raise ValueError(f"between must be a square matrix with one row per region, got shape {between.shape}")
    if region.ndim != 1 or region.size == 0 or not np.issubdtype(region.dtype, np.integer):
        raise ValueError(f"region must be whole numbers, one per node, got {region!r}")
    outside = (region < 0) | (region >= between.shape[0])
    if outside.any():
        node = int(np.argmax(outside))
        raise ValueError(f"region must be from 0 to {between.shape[0] - 1}, got {region[node]} at node {node}")
    links = [np.float64(known(name, checks.real(name, value, low=0.0))) for name, value in (("up", up), ("down", down))]
    for name, link in zip(("up", "down"), links, strict=True):
        if link.shape not in ((), region.shape):
            raise ValueError(f"{name} must be one number or one per node ({region.size}), got shape {link.shape}")
    up, down = (np.broadcast_to(link, region.shape) for link in links)
    shortest = _shortest(region, between, up + down, tolerance, relay)
    reach = shortest[:, region] + down
    return Regions(region.astype(np.int32), up.astype(np.float32), reach.astype(np.float32))


def _shortest(region: np.ndarray, between: np.ndarray, link: np.ndarray, tolerance: float, relay: bool) -> np.ndarray:
    """Shortest paths between regions, f64[R, R], where passing through node k of a third region costs link[k]."""
    passing = np.full(between.shape[0], np.inf)
    np.minimum.at(passing, region, link)
    population = np.bincount(region, minlength=between.shape[0])
    used = np.outer(population, population) - np.diag(population) > 0  # pairs of regions with two different nodes
    shortest = between.copy()
    for via in np.flatnonzero(population):
        detour = shortest[:, via, None] + passing[via] + shortest[None, via, :]
        broken = used & (shortest > detour * (1.0 + tolerance))
        if broken.any() and not relay:
            a, b = (int(index) for index in np.argwhere(broken)[0])
            raise ValueError(
                f"between[{a}, {b}] = {between[a, b]:g} must be at most {detour[a, b]:g}, which it takes over region "
                f"{via} (triangle inequality): lower it, or pass relay=True to take shortest paths"
            )
        shortest = np.minimum(shortest, detour)
    return shortest
