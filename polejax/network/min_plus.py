"""How one height's blocks spread: the min-plus product, block by block in the order of publishing or all at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from polejax._core.types import Array

Arrivals = tuple[Array, Array]
"""Arrival f32[N], seconds, and source i32[N], whose block it is."""


def flood(
    publish: Array, delays_from: Callable[[Array], Array], rest: Callable[[Array], Arrivals] | None = None
) -> Arrivals:
    """Spread the blocks that are really published, earliest first; most heights have a single one.

    A node that has heard a block before it would publish is first nowhere (triangle inequality), so nothing is lost by
    leaving it out. One block costs O(N), and a height with B blocks O(B N), rather than the O(N^2) of all pairs: at 128
    nodes on a CPU a tenth of it. That a stopped node's block is not spread also makes `source[source] == source` exact
    in float32 (ours).

    Args:
      publish: f32[N], seconds at which each node would publish; inf for a node that does not.
      delays_from: from a node j i32[] to its delays D[j] f32[N], seconds, 0 at j itself.
      rest: the arrivals of all blocks at once, whatever their number; None: spread the others one by one. It runs only
        when there is a second block (under `vmap`: in any lane, where a `cond` would run always).

    Returns:
      As `Network.arrivals`: arrival f32[N] and source i32[N].
    """
    nodes = jnp.arange(publish.shape[0], dtype=jnp.int32)

    def earliest(pending: Array) -> Arrivals:
        first = pending.min()
        publisher = jnp.where(pending == first, nodes, nodes.size - 1).min()
        return first + delays_from(publisher), jnp.broadcast_to(publisher, nodes.shape)

    def ahead(heard: Arrivals) -> Array:
        """Who publishes before hearing anyone, ties going to the lower index, and has not been spread yet."""
        arrival, source = heard
        return (publish < arrival) | ((publish == arrival) & (nodes < source))

    def spread(heard: Arrivals) -> Arrivals:
        arrival, source = heard
        times, publisher = earliest(jnp.where(ahead(heard), publish, jnp.inf))
        better = (times < arrival) | ((times == arrival) & (publisher < source))
        return jnp.where(better, times, arrival), jnp.where(better, publisher, source)

    def spread_rest(heard: Arrivals) -> Arrivals:
        # Stopped nodes are masked out so that this depends on the loop's state: XLA would otherwise compute it ahead of
        # the loop, needed or not.
        return rest(jnp.where(publish <= heard[0], publish, jnp.inf)) if rest else spread(heard)

    return jax.lax.while_loop(lambda heard: ahead(heard).any(), spread_rest, earliest(publish))


def all_pairs(publish: Array, delay: Array) -> Arrivals:
    """The min-plus product as it stands.

    Args:
      publish: f32[J], seconds at which each of J publishers publishes.
      delay: f32[J, N], seconds from publisher to node.

    Returns:
      First arrival f32[N] in seconds, and the publisher i32[N] of that minimum, the lowest among equal ones.
    """
    times = publish[:, None] + delay
    arrival = times.min(axis=0)
    # A min over matching indices: the same as argmin with ties to the lowest index, but XLA vectorises it.
    rows = jnp.arange(publish.shape[0], dtype=jnp.int32)[:, None]
    return arrival, jnp.where(times == arrival[None, :], rows, publish.shape[0] - 1).min(axis=0)
