"""Regions: networks whose delays depend on the nodes' regions and on each node's own link."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.ranges import as_delays
from polejax._core.record import axes
from polejax._core.types import Array, Numeric
from polejax.network.base import Network
from polejax.network.matrix import known
from polejax.network.min_plus import Arrivals, flood


class Regions(Network):
    """Delays D[j, i] = up[j] + reach[region[j], i] for i != j, with N nodes in R regions.

    Attributes:
      region: i32[N], each node's region, from 0 to R - 1.
      up: f32[N], seconds that a block takes over its publisher's own link.
      reach: f32[R, N], seconds from a region to a node: between the regions, over the node's own link, and to verify.
    """

    region: Array = axes(1)
    up: Array = axes(1)
    reach: Array = axes(2)

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.region.shape[-1]

    @property
    def max_delay(self) -> Array:
        """See `Network.max_delay`."""
        return self.up.max(axis=-1) + self.reach.max(axis=(-2, -1))

    def between(self, publisher: Array, node: Array) -> Array:
        """See `Network.between`."""
        up, region = (of.at[publisher].get(mode="promise_in_bounds") for of in (self.up, self.region))
        reach = self.reach.at[region, node].get(mode="promise_in_bounds")
        return jnp.where(publisher == node, jnp.float32(0.0), up + reach)

    def delays_from(self, publisher: Array) -> Array:
        """See `Network.delays_from`."""
        delay = self.up[publisher] + self.reach[self.region[publisher]]
        return jnp.where(jnp.arange(self.count, dtype=jnp.int32) == publisher, 0.0, delay)

    def arrivals(self, publish: Array) -> Arrivals:
        """See `Network.arrivals`; O(R N) at most."""
        return flood(publish, self.delays_from, self._arrivals_of_all)

    def _arrivals_of_all(self, publish: Array) -> Arrivals:
        """Arrivals of all blocks: for other nodes only the first block to leave each region counts."""
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


@checked
def regions(
    region: Array,
    between: Array,
    up: Numeric = 0.0,
    down: Numeric = 0.0,
    *,
    relay: bool = False,
    tolerance: float = 1e-5,
) -> Regions:
    """A network of nodes in regions: D[j, i] = up[j] + between[region[j], region[i]] + down[i] for i != j.

    A round costs O(N) if one block is published and O(R N) at most, so that 10,000 nodes are practical.

    Args:
      region: i32[N], each node's region, from 0 to R - 1.
      between: f32[R, R], seconds from row to column; the diagonal is between two different nodes of one region.
      up: f32[N] or one number for all, seconds over the publisher's own link.
      down: f32[N] or one number for all, seconds over the receiver's own link and to verify the block.
      relay: whether nodes of a third region pass blocks on where that is faster (shortest paths); if not, such delays
        are refused. Measured latencies often break the triangle inequality in this way.
      tolerance: relative excess over the triangle inequality that counts as rounding (ours).

    Raises:
      ValueError: a region without a row in `between`, negative delays, wrong shapes, or, unless `relay`, a delay
        between two regions that is longer than a detour over a third one.
    """
    tolerance = checks.number("tolerance", tolerance, low=0.0, below=1.0)
    region = known("region", region)
    between = known("between", checks.real("between", between, low=0.0, ndim=2)).astype(np.float64)
    if between.shape[0] != between.shape[1] or between.shape[0] == 0:
        raise ValueError(f"between must be a square matrix with one row per region, got shape {between.shape}")
    if region.ndim != 1 or region.size == 0 or not np.issubdtype(region.dtype, np.integer):
        raise ValueError(f"region must be whole numbers, one per node, got {checks.shown(region)}")
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
    return Regions(region.astype(np.int32), as_delays("up", up), as_delays("between and down", reach))


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
